package sourcepackage

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"foundry/pkg/bot"
	"foundry/pkg/debian"
)

// searchIn returns a search whose tarballs are in a folder of its own.
func searchIn(t *testing.T) *Search {
	t.Helper()
	tools, err := NewRunner(t.TempDir(), time.Unix(1_000_000_000, 0), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return &Search{Tools: tools, Dir: t.TempDir(), Tree: t.TempDir(), Source: "hello", Version: debian.Version{Upstream: "1.0", Revision: "1"}, Format: debian.FormatQuilt}
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
	if top, err := s.unpack(context.Background(), []string{"hello_1.0.orig.tar"}); err == nil {
		if _, err := os.Stat(filepath.Join(top, "a")); err != nil {
			t.Error(err)
		}
	}
	s = searchIn(t)
	writeTar(t, filepath.Join(s.Dir, "hello_1.0.orig.tar"), tar.Header{Typeflag: tar.TypeReg, Name: outside + "/absolute"}, tar.Header{Typeflag: tar.TypeReg, Name: "h/" + "../../../../../.." + outside + "/climbs"})
	_, err := s.unpack(context.Background(), []string{"hello_1.0.orig.tar"})
	if left, readErr := os.ReadDir(outside); readErr != nil || len(left) != 0 {
		t.Errorf("written outside: %v, %v (%v)", left, readErr, err)
	}
}

func TestUnpackRefusesDevices(t *testing.T) {
	s := searchIn(t)
	writeTar(t, filepath.Join(s.Dir, "hello_1.0.orig.tar"), tar.Header{Typeflag: tar.TypeReg, Name: "h/a"}, tar.Header{Typeflag: tar.TypeFifo, Name: "h/pipe"})
	_, err := s.unpack(context.Background(), []string{"hello_1.0.orig.tar"})
	var failure *bot.Failure
	if !errors.As(err, &failure) {
		t.Errorf("%v", err)
	}
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

func TestChoose(t *testing.T) {
	for name, test := range map[string]struct {
		files, components []string
		format            debian.Format
		want              string
	}{
		"nothing":             {[]string{"hello_1.0.orig.tar", "hello_1.0.orig.tar.xz.asc", "hello_2.0.orig.tar.xz", "xhello_1.0.orig.tar.xz", "hello_1.0.orig.tar.zip", "hello_1.0.orig-.tar.xz"}, nil, debian.FormatQuilt, ""},
		"components alone":    {[]string{"hello_1.0.orig-a.tar.xz"}, nil, debian.FormatQuilt, ""},
		"best compression":    {[]string{"hello_1.0.orig.tar.gz", "hello_1.0.orig.tar.xz", "hello_1.0.orig.tar.bz2"}, nil, debian.FormatQuilt, "hello_1.0.orig.tar.xz"},
		"format 1.0":          {[]string{"hello_1.0.orig.tar.gz", "hello_1.0.orig.tar.xz", "hello_1.0.orig-a.tar.gz"}, nil, debian.Format1, "hello_1.0.orig.tar.gz"},
		"components":          {[]string{"hello_1.0.orig-b.tar.gz", "hello_1.0.orig.tar.gz", "hello_1.0.orig-a.tar.xz", "hello_1.0.orig-a/../b.tar.xz"}, []string{"a"}, debian.FormatQuilt, "hello_1.0.orig.tar.gz hello_1.0.orig-a.tar.xz hello_1.0.orig-b.tar.gz"},
		"component not there": {[]string{"hello_1.0.orig.tar.gz"}, []string{"a"}, debian.FormatQuilt, "error"},
	} {
		t.Run(name, func(t *testing.T) {
			s := searchIn(t)
			s.Format, s.GBP.Components = test.format, test.components
			names, err := s.choose(test.files)
			got := ""
			for i, n := range names {
				if i > 0 {
					got += " "
				}
				got += n
			}
			if err != nil {
				got = "error"
			}
			if got != test.want {
				t.Errorf("%q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestFolderBeside(t *testing.T) {
	for url, want := range map[string]Folder{
		"/srv/git/hello": {"/srv/git", "/srv/git/hello"}, "/srv/git/hello.git": {"/srv/git", "/srv/git/hello.git"}, "/srv/git/hello/.git": {"/srv/git", "/srv/git/hello"},
		"/srv/git/hello/": {"/srv/git", "/srv/git/hello"}, "file:///srv/git/hello": {"/srv/git", "/srv/git/hello"},
		"https://example.org/hello": {}, "ssh://host/srv/hello": {}, "host:hello": {}, "git@host:/srv/hello": {},
	} {
		if got, _ := FolderBeside(url); got != want {
			t.Errorf("%s: %v, want %v", url, got, want)
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
