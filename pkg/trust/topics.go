package trust

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Names of the keyrings that are not of topics, in the same folder.
const (
	Committers = "committers" // who may sign commits
	Uploaders  = "uploaders"  // who may upload source packages
	Packages   = "packages"   // who may sign packages
)

// Topics knows the keys that may speak on each topic. It may be used concurrently.
type Topics struct {
	dir string

	mu    sync.Mutex
	known map[string]*KeyringFile
}

// OpenTopics returns the topics of a folder in which the file "<topic>.asc" holds the public keys
// of those who may speak on a topic. Files may be added and changed at any time, and so may the
// folder itself.
func OpenTopics(dir string) (*Topics, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("open trust folder: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("open trust folder: %s is not a folder", dir)
	}
	return &Topics{dir: dir, known: make(map[string]*KeyringFile)}, nil
}

// Verify returns nil when signature, a single binary one, was made over exactly the bytes of payload
// by the key with fingerprint signer and this key may speak on topic. Otherwise it is an
// *UntrustedError, or another error when the keyring cannot be read.
func (t *Topics) Verify(topic string, payload, signature []byte, signer string) error {
	if !topicName(topic) {
		return untrusted("no such topic")
	}
	if !isFingerprint(signer) {
		return untrusted("the signer's fingerprint is malformed")
	}
	ring, err := t.keys(topic)
	if errors.Is(err, fs.ErrNotExist) {
		return untrusted("no keys may speak on %s", topic)
	}
	if err != nil {
		return err
	}
	keys := ring.byPrint[signer]
	if keys == nil {
		return untrusted("key %s may not speak on %s", signer, topic)
	}
	signatures, err := parseSignatures(signature)
	if err != nil {
		return untrusted("%v", err)
	}
	if len(signatures) != 1 {
		return untrusted("%d signatures instead of one", len(signatures))
	}
	_, err = verifyOne(keys, bytes.NewReader(payload), signatures[0], binaryOnly)
	return err
}

// keys returns the keyring of a topic, read again when its file is another than last time.
func (t *Topics) keys(topic string) (*Keyring, error) {
	t.mu.Lock()
	file, ok := t.known[topic]
	if !ok {
		file = NewKeyringFile(filepath.Join(t.dir, topic+".asc"))
		t.known[topic] = file
	}
	t.mu.Unlock()
	return file.Read()
}

// topicName tells whether s can be the name of a topic, and so of a file: lower-case letters,
// digits and inner hyphens.
func topicName(s string) bool {
	return s != "" && len(s) <= 64 && s[0] != '-' &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// isFingerprint tells whether s is one of a version 4 or 6 key in upper-case hexadecimal.
func isFingerprint(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789ABCDEF") == ""
}

// Allow lets key speak on topic: it adds its public key to the file "<topic>.asc" in dir unless
// it is there. Several processes may do so at once.
func Allow(dir, topic string, key *Key) error {
	if !topicName(topic) {
		return fmt.Errorf("allow key %s: %q cannot be a topic", key.Fingerprint(), topic)
	}
	if err := allow(dir, filepath.Join(dir, topic+".asc"), key); err != nil {
		return fmt.Errorf("allow key %s on %s: %w", key.Fingerprint(), topic, err)
	}
	return nil
}

func allow(dir, path string, key *Key) error {
	unlock, err := lock(dir)
	if err != nil {
		return err
	}
	defer unlock()
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(strings.TrimSpace(string(old))) > 0 {
		ring, err := parseKeyring(old)
		if err != nil {
			return fmt.Errorf("read keyring %s: %w", path, err)
		}
		if slices.Contains(ring.Fingerprints(), key.Fingerprint()) {
			return nil
		}
		if old, err = asArmor(old); err != nil {
			return err
		}
	}
	public, err := key.Public()
	if err != nil {
		return err
	}
	return writeFile(path, append(old, public...), 0o644, os.Rename)
}

// asArmor returns a keyring in a form to which an armored key can be appended.
func asArmor(keyring []byte) ([]byte, error) {
	if !isArmored(keyring) {
		return armored("PGP PUBLIC KEY BLOCK", keyring)
	}
	if keyring[len(keyring)-1] != '\n' {
		keyring = append(keyring, '\n')
	}
	return keyring, nil
}

// lock waits until no other process writes in dir.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(folder.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		folder.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return func() { folder.Close() }, nil
}
