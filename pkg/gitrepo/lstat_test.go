package gitrepo

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foundry/pkg/gitrepo/gitrepotest"
)

func TestLstat(t *testing.T) {
	w := gitrepotest.NewWorkshop(t)
	for name, text := range map[string]string{"a/b/file": "x", "a/b/*": "x", "a/other": "x", "file": "x"} {
		path := filepath.Join(w.Dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"a/link": "other", "folder": "a", "a/b/0": "/etc"} {
		if err := os.Symlink(target, filepath.Join(w.Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	w.Git("add", "-A")
	w.Git("update-index", "--add", "--cacheinfo", "160000,"+strings.Repeat("1", 40)+",a/module")
	w.Git("commit", "--quiet", "-m", "one of each")
	commit := w.Git("rev-parse", "HEAD")
	m := mirrorOf(t, w.Dir)
	if err := m.Fetch(t.Context(), commit, "main"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		part string
		mode fs.FileMode
	}{
		"a": {"a", fs.ModeDir}, "a/b": {"a/b", fs.ModeDir}, "a/b/file": {"a/b/file", 0}, "a/b/*": {"a/b/*", 0},
		"a/link": {"a/link", fs.ModeSymlink}, "folder": {"folder", fs.ModeSymlink}, "folder/b/file": {"folder", fs.ModeSymlink},
		"a/module": {"a/module", fs.ModeIrregular}, "a/module/x": {"a/module", fs.ModeIrregular},
	} {
		part, mode, err := m.Lstat(t.Context(), commit, name)
		if part != want.part || mode != want.mode || err != nil {
			t.Errorf("%s: %s %s %v, want %v", name, part, mode, err, want)
		}
	}
	for _, name := range []string{"b", "a/b/none", "file/x", "a/b/fil?", "a/*"} {
		if _, _, err := m.Lstat(t.Context(), commit, name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", ".", "../a", "/a", "a//b", "a\x00"} {
		if _, _, err := m.Lstat(t.Context(), commit, name); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, _, err := m.Lstat(t.Context(), "main", "a"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a branch for a commit: %v", err)
	}
}
