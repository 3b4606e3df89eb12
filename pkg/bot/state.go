package bot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"foundry/pkg/message"
)

// stateVersion is the layout of state folders that these programs read and write.
const stateVersion = "1"

// PrepareState makes the state folder where there is none and refuses one of another version.
func PrepareState(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Hint(fmt.Errorf("make state folder: %w", err), "name another with --state FOLDER")
	}
	path := filepath.Join(dir, "VERSION")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return writeVersion(path)
	}
	if err != nil {
		return Hint(fmt.Errorf("read version of state folder: %w", err), "run this as the user whose foundry it is, or name another with --state FOLDER")
	}
	if v := strings.TrimSpace(string(text)); v != stateVersion {
		return Hint(fmt.Errorf("state folder %s has version %s, these programs know %s", dir, message.Line(v, 20), stateVersion),
			"use the programs that made it, or another folder with --state FOLDER")
	}
	return nil
}

// writeVersion is safe when several bots start at once: each writes the same.
func writeVersion(path string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".VERSION-")
	if err != nil {
		return Hint(fmt.Errorf("write version of state folder: %w", err), "name another with --state FOLDER")
	}
	defer os.Remove(tmp.Name())
	if err := tmp.Chmod(0o644); err != nil {
		tmp.Close()
		return fmt.Errorf("write version of state folder: %w", err)
	}
	if _, err := tmp.WriteString(stateVersion + "\n"); err != nil {
		tmp.Close()
		return fmt.Errorf("write version of state folder: %w", err)
	}
	if err := tmp.Close(); err != nil {
		return fmt.Errorf("write version of state folder: %w", err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("write version of state folder: %w", err)
	}
	return nil
}
