package orig

import (
	"io"
	"strings"
	"testing"
	"time"

	"foundry/bots/internal/sourcepackage"
	"foundry/pkg/debian"
)

// searchIn returns a search whose tarballs are in a folder of its own.
func searchIn(t *testing.T) *Search {
	t.Helper()
	tools, err := sourcepackage.NewRunner(t.TempDir(), time.Unix(1_000_000_000, 0), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return &Search{Tools: tools, Dir: t.TempDir(), Tree: t.TempDir(), Source: "hello", Version: debian.Version{Upstream: "1.0", Revision: "1"}, Format: debian.FormatQuilt}
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

// FuzzChoose: whatever a branch or folder has, what is chosen are plain names of tarballs of the version, each
// component once.
func FuzzChoose(f *testing.F) {
	f.Add("hello_1.0.orig.tar.gz\nhello_1.0.orig-a.tar.xz\nhello_1.0.orig-a.tar.gz")
	f.Add("hello_1.0.orig.tar.xz\nhello_1.0.orig-../x.tar.xz\nhello_1.0.orig-.tar.xz")
	tools, err := sourcepackage.NewRunner(f.TempDir(), time.Unix(1_000_000_000, 0), io.Discard)
	if err != nil {
		f.Fatal(err)
	}
	search := Search{Tools: tools, Tree: f.TempDir(), Source: "hello", Version: debian.Version{Upstream: "1.0", Revision: "1"}, Format: debian.FormatQuilt}
	f.Fuzz(func(t *testing.T, files string) {
		s := search
		names, err := s.choose(strings.Split(files, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for i, name := range names {
			component := Component(name)
			if !strings.HasPrefix(name, "hello_1.0.orig") || strings.Contains(name, "/") || seen[component] || (component == "") != (i == 0) {
				t.Fatalf("%q of %q", names, files)
			}
			seen[component] = true
		}
	})
}
