package folder

import (
	"os"
	"path/filepath"
	"testing"

	"foundry/pkg/artifact"
	"foundry/pkg/artifact/artifacttest"
)

type opener struct{ dir string }

func (o opener) Open(t *testing.T) artifact.Store {
	t.Helper()
	s, err := Open(o.dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (o opener) file(digest artifact.Digest) string {
	return filepath.Join(o.dir, string(digest[:2]), string(digest[2:]))
}

func (o opener) Corrupt(t *testing.T, digest artifact.Digest) {
	t.Helper()
	content, err := os.ReadFile(o.file(digest))
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.Remove(o.file(digest)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.file(digest), content, 0o444); err != nil {
		t.Fatal(err)
	}
}

func (o opener) Truncate(t *testing.T, digest artifact.Digest) {
	t.Helper()
	if err := os.Truncate(o.file(digest), 1000); err != nil {
		t.Fatal(err)
	}
}

func (o opener) Leftovers(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(o.dir, incoming))
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

func TestContract(t *testing.T) {
	artifacttest.Run(t, func(t *testing.T) artifacttest.Opener { return opener{filepath.Join(t.TempDir(), "store")} })
}

func TestOpenErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file); err == nil {
		t.Error("opened a file")
	}
}
