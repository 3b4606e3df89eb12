package aptly

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly/contents"
	"foundry/pkg/publish/publishtest"
)

const control = "Package: hello\nVersion: 1.0\nArchitecture: amd64\n"

// TestBuiltUsing keeps a source that a package of another one was built with.
func TestBuiltUsing(t *testing.T) {
	b := newBench(t)
	b.include(t, "golib", "1.0-1")
	u := b.upload(t, "tool", "1.0-1")
	u.Files = []string{publishtest.MakeDeb(t, b.files, publishtest.Binary{
		Name: "tool", Version: "1.0-1", Arch: "amd64", Fields: "Static-Built-Using: golib (= 1.0-1), other (= 2)\n",
	})}
	if _, err := b.Include(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	b.include(t, "golib", "1.0-2")
	sources, err := os.ReadFile(filepath.Join(b.opts.Output, "dists/alpha/main/source/Sources"))
	if err != nil || strings.Count(string(sources), "Package: golib\n") != 2 {
		t.Errorf("%v, want both versions of golib:\n%s", err, sources)
	}
}

// FuzzReadDsc checks that no .dsc makes the repository panic or take a file from elsewhere.
func FuzzReadDsc(f *testing.F) {
	dir := f.TempDir()
	dsc, files := publishtest.MakeSource(f, dir, "hello", "1.0-1", "orig")
	text, err := os.ReadFile(dsc)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(bytes.ReplaceAll(text, []byte("hello_1.0.orig"), []byte("../x")))
	f.Add([]byte("-----BEGIN PGP SIGNED MESSAGE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "hello_1.0-1.dsc")
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		u := publish.Upload{Dsc: path, SourceFiles: files}
		u.Source, u.Version = "hello", "1.0-1"
		p, err := contents.ReadSource(u)
		if err != nil {
			return
		}
		c, err := newCandidate(publishtest.Suites()[0], p)
		if err != nil {
			return
		}
		for _, file := range c.Files {
			if path := c.Path(file); filepath.Dir(path) != "pool/main/h/hello" {
				t.Fatalf("a file at %s", path)
			}
		}
	})
}

// FuzzControl checks that no control file makes the repository panic or show lines that are not its
// fields.
func FuzzControl(f *testing.F) {
	f.Add([]byte(control))
	f.Add([]byte(control + "Description: a\n b\n .\n c\nFilename: ../../x\nSize: 1\nSHA256: x\n"))
	f.Add([]byte(control + "Depends: a, b\n\tc\nSource: x (1)\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := publishtest.RawDeb(t, "control.tar", publishtest.MakeTar(t, "control", int64(len(text)), bytes.NewReader(text)))
		u := publish.Upload{Files: []string{path}}
		u.Source, u.Version = "hello", "1.0"
		p, err := contents.ReadBinary(t.Context(), publishtest.Suites()[0], u, path)
		if err != nil {
			return
		}
		c, err := newCandidate(publishtest.Suites()[0], p)
		if err != nil {
			return
		}
		paragraph := string(shown(c.Entry, c.text).Stanza)
		if strings.Count(paragraph, "\n\n") != 1 || !strings.HasSuffix(paragraph, "\n\n") {
			t.Fatalf("not one paragraph: %q", paragraph)
		}
		if n := strings.Count("\n"+paragraph, "\nFilename: pool/main/h/hello/hello_1.0_amd64.deb\n"); n != 1 || strings.Count("\n"+paragraph, "\nFilename:") != 1 {
			t.Fatalf("Filename %d times: %q", n, paragraph)
		}
	})
}
