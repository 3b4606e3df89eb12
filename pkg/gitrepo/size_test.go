package gitrepo

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"foundry/pkg/gitrepo/git"
	"foundry/pkg/gitrepo/gitrepotest"
)

// bigRepository is the size of the tree of the repository that the test fetches, in MiB. Its history has
// twice as much again.
// GITREPO_TEST_SIZE makes it larger, to measure.
const bigRepository = 4

// revisions is how many commits lie between the newest release and the newest commit: as many as the first deepening brings.
const revisions = 8

// small is what may be fetched, in bytes, for a commit that adds little.
const small = 64 << 10

// big is a repository with a large tree, upstream releases with other large trees far back in its history, and
// branches and tags that share all that.
func big(t *testing.T) (w *gitrepotest.Workshop, size int64) {
	t.Helper()
	mib, err := strconv.Atoi(os.Getenv("GITREPO_TEST_SIZE"))
	if err != nil {
		mib = bigRepository
	}
	w = gitrepotest.NewWorkshop(t)
	w.Git("config", "core.compression", "0")
	w.Git("config", "pack.window", "0") // between noises there is no likeness to look for
	for release := range 3 {
		for file := range mib {
			w.Write(fmt.Sprintf("data/%d", file), noise(1<<20, byte(release), byte(file), byte(file>>8)))
		}
		w.Commit(fmt.Sprint("release ", release))
		w.Git("tag", fmt.Sprint("upstream/", release))
	}
	w.Git("branch", "upstream")
	for revision := range revisions {
		w.Write("debian/changelog", fmt.Sprintln(revision))
		w.Commit(fmt.Sprint("revision ", revision))
	}
	return w, int64(mib) << 20
}

// TestFetchesOnlyWhatIsNew counts what a server sends for the first commit, for later ones, and for branches
// and tags with a shared history.
func TestFetchesOnlyWhatIsNew(t *testing.T) {
	t.Parallel()
	w, size := big(t)
	server, sent := gitrepotest.CountingServer(t, filepath.Dir(w.Dir))
	ctx := t.Context()
	m := mirrorOf(t, server.URL+"/hello/.git")
	begun := time.Now()
	check := func(what string, least, most int64) {
		t.Helper()
		bytes, requests := sent.Take()
		t.Logf("%s: %d bytes, %d requests, %s", what, bytes, requests, time.Since(begun).Round(time.Millisecond))
		if bytes < least || bytes > most {
			t.Errorf("%s: fetched %d bytes, want %d to %d", what, bytes, least, most)
		}
		begun = time.Now()
	}
	fetch := func(commit, branch string) {
		t.Helper()
		begun = time.Now()
		if err := m.Fetch(ctx, commit, branch); err != nil {
			t.Fatal(err)
		}
	}
	refresh := func(names ...string) {
		t.Helper()
		begun = time.Now()
		if err := m.Refresh(ctx, names...); err != nil {
			t.Fatal(err)
		}
	}
	first := w.Git("rev-parse", "HEAD")
	fetch(first, "main")
	check("first commit", size, size+size/4)
	w.Write("debian/changelog", "newer\n")
	second := w.Commit("second")
	fetch(second, "main")
	check("second commit", 1, small)
	fetch(second, "main")
	check("second commit again", 0, 0)
	refresh("upstream", "tags/upstream/2", "pristine-tar")
	check("upstream branch and tag", 1, small)
	refresh("upstream", "tags/upstream/2", "pristine-tar")
	check("upstream branch and tag again", 1, 4<<10)
	w.Git("checkout", "--quiet", "-b", "debian/bookworm", "HEAD~1")
	w.Write("debian/changelog", "bookworm\n")
	fetch(w.Commit("bookworm"), "debian/bookworm")
	check("another branch", 1, small)
	if base, err := m.MergeBase(ctx, second, w.Git("rev-parse", "upstream")); base != w.Git("rev-parse", "upstream") || err != nil {
		t.Errorf("the upstream branch is not merged: %s, %v", base, err)
	}
	check("upstream commit that is merged", 0, small)
	w.Git("checkout", "--quiet", "main")
	w.Git("reset", "--quiet", "--hard", first)
	w.Write("debian/changelog", "rewritten\n")
	rewritten := w.Commit("rewritten")
	fetch(rewritten, "main")
	check("rewritten branch", 1, small)
	if ancestor, err := m.IsAncestor(ctx, first, second); !ancestor || err != nil {
		t.Errorf("the first commit is no ancestor of the second: %v", err)
	}
	check("ancestor of a commit that followed", 0, 0)
	if ancestor, err := m.IsAncestor(ctx, second, rewritten); ancestor || err != nil {
		t.Errorf("a rewritten commit is an ancestor: %v", err)
	}
	check("ancestor of a rewritten commit", 0, small)
	w.Git("checkout", "--quiet", "-B", "debian/bookworm", "upstream/1")
	w.Write("debian/changelog", "from an older release\n")
	fetch(w.Commit("older release"), "debian/bookworm")
	check("branch rewritten to what is older than all that was fetched", size, size+size/4)
	refresh("tags/upstream/0")
	check("older tag", size, size+size/4)
	if err := m.Checkout(ctx, rewritten, t.TempDir()); err != nil {
		t.Error(err)
	}
	c, err := m.Commit(ctx, first)
	if err != nil || len(c.Parents) != 1 || !git.IsHash(c.Parents[0]) {
		t.Errorf("commit at the end of what was fetched: %+v, %v", c, err)
	}
}
