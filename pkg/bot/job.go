package bot

import (
	"errors"
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
// has left. It holds its folder locked while it lives: a process id alone does not tell who does,
// since containers that share a state folder have ids of their own, and the system gives them out
// again.
type scratch struct {
	dir  string
	lock *os.File
}

// openScratch makes the folder of this process, root/<pid>-…, and removes those of processes that
// are gone.
func openScratch(root string) (*scratch, error) {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, fmt.Errorf("make scratch folder: %w", err)
	}
	if err := sweep(root); err != nil {
		return nil, fmt.Errorf("remove left-over scratch folder: %w", err)
	}
	for {
		dir, err := os.MkdirTemp(root, strconv.Itoa(os.Getpid())+"-")
		if err != nil {
			return nil, fmt.Errorf("make scratch folder: %w", err)
		}
		// Until it is locked, who starts just now may take it for one that was left.
		lock, err := lockFolder(dir)
		if err != nil {
			return nil, fmt.Errorf("lock scratch folder: %w", err)
		}
		if lock != nil {
			return &scratch{dir, lock}, nil
		}
	}
}

// sweep removes the scratch folders below root that nobody has locked.
func sweep(root string) error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	for _, e := range entries {
		pid, _, _ := strings.Cut(e.Name(), "-")
		if _, err := strconv.Atoi(pid); err != nil || !e.IsDir() {
			continue
		}
		dir := filepath.Join(root, e.Name())
		lock, err := lockFolder(dir)
		if err != nil {
			return err
		}
		if lock == nil {
			continue
		}
		err = removeAll(dir)
		lock.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// lockFolder locks a folder until the returned file is closed or the process ends. The file is nil
// where another has locked it, or has removed it meanwhile.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, nil
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	locked, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	if now, err := os.Lstat(dir); err != nil || !os.SameFile(locked, now) {
		f.Close()
		return nil, nil
	}
	return f, nil
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

func (s *scratch) close() {
	_ = removeAll(s.dir) // the next to start tries again
	s.lock.Close()
}

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
