package aptly

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/aptly-dev/aptly/files"

	"foundry/pkg/publish"
	"foundry/pkg/publish/publishtest"
)

const keptSnapshots = 3

// pooled returns the names of the files in aptly's pool.
func (b *bench) pooled(t *testing.T) []string {
	t.Helper()
	list, err := files.NewPackagePool(filepath.Join(b.opts.Dir, "pool"), false).FilepathList(nil)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestRetention keeps packages of kept snapshots, and from then on for a while.
func TestRetention(t *testing.T) {
	b := newBench(t)
	b.opts.Snapshots = keptSnapshots
	b.reopen(t)
	b.include(t, "hello", "1.0-1")
	b.include(t, "hello", "2.0-1")
	old, orig := "pool/main/h/hello/hello_1.0-1_amd64.deb", "pool/main/h/hello/hello_2.0.orig.tar.xz"
	for range keptSnapshots { // so that no list has the old version any more
		if err := b.Refresh(t.Context(), 10*365*24*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	b.clock = b.clock.Add(publish.DefaultRetain - time.Hour)
	b.reopen(t)
	if !b.has(old) {
		t.Error("a package that was dropped not long ago is gone")
	}
	b.clock = b.clock.Add(2 * time.Hour)
	if err := b.Refresh(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if b.has(old) || !b.has(orig) {
		t.Errorf("old there: %t, new there: %t", b.has(old), b.has(orig))
	}
	if pooled := b.pooled(t); len(pooled) != 4 {
		t.Errorf("%v in the pool, want the 4 files of one version", pooled)
	}
	b.shows(t, "hello 2.0-1")
	b.reopen(t)
	b.include(t, "hello", "2.0-2")
	b.shows(t, "hello 2.0-2")
}

// TestRetentionOfShared removes a revision for good: what belongs to the upstream version stays while
// another revision, or another codename, has it, and goes with the last.
func TestRetentionOfShared(t *testing.T) {
	b := newBench(t)
	b.opts.Snapshots = keptSnapshots
	b.reopen(t)
	more := []string{"orig-docs.tar.gz", "orig.tar.xz.asc"}
	include := func(version, codename string) {
		t.Helper()
		u := b.upload(t, "hello", version)
		u.Codename = codename
		u.Dsc, u.SourceFiles = publishtest.MakeSource(t, b.files, "hello", version, "orig", more...)
		if _, err := b.Include(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	there := func(want bool, names ...string) {
		t.Helper()
		for _, name := range names {
			if b.has("pool/main/h/hello/"+name) != want {
				t.Errorf("%s is there: %t, want %t", name, !want, want)
			}
		}
	}
	pass := func() {
		t.Helper()
		for range keptSnapshots {
			if err := b.Refresh(t.Context(), 10*365*24*time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		b.clock = b.clock.Add(publish.DefaultRetain + time.Hour)
		b.reopen(t)
	}
	shared := []string{"hello_1.0.orig.tar.xz", "hello_1.0.orig-docs.tar.gz", "hello_1.0.orig.tar.xz.asc"}
	include("1.0-1", "alpha")
	include("1.0-2", "alpha")
	pass()
	there(false, "hello_1.0-1.dsc", "hello_1.0-1.debian.tar.xz", "hello_1.0-1_amd64.deb")
	there(true, append(shared, "hello_1.0-2.dsc")...)
	if pooled := b.pooled(t); len(pooled) != 6 {
		t.Errorf("%v in the pool, want the 6 files of one revision", pooled)
	}
	include("1.0-2", "beta")
	include("1.0-3", "alpha")
	include("2.0-1", "alpha")
	pass()
	there(false, "hello_1.0-3.dsc")
	there(true, append(shared, "hello_1.0-2.dsc", "hello_2.0.orig.tar.xz")...)
	include("2.0-1", "beta")
	pass()
	there(false, append(shared, "hello_1.0-2.dsc")...)
}

// TestByHashExpires keeps an index file for a day after it was last listed, however old it is.
func TestByHashExpires(t *testing.T) {
	b := newBench(t)
	b.include(t, "hello", "1.0-1")
	path := "dists/alpha/main/binary-amd64/by-hash/SHA256/" + b.suites["alpha"].release.Files["main/binary-amd64/Packages.xz"].SHA256
	b.clock = b.clock.Add(5 * 24 * time.Hour)
	b.include(t, "hello", "1.0-2")
	b.clock = b.clock.Add(publish.DefaultKeepIndexes - time.Minute)
	b.include(t, "hello", "1.0-3")
	if !b.has(path) {
		t.Error("an index file that was listed a day ago is gone")
	}
	b.clock = b.clock.Add(2 * time.Minute)
	b.include(t, "hello", "1.0-4")
	if b.has(path) {
		t.Error("an index file that was listed more than a day ago is there")
	}
}

// TestRollbackAfterRetention goes back to a snapshot whose packages left long ago: as long as it is kept they are.
func TestRollbackAfterRetention(t *testing.T) {
	b := newBench(t)
	b.include(t, "hello", "1.0-1")
	b.include(t, "hello", "2.0-1")
	b.clock = b.clock.Add(10 * publish.DefaultRetain)
	if err := b.Refresh(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	b.reopen(t)
	if _, err := b.Change(t.Context(), publish.Change{Kind: publish.Rollback, Codename: "alpha", Serial: 2}); err != nil {
		t.Fatal(err)
	}
	b.shows(t, "hello 1.0-1")
}

// TestRememberedAfterRetention refuses other bytes for a version whose files have gone, and lets the same in.
func TestRememberedAfterRetention(t *testing.T) {
	b := newBench(t)
	b.opts.Snapshots = 1
	b.reopen(t)
	same := b.upload(t, "hello", "1.0-1")
	b.include(t, "hello", "1.0-1")
	if _, err := b.Change(t.Context(), publish.Change{Kind: publish.Remove, Codename: "alpha", Select: []publish.Select{{Name: "hello"}}}); err != nil {
		t.Fatal(err)
	}
	b.clock = b.clock.Add(publish.DefaultRetain + time.Hour)
	b.reopen(t)
	if pooled := b.pooled(t); len(pooled) > 0 || b.has("pool/main/h/hello/hello_1.0-1_amd64.deb") {
		t.Errorf("still in the pool: %v", pooled)
	}
	other := same
	other.Files = []string{publishtest.MakeDeb(t, t.TempDir(), publishtest.Binary{Name: "hello", Version: "1.0-1", Arch: "amd64", Content: "altered"})}
	var refused *publish.RefusedError
	if _, err := b.Include(t.Context(), other); !errors.As(err, &refused) {
		t.Errorf("%v, want a *RefusedError", err)
	}
	if _, err := b.Include(t.Context(), same); err != nil {
		t.Fatal(err)
	}
	b.shows(t, "hello 1.0-1")
}
