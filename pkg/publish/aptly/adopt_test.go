package aptly

import (
	"fmt"
	"testing"

	"foundry/pkg/publish/aptly/metadata"
	"foundry/pkg/publish/publishtest"
)

// TestAdopt opens a repository again: the indexes are those that are served, and none is compressed anew.
func TestAdopt(t *testing.T) {
	b := newBench(t)
	for i := range 30 {
		u := b.upload(t, fmt.Sprintf("hello%02d", i), "1.0-1")
		u.Files = append(u.Files,
			publishtest.MakeDeb(t, b.files, publishtest.Binary{Name: u.Source + "-data", Version: "1.0-1", Arch: "all", Source: u.Source, Fields: "Section: doc\n"}),
			publishtest.MakeDeb(t, b.files, publishtest.Binary{Name: u.Source + "-udeb", Version: "1.0-1", Arch: "amd64", Source: u.Source, Extension: ".udeb"}))
		if _, err := b.Include(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	b.reopen(t)
	s := b.suites["alpha"]
	t.Setenv("PATH", "") // xz is not found
	list, err := s.set.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		if want := (metadata.File{Size: i.Size, SHA256: i.SHA256}); s.release.Files[i.Path] != want {
			t.Errorf("%s is %v, and was served as %v", i.Path, want, s.release.Files[i.Path])
		}
	}
	if len(list) != len(s.release.Files) {
		t.Errorf("%d indexes, served were %d", len(list), len(s.release.Files))
	}
}
