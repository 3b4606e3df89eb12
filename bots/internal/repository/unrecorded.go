package repository

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"foundry/pkg/publish"
)

// unrecordedFile lists, one JSON object in a line, the source packages that people have changed, so that the next
// distbot that starts puts them on record.
const unrecordedFile = "unrecorded"

// Unrecorded is a source package that people have changed.
type Unrecorded struct {
	Codename string `json:"codename"`
	Source   string `json:"source"`
}

// noteChanged leaves word of a change.
func noteChanged(state, name string, changed []publish.Changed) (err error) {
	f, err := os.OpenFile(filepath.Join(Dir(state, name), unrecordedFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("note change: %w", err)
	}
	defer func() { err = errors.Join(err, f.Sync(), f.Close()) }()
	seen := map[Unrecorded]bool{}
	encoder := json.NewEncoder(f)
	for _, c := range changed {
		for _, p := range append(c.Added[:len(c.Added):len(c.Added)], c.Removed...) {
			u := Unrecorded{c.Codename, p.Source}
			if seen[u] {
				continue
			}
			seen[u] = true
			if err := encoder.Encode(u); err != nil {
				return fmt.Errorf("note change: %w", err)
			}
		}
	}
	return nil
}

// ReadUnrecorded returns what has been changed since the last ForgetUnrecorded. A line that cannot be read is passed over.
func ReadUnrecorded(state, name string) (list []Unrecorded, err error) {
	f, err := os.Open(filepath.Join(Dir(state, name), unrecordedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var u Unrecorded
		if json.Unmarshal(lines.Bytes(), &u) == nil && u.Source != "" {
			list = append(list, u)
		}
	}
	return list, lines.Err()
}

// ForgetUnrecorded removes the notes, once they are on record.
func ForgetUnrecorded(state, name string) error {
	err := os.Remove(filepath.Join(Dir(state, name), unrecordedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
