package podman

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// lockPoll is how often a lock that another holds is asked for.
const lockPoll = 50 * time.Millisecond

// lock waits until no other process, and nothing else in this one, holds the lock of that name.
// It is released when the process dies.
func (e *Engine) lock(ctx context.Context, name string) (unlock func(), err error) {
	for {
		unlock, free, err := e.tryLock(name)
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

// tryLock takes the lock if it is free. unlock does nothing if it is not.
func (e *Engine) tryLock(name string) (unlock func(), free bool, err error) {
	f, err := os.OpenFile(filepath.Join(e.indexes, "locks", name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, false, fmt.Errorf("open lock: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return func() { f.Close() }, true, nil
	}
	f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
		return func() {}, false, nil
	}
	return nil, false, fmt.Errorf("lock %s: %w", name, err)
}

// writeFile replaces the file in one step.
func writeFile(path string, data []byte) error {
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

// load reads a remembered value. One that is missing or cannot be read is not known, which costs
// time and nothing else.
func (e *Engine) load(kind, key string, value any) bool {
	data, err := os.ReadFile(filepath.Join(e.indexes, kind, key+".json"))
	return err == nil && json.Unmarshal(data, value) == nil
}

// save remembers a value.
func (e *Engine) save(kind, key string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", kind, err)
	}
	return writeFile(filepath.Join(e.indexes, kind, key+".json"), data)
}

// digest is the SHA-256 of the parts, each with its length so that none runs into the next.
func digest(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d %s\n", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// readKeyring returns the file's content and the extension that apt expects of such content; both
// empty for an empty path.
func readKeyring(path string) (data []byte, ext string, err error) {
	if path == "" {
		return nil, "", nil
	}
	data, err = os.ReadFile(path)
	if err != nil {
		return nil, "", fmt.Errorf("read keyring: %w", err)
	}
	if len(data) == 0 {
		return nil, "", fmt.Errorf("read keyring %s: it is empty", path)
	}
	if bytes.Contains(data, []byte("-----BEGIN PGP")) {
		return data, ".asc", nil
	}
	return data, ".gpg", nil
}
