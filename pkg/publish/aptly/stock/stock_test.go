package stock

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/debian"
	"foundry/pkg/publish/aptly/catalog"
	"foundry/pkg/publish/aptly/disk"
)

// source makes an entry of a revision of hello with the upstream tarball that all share.
func source(version, component string) *catalog.Entry {
	file := func(name string) catalog.File {
		sum := strings.Repeat(name[len(name)-1:], 64)
		return catalog.File{Name: name, Pool: PoolPath(name, sum), Size: int64(len(name)), SHA256: sum}
	}
	e := &catalog.Entry{
		Key: "Psource hello " + version, Name: "hello", Version: version, Parsed: debian.Version{Upstream: version}, Arch: catalog.Source,
		Source: "hello", Files: []catalog.File{file("hello_" + version), file("hello.orig")},
	}
	return e.In(component)
}

// TestStock shares files between packages, and removes them with the last.
func TestStock(t *testing.T) {
	pool, output, given := t.TempDir(), t.TempDir(), t.TempDir()
	var dirty disk.Dirty
	s := New(pool, output, &dirty, func(string) {})
	one, two, elsewhere := source("1", "main"), source("2", "main"), source("2", "contrib")
	for _, e := range []*catalog.Entry{one, two, elsewhere} {
		sources := map[string]string{}
		for _, f := range e.Files {
			sources[f.Name] = filepath.Join(given, f.Name)
			if err := os.WriteFile(sources[f.Name], []byte(f.Name), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Import(e, sources, false); err != nil {
			t.Fatal(err)
		}
		if err := s.Link(e); err != nil {
			t.Fatal(err)
		}
		s.Hold(e)
	}
	there := func() (list []string) {
		err := filepath.WalkDir(output, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				list = append(list, strings.TrimPrefix(path, output+"/pool/"))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	all := []string{"contrib/h/hello/hello.orig", "contrib/h/hello/hello_2", "main/h/hello/hello.orig", "main/h/hello/hello_1", "main/h/hello/hello_2"}
	if diff := cmp.Diff(all, there()); diff != "" {
		t.Errorf("served (-want +got):\n%s", diff)
	}
	for _, step := range []struct {
		release *catalog.Entry
		keys    []string
		want    []string
	}{
		{one, []string{one.Key}, []string{"contrib/h/hello/hello.orig", "contrib/h/hello/hello_2", "main/h/hello/hello.orig", "main/h/hello/hello_2"}},
		{two, nil, []string{"contrib/h/hello/hello.orig", "contrib/h/hello/hello_2"}},
		{two, nil, []string{"contrib/h/hello/hello.orig", "contrib/h/hello/hello_2"}}, // nobody holds it
		{elsewhere, []string{two.Key}, nil},
	} {
		var loose Loose
		s.Release(step.release.ID(), &loose)
		if err := s.Remove(loose); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.keys, loose.Keys); diff != "" {
			t.Errorf("keys after %s (-want +got):\n%s", step.release.ID(), diff)
		}
		if diff := cmp.Diff(step.want, there()); diff != "" {
			t.Errorf("served after %s (-want +got):\n%s", step.release.ID(), diff)
		}
	}
	if left, err := filepath.Glob(filepath.Join(pool, "*", "*", "*")); err != nil || len(left) > 0 {
		t.Errorf("in the pool: %v (%v)", left, err)
	}
}

// TestLeftOver takes the place of a file that a killed process has left in the pool.
func TestLeftOver(t *testing.T) {
	pool, output, given := t.TempDir(), t.TempDir(), t.TempDir()
	var dirty disk.Dirty
	s := New(pool, output, &dirty, func(string) {})
	e := source("1", "main")
	sources := map[string]string{}
	for _, f := range e.Files {
		left := filepath.Join(pool, f.Pool)
		sources[f.Name] = filepath.Join(given, f.Name)
		for path, text := range map[string]string{left: strings.Repeat("?", len(f.Name)), sources[f.Name]: f.Name} {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, take := range []bool{true, false} {
		if err := s.Import(e, sources, take); err != nil {
			t.Fatal(err)
		}
		if err := s.Link(e); err != nil {
			t.Fatal(err)
		}
		for _, f := range e.Files {
			path := filepath.Join(output, e.Path(f))
			text, err := os.ReadFile(path)
			info, err2 := os.Stat(path)
			if err != nil || err2 != nil || string(text) != f.Name || info.Mode().Perm() != 0o644 {
				t.Errorf("%s has %q (%v, %v)", f.Name, text, err, err2)
			}
		}
	}
}
