package gitrepo

import (
	"context"
	"testing"

	"foundry/pkg/gitrepo/gitrepotest"
)

// BenchmarkJob is what the making of a source package asks of a mirror, from a commit that was just
// pushed to a small repository on this host.
func BenchmarkJob(b *testing.B) {
	w := gitrepotest.NewWorkshop(b)
	w.Write("debian/changelog", "hello (1-1) unstable; urgency=low\n")
	w.Commit("first")
	w.Git("tag", "v1")
	ctx := context.Background()
	m := mirrorOf(b, w.Dir)
	for b.Loop() {
		b.StopTimer()
		w.Write("hello.c", b.Name())
		head := w.Commit("more")
		dir := b.TempDir()
		b.StartTimer()
		if err := m.Fetch(ctx, head, "main"); err != nil {
			b.Fatal(err)
		}
		if _, err := m.Commit(ctx, head); err != nil {
			b.Fatal(err)
		}
		if _, err := m.ReadFile(ctx, head, "debian/changelog"); err != nil {
			b.Fatal(err)
		}
		if err := m.Checkout(ctx, head, dir); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFetched is a fetch of what is there.
func BenchmarkFetched(b *testing.B) {
	w := gitrepotest.NewWorkshop(b)
	head := w.Commit("first")
	m := mirrorOf(b, w.Dir)
	for b.Loop() {
		if err := m.Fetch(context.Background(), head, "main"); err != nil {
			b.Fatal(err)
		}
	}
}
