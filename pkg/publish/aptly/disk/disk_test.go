package disk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"
)

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestReplaces writes, copies and links over what is there, and looks that nothing stays beside it.
func TestReplaces(t *testing.T) {
	dir := t.TempDir()
	from, path := filepath.Join(dir, "from"), filepath.Join(dir, "deep", "path")
	if err := WriteFile(from, []byte("first")); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"second", "third"} {
		if err := WriteFile(from, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := Place(from, path); err != nil {
			t.Fatal(err)
		}
		if got := read(t, path); got != text {
			t.Errorf("placed %q, want %q", got, text)
		}
	}
	if err := WriteFile(from, []byte("fourth")); err != nil || read(t, path) != "third" {
		t.Errorf("%v: writing has altered what was placed: %q", err, read(t, path))
	}
	if err := CopyFile(from, path); err != nil || read(t, path) != "fourth" {
		t.Errorf("%v: copied %q", err, read(t, path))
	}
	if err := CopyFile(filepath.Join(dir, "none"), path); !errors.Is(err, os.ErrNotExist) || read(t, path) != "fourth" {
		t.Errorf("copy of nothing: %v, %q", err, read(t, path))
	}
	for range 2 {
		if err := Remove(from); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestPoint turns a symbolic link, and leaves a folder in its place alone.
func TestPoint(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	for _, target := range []string{"a", "b", "b"} {
		if err := Point(link, target); err != nil {
			t.Fatal(err)
		}
		if got, err := os.Readlink(link); err != nil || got != target {
			t.Errorf("link to %q, %v, want %q", got, err, target)
		}
	}
	if err := Point(filepath.Dir(link), "a"); err == nil {
		t.Error("a folder was replaced")
	}
}

// TestLock waits for a lock until its context ends, and gets it once it is free.
func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(t.Context(), path, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Lock(ended, path, zerolog.Nop()); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
	unlock()
	again, err := Lock(t.Context(), path, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	again()
}
