// Package index remembers values and holds locks in a folder that several processes of one host
// share. A value that is lost, or half written by a process that was killed, is not known, which
// costs time and nothing else; a lock ends with the process that holds it.
package index

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Folder holds values by kind and key, and locks by name. It may be used concurrently.
type Folder struct{ dir string }

// locks is the folder of the files that are locked.
const locks = "locks"

// ext is that of the files that hold values.
const ext = ".json"

// Open makes the folder dir, where values of the given kinds are kept.
func Open(dir string, kinds ...string) (*Folder, error) {
	for _, kind := range append(kinds, locks) {
		if err := os.MkdirAll(filepath.Join(dir, kind), 0o700); err != nil {
			return nil, fmt.Errorf("make cache folder: %w", err)
		}
	}
	return &Folder{dir}, nil
}

// lockPoll is how often a lock that another holds is asked for.
const lockPoll = 50 * time.Millisecond

// Lock waits until no other process, and nothing else in this one, holds the lock of that name.
// It is released when the process dies.
func (f *Folder) Lock(ctx context.Context, name string) (unlock func(), err error) {
	for {
		unlock, free, err := f.TryLock(name)
		if free || err != nil {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for lock %s: %w", name, ctx.Err())
		case <-time.After(lockPoll):
		}
	}
}

// TryLock takes the lock if it is free. unlock does nothing if it is not.
func (f *Folder) TryLock(name string) (unlock func(), free bool, err error) {
	return f.try(name, unix.LOCK_EX)
}

// TryShare takes the lock unless somebody holds it alone. Many may share it.
func (f *Folder) TryShare(name string) (unlock func(), free bool, err error) {
	return f.try(name, unix.LOCK_SH)
}

func (f *Folder) try(name string, how int) (unlock func(), free bool, err error) {
	file, err := os.OpenFile(filepath.Join(f.dir, locks, name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, false, fmt.Errorf("open lock: %w", err)
	}
	err = unix.Flock(int(file.Fd()), how|unix.LOCK_NB)
	if err == nil {
		return func() { file.Close() }, true, nil
	}
	file.Close()
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
		return func() {}, false, nil
	}
	return nil, false, fmt.Errorf("lock %s: %w", name, err)
}

func (f *Folder) path(kind, key string) string { return filepath.Join(f.dir, kind, key+ext) }

// Load reads a remembered value and tells whether there is one. One that cannot be read is not
// known.
func (f *Folder) Load(kind, key string, value any) bool {
	data, err := os.ReadFile(f.path(kind, key))
	return err == nil && json.Unmarshal(data, value) == nil
}

// Save remembers a value.
func (f *Folder) Save(kind, key string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", kind, err)
	}
	return WriteFile(f.path(kind, key), data)
}

// Forget removes a value; one that is not there is forgotten already.
func (f *Folder) Forget(kind, key string) error {
	if err := os.Remove(f.path(kind, key)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forget %s: %w", kind, err)
	}
	return nil
}

// Keys are those of all values of a kind.
func (f *Folder) Keys(kind string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(f.dir, kind))
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", kind, err)
	}
	var keys []string
	for _, entry := range entries {
		if key, found := strings.CutSuffix(entry.Name(), ext); found {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// WriteFile replaces the file in one step.
func WriteFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(data); err != nil {
		f.Close()
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// Digest is the SHA-256 of the parts, each with its length so that none runs into the next.
func Digest(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d %s\n", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))
}
