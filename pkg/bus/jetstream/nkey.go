package jetstream

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/nkeys"
)

// LoadOrCreateNKey returns the public half of the nkey whose seed is in the file at path, and makes
// it when there is none: mode 0600, its folder 0700. Two programs that do so at once get the same.
func LoadOrCreateNKey(path string) (public string, err error) {
	public, err = loadNKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return public, err
	}
	if err := createNKey(path); err != nil {
		return "", fmt.Errorf("make nkey %s: %w", path, err)
	}
	return loadNKey(path)
}

func loadNKey(path string) (string, error) {
	if err := checkSecret(path); err != nil {
		return "", err
	}
	seed, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read nkey: %w", err)
	}
	key, err := nkeys.FromSeed(bytes.TrimSpace(seed))
	if err != nil {
		return "", &Error{
			fmt.Errorf("read nkey %s: %w", path, err),
			"the file is damaged: remove it, and a new key is made that the server must be told of",
		}
	}
	defer key.Wipe()
	public, err := key.PublicKey()
	if err != nil {
		return "", fmt.Errorf("read nkey %s: %w", path, err)
	}
	if !nkeys.IsValidPublicUserKey(public) {
		return "", &Error{fmt.Errorf("read nkey %s: not the seed of a user", path), "seeds of users begin with SU"}
	}
	return public, nil
}

// createNKey writes a new seed to path unless another was faster. The link makes it appear whole.
func createNKey(path string) error {
	key, err := nkeys.CreateUser()
	if err != nil {
		return err
	}
	defer key.Wipe()
	seed, err := key.Seed()
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, ".nkey-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(append(seed, '\n'))
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Link(file.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// checkSecret refuses a key file that others on the machine can read.
func checkSecret(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("read nkey: %w", err)
	case info.Mode().Perm()&0o077 != 0:
		return &Error{fmt.Errorf("read nkey %s: others can read it", path), "chmod 600 " + path}
	}
	return nil
}
