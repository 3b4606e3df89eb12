package trust

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// KeyInfo describes a public key for people.
type KeyInfo struct {
	Fingerprint string    `json:"fingerprint"` // of the primary key, upper-case hexadecimal
	Name        string    `json:"name"`        // user id, "buildbot <buildbot@host>"; whoever made the key chose it
	Created     time.Time `json:"created"`
	Expires     time.Time `json:"expires,omitzero"` // zero for never
	Revoked     bool      `json:"revoked,omitempty"`
}

// Keys describes the keys in the order of the file.
func (r *Keyring) Keys() []KeyInfo {
	infos := make([]KeyInfo, 0, len(r.entities))
	for _, e := range r.entities {
		infos = append(infos, describe(e))
	}
	return infos
}

func describe(e *openpgp.Entity) KeyInfo {
	info := KeyInfo{
		Fingerprint: fingerprint(e), Created: e.PrimaryKey.CreationTime.UTC(), Revoked: e.Revoked(settings().Now()),
	}
	if id := e.PrimaryIdentity(); id != nil {
		info.Name = id.Name
	}
	self, _ := e.PrimarySelfSignature()
	info.Expires = lifetime(e.PrimaryKey, self)
	return info
}

// Add lets all keys of keys speak on topic: it puts them into the file "<topic>.asc" in dir, in
// place of older copies of the same keys, as a key whose expiry was moved needs. Several processes
// may do so at once.
func Add(dir, topic string, keys *Keyring) error {
	return edit(dir, topic, func(old openpgp.EntityList) (openpgp.EntityList, error) {
		others := slices.DeleteFunc(old, func(e *openpgp.Entity) bool { return keys.byPrint[fingerprint(e)] != nil })
		return append(others, keys.entities...), nil
	})
}

// Remove ends that the key with the given fingerprint may speak on topic, and returns
// fs.ErrNotExist when it may not anyway.
func Remove(dir, topic, print string) error {
	return edit(dir, topic, func(old openpgp.EntityList) (openpgp.EntityList, error) {
		rest := slices.DeleteFunc(slices.Clone(old), func(e *openpgp.Entity) bool { return fingerprint(e) == print })
		if len(rest) == len(old) {
			return nil, fmt.Errorf("key %s: %w", print, fs.ErrNotExist)
		}
		return rest, nil
	})
}

// edit replaces the keyring of a topic by what change makes of it. A keyring without keys is a
// file that is not there.
func edit(dir, topic string, change func(openpgp.EntityList) (openpgp.EntityList, error)) error {
	if !topicName(topic) {
		return fmt.Errorf("edit keyring: %q cannot be a topic", topic)
	}
	path := filepath.Join(dir, topic+".asc")
	unlock, err := lock(dir)
	if err != nil {
		return fmt.Errorf("edit keyring: %w", err)
	}
	defer unlock()
	old, err := currentKeys(path)
	if err != nil {
		return fmt.Errorf("edit keyring %s: %w", path, err)
	}
	keys, err := change(old)
	if err != nil {
		return fmt.Errorf("edit keyring %s: %w", path, err)
	}
	if len(keys) == 0 {
		err = os.Remove(path)
	} else {
		err = writeKeyring(path, keys)
	}
	if err != nil {
		return fmt.Errorf("edit keyring: %w", err)
	}
	return nil
}

// currentKeys reads the keys in a file that may be missing or empty.
func currentKeys(path string) (openpgp.EntityList, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ring, err := parseKeyring(data)
	if err != nil {
		return nil, err
	}
	return ring.entities, nil
}

// writeKeyring writes each key as an armored block.
func writeKeyring(path string, keys openpgp.EntityList) error {
	var text bytes.Buffer
	for _, e := range keys {
		var public bytes.Buffer
		if err := writePublic(&public, e); err != nil {
			return fmt.Errorf("export key %s: %w", fingerprint(e), err)
		}
		block, err := armored(openpgp.PublicKeyType, public.Bytes())
		if err != nil {
			return err
		}
		text.Write(block)
	}
	return writeFile(path, text.Bytes(), 0o644, os.Rename)
}
