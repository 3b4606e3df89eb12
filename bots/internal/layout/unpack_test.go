package layout

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"foundry/bots/internal/orig"
	"foundry/bots/internal/sourcepackage"
	"foundry/pkg/bot"
	"foundry/pkg/debian"
)

// searchIn returns a search whose tarballs are in a folder of its own.
func searchIn(t *testing.T) *orig.Search {
	t.Helper()
	tools, err := sourcepackage.NewRunner(t.TempDir(), time.Unix(1_000_000_000, 0), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return &orig.Search{Tools: tools, Dir: t.TempDir(), Tree: t.TempDir(), Source: "hello", Version: debian.Version{Upstream: "1.0", Revision: "1"}, Format: debian.FormatQuilt}
}

func writeTar(t *testing.T, path string, entries ...tar.Header) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := tar.NewWriter(f)
	for _, h := range entries {
		h.Mode = 0o6777
		if h.Typeflag == tar.TypeReg {
			h.Size = 2
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, "x\n"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestUnpackStaysInside: no name and no link of a tarball leads to a file of this host.
func TestUnpackStaysInside(t *testing.T) {
	outside := t.TempDir()
	s := searchIn(t)
	writeTar(t, filepath.Join(s.Dir, "hello_1.0.orig.tar"),
		tar.Header{Typeflag: tar.TypeReg, Name: "h/a"},
		tar.Header{Typeflag: tar.TypeSymlink, Name: "h/out", Linkname: outside},
		tar.Header{Typeflag: tar.TypeReg, Name: "h/out/through"},
	)
	if top, err := unpack(context.Background(), s, []string{"hello_1.0.orig.tar"}); err == nil {
		if _, err := os.Stat(filepath.Join(top, "a")); err != nil {
			t.Error(err)
		}
	}
	s = searchIn(t)
	writeTar(t, filepath.Join(s.Dir, "hello_1.0.orig.tar"), tar.Header{Typeflag: tar.TypeReg, Name: outside + "/absolute"}, tar.Header{Typeflag: tar.TypeReg, Name: "h/" + "../../../../../.." + outside + "/climbs"})
	_, err := unpack(context.Background(), s, []string{"hello_1.0.orig.tar"})
	if left, readErr := os.ReadDir(outside); readErr != nil || len(left) != 0 {
		t.Errorf("written outside: %v, %v (%v)", left, readErr, err)
	}
}

func TestUnpackRefusesDevices(t *testing.T) {
	s := searchIn(t)
	writeTar(t, filepath.Join(s.Dir, "hello_1.0.orig.tar"), tar.Header{Typeflag: tar.TypeReg, Name: "h/a"}, tar.Header{Typeflag: tar.TypeFifo, Name: "h/pipe"})
	_, err := unpack(context.Background(), s, []string{"hello_1.0.orig.tar"})
	var failure *bot.Failure
	if !errors.As(err, &failure) {
		t.Errorf("%v", err)
	}
}

func writeNew(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

// TestLayKeepsTheTree: the upstream source goes under the packaging, whose files and links stay.
func TestLayKeepsTheTree(t *testing.T) {
	upstream, tree, outside := t.TempDir(), t.TempDir(), t.TempDir()
	for name, text := range map[string]string{"a.c": "theirs", "dir/b.c": "theirs", "link/c.c": "theirs", "file/d.c": "theirs", "debian/control": "theirs", ".pc/x": "theirs"} {
		if err := writeNew(filepath.Join(upstream, name), text); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"a.c": "ours", "dir/own.c": "ours", "file": "ours", "debian/rules": "ours"} {
		if err := writeNew(filepath.Join(tree, name), text); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(tree, "link")); err != nil {
		t.Fatal(err)
	}
	if err := (&Layout{format: debian.FormatQuilt, upstream: upstream, overlay: true}).Fit(tree); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a.c": "ours", "dir/b.c": "theirs", "dir/own.c": "ours", "file": "ours", "debian/control": "", ".pc": "", "link/c.c": ""} {
		got, err := os.ReadFile(filepath.Join(tree, name))
		if (err != nil) != (want == "") || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
}

func TestFilledIn(t *testing.T) {
	dir := t.TempDir()
	for name, test := range map[string]struct {
		template, text string
		want           bool
	}{
		"one":            {"v $Format:%H$\n", "v abc\n", true},
		"several":        {"$Format:%H$ and $Format:%d$ end", "x and  (tag) end", true},
		"other text":     {"v $Format:%H$\n", "w abc\n", false},
		"other end":      {"v $Format:%H$\n", "v abc\nmore", false},
		"no placeholder": {"v $Id$\n", "v $Id: x$\n", false},
		"too short":      {"aa$Format:%H$aa", "aaa", false},
		"out of order":   {"$Format:a$x$Format:b$y$Format:c$", "1y2x3", false},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
			for path, text := range map[string]string{a: test.template, b: test.text} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := filledIn(a, b); got != test.want {
				t.Errorf("%v", got)
			}
		})
	}
}
