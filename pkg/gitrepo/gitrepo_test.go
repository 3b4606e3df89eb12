package gitrepo

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"
)

const someHash = "1927f05e65fa1d38ea6137baf0670d40e43bd821"

func background(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func mirrorOf(t testing.TB, url string) *Mirror {
	t.Helper()
	m, err := OpenMirror(t.TempDir(), url)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// noise is text of the given size that cannot be compressed, and the same each time for a seed.
func noise(size int, seed ...byte) string {
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte(append(seed, make([]byte, 32-len(seed))...))).Read(content)
	return string(content)
}
