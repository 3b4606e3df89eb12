package bot

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"foundry/pkg/message"
)

// Job is one message being worked on.
type Job struct {
	*Bot
	Message *message.Message
	Body    message.Body
	Log     zerolog.Logger
	Dir     string // empty scratch folder, removed afterwards
}

// scratch makes the folders that jobs work in and removes them, also those that a killed process
// has left.
type scratch struct{ dir string }

// openScratch makes the folder of this process, root/<pid>-…, and removes those of processes that
// are gone.
func openScratch(root string) (*scratch, error) {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, fmt.Errorf("make scratch folder: %w", err)
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("list scratch folder: %w", err)
	}
	for _, e := range entries {
		if gone(e.Name()) {
			if err := removeAll(filepath.Join(root, e.Name())); err != nil {
				return nil, fmt.Errorf("remove left-over scratch folder: %w", err)
			}
		}
	}
	dir, err := os.MkdirTemp(root, strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return nil, fmt.Errorf("make scratch folder: %w", err)
	}
	return &scratch{dir}, nil
}

// gone tells whether the process that made a scratch folder of this name has ended.
func gone(name string) bool {
	pid, _, _ := strings.Cut(name, "-")
	n, err := strconv.Atoi(pid)
	return err == nil && n > 0 && unix.Kill(n, 0) == unix.ESRCH
}

func (s *scratch) make() (string, error) {
	dir, err := os.MkdirTemp(s.dir, "job-")
	if err != nil {
		return "", fmt.Errorf("make scratch folder: %w", err)
	}
	return dir, nil
}

func (s *scratch) remove(dir string, log zerolog.Logger) {
	if err := removeAll(dir); err != nil {
		log.Warn().Err(err).Msg("scratch folder not removed")
	}
}

func (s *scratch) close() { _ = removeAll(s.dir) }

// removeAll removes a tree in which folders may be read-only.
func removeAll(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return os.RemoveAll(dir)
}
