package repository

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"foundry/pkg/bot"
	"foundry/pkg/publish/aptly/disk"
)

// savedFile is the file of settings in the folder of a repository.
const savedFile = "options.json"

// Save keeps the settings in the state folder, for Load.
func (s *Settings) Save(state string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode settings: %w", err)
	}
	if err := disk.WriteChanged(filepath.Join(Dir(state, s.Name), savedFile), append(text, '\n')); err != nil {
		return fmt.Errorf("keep settings of the repository: %w", err)
	}
	return nil
}

// Load returns the settings that distbot was last started with for the repository named name.
func Load(state, name string) (*Settings, error) {
	text, err := os.ReadFile(filepath.Join(Dir(state, name), savedFile))
	if errors.Is(err, fs.ErrNotExist) {
		names, err := Names(state)
		if err != nil {
			return nil, err
		}
		return nil, unknown(state, name, names)
	}
	if err != nil {
		return nil, bot.Hint(fmt.Errorf("read settings of repository %s: %w", name, err), "run this as the user that distbot runs as")
	}
	s := new(Settings)
	s.Declare(pflag.NewFlagSet("", pflag.ContinueOnError)) // what is not in the file has its default
	if err := json.Unmarshal(text, s); err != nil {
		return nil, bot.Hint(fmt.Errorf("read settings of repository %s: %w", name, err), "start distbot once, which writes them anew")
	}
	s.Name = name
	if err := s.Check(); err != nil {
		// Its hint is for whoever has given flags.
		return nil, bot.Hint(errors.New("settings of repository "+name+": "+err.Error()), "start distbot once, which writes them anew")
	}
	if len(s.Keys) == 0 {
		s.Keys = []string{filepath.Join(state, "keys", Key.File)} // which is not to be made here
	}
	return s, nil
}

func unknown(state, name string, names []string) error {
	err := fmt.Errorf("there is no repository %s in the state folder %s", name, state)
	if len(names) == 0 {
		return bot.Hint(err, "start distbot once to make it, or name another folder with --state")
	}
	return bot.Hint(err, bot.Nearest(name, names)+" (--name)")
}

// Names are the repositories of a state folder that distbot has been started for.
func Names(state string) (names []string, err error) {
	entries, err := os.ReadDir(Dir(state, ""))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list repositories: %w", err)
	}
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(Dir(state, e.Name()), savedFile)); err == nil {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
