package aptly

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foundry/pkg/publish"
	"foundry/pkg/publish/publishtest"
)

// trouble makes a repository that shows hello 1.0-1, and an upload of 1.0-2.
func trouble(t *testing.T) (*bench, publish.Upload) {
	t.Helper()
	b := newBench(t)
	b.clock = time.Now()
	b.include(t, "hello", "1.0-1")
	u := b.upload(t, "hello", "1.0-2")
	u.Buildinfo = []string{filepath.Join(b.files, "hello_1.0-2_amd64.buildinfo")}
	if err := os.WriteFile(u.Buildinfo[0], []byte("Format: 1.0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return b, u
}

// TestDiskIsFull fills the disk before each change in turn: it is an error, clients see the old state, and the same
// process goes on when there is room again.
func TestDiskIsFull(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	t.Parallel()
	full := 0
	for n := 1; ; n += 2 {
		b, u := trouble(t)
		_, said := run(t, crashTask{Dir: b.dir, Suites: publishtest.Suites(), Task: publishtest.Task{Include: &u}, N: n, Full: true})
		b.Repo = nil
		b.shows(t, "hello 1.0-2")
		b.reopen(t)
		b.shows(t, "hello 1.0-2")
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if said == "was full" {
			full++
		} else if full > 5 {
			return
		}
		if n > 200 {
			t.Fatalf("the disk was full %d times", full)
		}
	}
}

// TestKilledSweep kills the process before each thing that it removes: what is not to be removed stays, and
// the next Open removes the rest.
func TestKilledSweep(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a process before each of many steps")
	}
	t.Parallel()
	old := []string{"pool/main/h/hello/hello_1.0-1_amd64.deb", "pool/main/h/hello/hello_1.0-1.dsc"}
	for n, finished := 1, false; !finished; n++ {
		b, u := trouble(t)
		include := crashTask{Dir: b.dir, Suites: publishtest.Suites(), Task: publishtest.Task{Include: &u}, Ahead: time.Minute}
		run(t, include)
		sweep := include
		sweep.Task, sweep.Ahead, sweep.N = publishtest.Task{Refresh: time.Minute}, publish.DefaultRetain+time.Hour, n
		finished, _ = run(t, sweep)
		b.shows(t, "hello 1.0-2")
		b.opts.Snapshots, b.clock, b.Repo = 1, time.Now().Add(sweep.Ahead), nil
		b.reopen(t)
		for _, path := range old {
			if b.has(path) {
				t.Errorf("killed at %d: %s is still there", n, path)
			}
		}
		if pooled := b.pooled(t); len(pooled) != 4 || !b.has("pool/main/h/hello/hello_1.0.orig.tar.xz") {
			t.Errorf("killed at %d: in the pool %v", n, pooled)
		}
		b.shows(t, "hello 1.0-2")
		b.include(t, "hello", "1.0-3")
		if finished && n < 3 {
			t.Errorf("only %d things removed", n)
		}
	}
}

// TestManyDifferences rolls back over full lists, and gives up snapshots with what they build on.
func TestManyDifferences(t *testing.T) {
	b := newBench(t)
	b.opts.Snapshots = 40
	b.reopen(t)
	s := b.suites["alpha"]
	for i := range 30 {
		b.include(t, fmt.Sprintf("hello%02d", i), "1.0-1")
	}
	for i := range 30 {
		b.include(t, fmt.Sprintf("hello%02d", i), "1.0-2")
	}
	all, err := b.Snapshots(t.Context(), "alpha")
	if err != nil || len(all) != 40 || all[0].Serial != 61 {
		t.Fatalf("%d snapshots, %v", len(all), err)
	}
	for _, snapshot := range all {
		list, err := b.Packages(t.Context(), "alpha", snapshot.Serial)
		if err != nil || len(list) != snapshot.Packages {
			t.Errorf("snapshot %d has %d packages, want %d (%v)", snapshot.Serial, len(list), snapshot.Packages, err)
		}
	}
	if _, err := b.Change(t.Context(), publish.Change{Kind: publish.Rollback, Codename: "alpha", Serial: 35}); err != nil {
		t.Fatal(err)
	}
	if n := s.list.Len(); n != 60 {
		t.Errorf("%d packages", n)
	}
	b.reopen(t)
	if got := b.suites["alpha"].list.Len(); got != 60 {
		t.Errorf("%d packages after reopening", got)
	}
	if keys := b.db.KeysByPrefix([]byte("foundry change alpha ")); len(keys) > 120 {
		t.Errorf("%d differences are kept", len(keys))
	}
	if _, err := b.Change(t.Context(), publish.Change{Kind: publish.Rollback, Codename: "alpha", Serial: 3}); err == nil || !strings.Contains(err.Error(), "unknown snapshot") {
		t.Errorf("%v, want an unknown snapshot", err)
	}
}

// TestOwned takes the files of an upload without copying them.
func TestOwned(t *testing.T) {
	b := newBench(t)
	for _, owned := range []bool{true, false} {
		u := b.upload(t, fmt.Sprintf("hello-%t", owned), "1.0-1")
		u.Owned = owned
		if _, err := b.Include(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		given, err := os.Stat(u.Files[0])
		if err != nil {
			t.Fatal(err)
		}
		served, err := os.Stat(filepath.Join(b.opts.Output, "pool/main/h", u.Source, filepath.Base(u.Files[0])))
		if err != nil || os.SameFile(given, served) != owned || served.Mode().Perm() != 0o644 {
			t.Errorf("owned %t: the same file %t, mode %v (%v)", owned, os.SameFile(given, served), served.Mode(), err)
		}
	}
}
