package target

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// list is a file that says what a target has: a JSON object of marks by name, and below it, one in each line, objects
// with what has changed since; null stands for a file that has gone. A push so costs what it changes.
type list struct {
	path    string
	pending map[string]*string // changes that are not written yet
}

func newList(path string) *list { return &list{path: path, pending: map[string]*string{}} }

func (l *list) set(name, mark string) { l.pending[name] = &mark }
func (l *list) drop(name string)      { l.pending[name] = nil }

// read returns the marks. A last line that is not whole counts for nothing, since what it announces was not begun;
// a list damaged elsewhere is none at all, and everything is sent once more.
func (l *list) read() (map[string]string, error) {
	text, err := os.ReadFile(l.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read what a target has: %w", err)
	}
	marks := map[string]string{}
	for line := range bytes.Lines(text) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		var changes map[string]*string
		if err := json.Unmarshal(line, &changes); err != nil {
			return map[string]string{}, nil
		}
		for name, mark := range changes {
			if mark == nil {
				delete(marks, name)
			} else {
				marks[name] = *mark
			}
		}
	}
	return marks, nil
}

// write writes the whole list anew.
func (l *list) write(marks map[string]string) error {
	text, err := json.Marshal(marks)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(l.path), 0o755)
	}
	if err == nil {
		err = l.store(l.path+".new", os.O_TRUNC, text)
	}
	if err == nil {
		err = os.Rename(l.path+".new", l.path)
	}
	if err != nil {
		return fmt.Errorf("write down what a target has: %w", err)
	}
	clear(l.pending)
	return nil
}

// flush adds the changes since the last to the file.
func (l *list) flush() error {
	if len(l.pending) == 0 {
		return nil
	}
	text, err := json.Marshal(l.pending)
	if err == nil {
		err = l.store(l.path, os.O_APPEND, text)
	}
	if err != nil {
		return fmt.Errorf("write down what a target has: %w", err)
	}
	clear(l.pending)
	return nil
}

// store writes a line to a file and to disk.
func (l *list) store(path string, how int, line []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|how, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}
