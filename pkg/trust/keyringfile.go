package trust

import (
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
)

// A KeyringFile is a file of public keys that is read again when it has changed. It may be used concurrently.
type KeyringFile struct {
	path string

	mu   sync.Mutex
	info fs.FileInfo // of the file that ring was read from
	ring *Keyring
}

// NewKeyringFile returns the keyring at path, which need not be there yet.
func NewKeyringFile(path string) *KeyringFile { return &KeyringFile{path: path} }

// settled is how old a file must be before its time tells whether it has changed: file systems note
// times in steps of some milliseconds.
const settled = 100 * time.Millisecond

// Read returns the keys that the file holds now. A file that is not there is fs.ErrNotExist.
func (f *KeyringFile) Read() (*Keyring, error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return nil, fmt.Errorf("read keyring: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ring != nil && sameFile(f.info, info) {
		return f.ring, nil
	}
	f.ring = nil
	ring, err := ReadKeyring(f.path)
	if err == nil && time.Since(info.ModTime()) > settled {
		f.info, f.ring = info, ring
	}
	return ring, err
}

func sameFile(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
