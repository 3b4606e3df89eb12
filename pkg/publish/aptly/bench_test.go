package aptly

import (
	"fmt"
	"testing"

	"foundry/pkg/message"
	"foundry/pkg/publish"
	"foundry/pkg/publish/publishtest"
)

// BenchmarkInclude measures the time from an upload of one package to its publication.
func BenchmarkInclude(b *testing.B) {
	repo, err := adapter().Open(b.Context(), b.TempDir(), publishtest.Suites())
	if err != nil {
		b.Fatal(err)
	}
	defer repo.Close()
	dir := b.TempDir()
	var uploads []publish.Upload
	for i := range b.N {
		u := publish.Upload{Package: message.Package{Source: "hello", Version: fmt.Sprintf("1.0-%d", i+1), Codename: "alpha"}}
		u.Files = []string{publishtest.MakeDeb(b, dir, publishtest.Binary{Name: "hello", Version: u.Version, Arch: "amd64"})}
		u.Dsc, u.SourceFiles = publishtest.MakeSource(b, dir, "hello", u.Version, "orig")
		uploads = append(uploads, u)
	}
	b.ResetTimer()
	for _, u := range uploads {
		if _, err := repo.Include(b.Context(), u); err != nil {
			b.Fatal(err)
		}
	}
}
