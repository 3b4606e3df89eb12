package aptly

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/message"
	"foundry/pkg/publish"
	"foundry/pkg/publish/publishtest"
	"foundry/pkg/trust"
)

// bench is a repository whose clock the test moves.
type bench struct {
	*Repo
	dir   string
	files string
	clock time.Time
	opts  publish.Options
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{dir: t.TempDir(), files: t.TempDir(), clock: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	var err error
	if b.opts, err = options(b.dir, publishtest.Suites()); err != nil {
		t.Fatal(err)
	}
	b.reopen(t)
	return b
}

func (b *bench) reopen(t *testing.T) {
	t.Helper()
	if b.Repo != nil {
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	repo, err := open(t.Context(), b.opts, func() time.Time { return b.clock }, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = repo.Close() })
	b.Repo = repo
}

func (b *bench) upload(t *testing.T, name, version string) publish.Upload {
	t.Helper()
	u := publish.Upload{Package: message.Package{Source: name, Version: version, Codename: "alpha"}}
	u.Files = []string{publishtest.MakeDeb(t, b.files, publishtest.Binary{Name: name, Version: version, Arch: "amd64"})}
	u.Dsc, u.SourceFiles = publishtest.MakeSource(t, b.files, name, version, "orig of "+name)
	return u
}

func (b *bench) include(t *testing.T, name, version string) publish.Publication {
	t.Helper()
	p, err := b.Include(t.Context(), b.upload(t, name, version))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// shows checks the packages in the index of amd64 that is served.
func (b *bench) shows(t *testing.T, want ...string) {
	t.Helper()
	index, err := os.ReadFile(filepath.Join(b.opts.Output, "dists/alpha/main/binary-amd64/Packages"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(index)) {
		if name, ok := strings.CutPrefix(line, "Package: "); ok {
			got = append(got, strings.TrimSpace(name))
		}
		if version, ok := strings.CutPrefix(line, "Version: "); ok {
			got[len(got)-1] += " " + strings.TrimSpace(version)
		}
		if file, ok := strings.CutPrefix(line, "Filename: "); ok && !b.has(strings.TrimSpace(file)) {
			t.Errorf("%s is listed and not there", strings.TrimSpace(file))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
}

func (b *bench) has(path string) bool {
	_, err := os.Stat(filepath.Join(b.opts.Output, path))
	return err == nil
}

// TestBatch judges two versions of one package in one batch: both are published, in turn.
func TestBatch(t *testing.T) {
	b := newBench(t)
	var batch []*request
	for _, version := range []string{"1.0-1", "1.0-2", "1.0-2", "1.0-1.1"} {
		u := b.upload(t, "hello", version)
		candidates, err := read(t.Context(), b.suites["alpha"].Suite, u)
		if err != nil {
			t.Fatal(err)
		}
		batch = append(batch, &request{upload: u, candidates: candidates})
	}
	b.mu.Lock()
	b.settleAll(t.Context(), batch)
	b.mu.Unlock()
	for i, q := range batch {
		if !q.done || (q.err != nil) != (i == 3) {
			t.Errorf("request %d: done %t, %v", i, q.done, q.err)
		}
		for _, p := range q.publication.Packages {
			if !b.has(p.Filename) {
				t.Errorf("request %d: %s is not there", i, p.Filename)
			}
		}
	}
	b.shows(t, "hello 1.0-2")
}

// TestBatchWithTrouble publishes a batch of which one upload cannot be read any more: the others go in.
func TestBatchWithTrouble(t *testing.T) {
	b := newBench(t)
	var batch []*request
	for _, name := range []string{"one", "two", "two", "three"} {
		u := b.upload(t, name, "1.0-1")
		candidates, err := read(t.Context(), b.suites["alpha"].Suite, u)
		if err != nil {
			t.Fatal(err)
		}
		batch = append(batch, &request{upload: u, candidates: candidates})
	}
	if err := os.Remove(batch[1].upload.Files[0]); err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	b.settleAll(t.Context(), batch)
	b.mu.Unlock()
	for i, q := range batch {
		if failed := q.err != nil; !q.done || failed != (q.upload.Source == "two") {
			t.Errorf("request %d: done %t, %v", i, q.done, q.err)
		}
	}
	b.shows(t, "one 1.0-1", "three 1.0-1")
	b.reopen(t)
	b.include(t, "two", "1.0-1")
	b.shows(t, "one 1.0-1", "three 1.0-1", "two 1.0-1")
}

// TestOutputIsLost removes what is served: it is made again from the state folder.
func TestOutputIsLost(t *testing.T) {
	b := newBench(t)
	b.include(t, "hello", "1.0-1")
	b.include(t, "hello", "1.0-2")
	for _, lost := range []string{"", "dists", "dists/.alpha/3/Release", "dists/.alpha/3"} {
		if err := os.RemoveAll(filepath.Join(b.opts.Output, lost)); err != nil {
			t.Fatal(err)
		}
		b.reopen(t)
		b.shows(t, "hello 1.0-2")
	}
	b.include(t, "hello", "1.0-3")
	b.shows(t, "hello 1.0-3")
}

// TestStateIsLost refuses to serve an empty repository in place of one that it does not know.
func TestStateIsLost(t *testing.T) {
	b := newBench(t)
	b.include(t, "hello", "1.0-1")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(b.opts.Dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), b.opts); err == nil || !strings.Contains(err.Error(), "do not belong together") {
		t.Errorf("%v, want it to say that the folders do not belong together", err)
	}
	b.shows(t, "hello 1.0-1")
}

// TestForeignOutput leaves alone what it has not made.
func TestForeignOutput(t *testing.T) {
	b := newBench(t)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(b.opts.Output, "dists", "alpha")
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(link, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), b.opts); err == nil || !strings.Contains(err.Error(), "not made by foundry") {
		t.Errorf("%v, want it to say that the folder was not made by foundry", err)
	}
}

// TestSettingsChange publishes anew what shows in the metadata, and keeps the packages of a
// codename that is left out for a while.
func TestSettingsChange(t *testing.T) {
	b := newBench(t)
	b.include(t, "hello", "1.0-1")
	arm := b.upload(t, "hello", "1.0-1")
	arm.Files = []string{publishtest.MakeDeb(t, b.files, publishtest.Binary{Name: "hello", Version: "1.0-1", Arch: "arm64"})}
	if _, err := b.Include(t.Context(), arm); err != nil {
		t.Fatal(err)
	}
	all := b.opts.Suites
	b.opts.Suites = slices.Clone(all)
	b.opts.Suites[0].Description, b.opts.Suites[0].Architectures = "Another", []string{"amd64", "riscv64"}
	b.reopen(t)
	release, err := os.ReadFile(filepath.Join(b.opts.Output, "dists/alpha/Release"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\nDescription: Another\n", "\nArchitectures: amd64 riscv64\n", " main/binary-riscv64/Packages.xz\n", "\nSuite: stable\n"} {
		if !strings.Contains(string(release), want) {
			t.Errorf("Release does not say %q:\n%s", want, release)
		}
	}
	b.opts.Suites = all[1:]
	b.clock = b.clock.Add(100 * 24 * time.Hour)
	b.reopen(t)
	if err := b.Refresh(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	b.shows(t, "hello 1.0-1")
	b.opts.Suites = all
	b.reopen(t)
	b.shows(t, "hello 1.0-1")
}

// TestComponentChanges moves a suite to another component.
func TestComponentChanges(t *testing.T) {
	b := newBench(t)
	b.include(t, "hello", "1.0-1")
	b.opts.Suites = slices.Clone(b.opts.Suites)
	b.opts.Suites[0].Component = "contrib"
	b.reopen(t)
	index, err := os.ReadFile(filepath.Join(b.opts.Output, "dists/alpha/contrib/binary-amd64/Packages"))
	if err != nil || !strings.Contains(string(index), "\nFilename: pool/contrib/h/hello/hello_1.0-1_amd64.deb\n") {
		t.Errorf("%v:\n%s", err, index)
	}
	if !b.has("pool/contrib/h/hello/hello_1.0-1_amd64.deb") || !b.has("pool/contrib/h/hello/hello_1.0.orig.tar.xz") {
		t.Error("packages are not in the other component's pool")
	}
}

// TestForcedComponent keeps a package where it was told to be, whatever else changes.
func TestForcedComponent(t *testing.T) {
	b := newBench(t)
	b.opts.Suites = slices.Clone(b.opts.Suites)
	b.opts.Suites[0].Components = []string{"contrib"}
	b.reopen(t)
	u := b.upload(t, "hello", "1.0-1")
	u.Component = "contrib"
	if _, err := b.Include(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"contrib", "contrib", "main"} {
		list, err := b.Packages(t.Context(), "alpha", 0)
		if err != nil || len(list) != 2 || list[0].Component != want || !b.has("pool/"+want+"/h/hello/hello_1.0-1_amd64.deb") {
			t.Errorf("%v, %v: want them in %s", list, err, want)
		}
		if b.opts.Suites[0].Description == "another" {
			b.opts.Suites[0].Components = nil
		}
		b.opts.Suites[0].Description = "another"
		b.reopen(t)
	}
}

// TestDates checks that dates never go back, also when the clock does.
func TestDates(t *testing.T) {
	b := newBench(t)
	b.include(t, "hello", "1.0-1")
	first := b.suites["alpha"].release
	if want := b.clock.Add(-2 * time.Minute); !first.Date.Equal(want) {
		t.Errorf("dated %s, want %s", first.Date, want)
	}
	if want := b.clock.Add(publish.DefaultValidFor); !first.ValidUntil.Equal(want) {
		t.Errorf("valid until %s, want %s", first.ValidUntil, want)
	}
	b.clock = b.clock.Add(-time.Hour)
	b.include(t, "hello", "1.0-2")
	b.reopen(t)
	second := b.suites["alpha"].release
	if second.Date.Before(first.Date) || !second.Modified.After(first.Modified) {
		t.Errorf("dates went back from %s, %s to %s, %s", first.Date, first.Modified, second.Date, second.Modified)
	}
}

// brokenSigner fails while it is told to.
type brokenSigner struct {
	trust.Signer
	broken bool
}

func (s *brokenSigner) Clearsign(ctx context.Context, data []byte) ([]byte, error) {
	if s.broken {
		return nil, errors.New("card removed")
	}
	return s.Signer.Clearsign(ctx, data)
}

// TestSignerFails lets publishing fail near its end: clients see the old state, and trying again
// succeeds, also with other bytes, since the first were never shown.
func TestSignerFails(t *testing.T) {
	b := newBench(t)
	signer := &brokenSigner{Signer: b.opts.Signer}
	b.opts.Signer = signer
	b.reopen(t)
	b.include(t, "hello", "1.0-1")
	signer.broken = true
	u := b.upload(t, "hello", "1.0-2")
	for range 2 {
		if _, err := b.Include(t.Context(), u); err == nil || !strings.Contains(err.Error(), "card removed") {
			t.Fatalf("%v, want what the signer said", err)
		}
		b.shows(t, "hello 1.0-1")
	}
	signer.broken = false
	u.Files = []string{publishtest.MakeDeb(t, b.files, publishtest.Binary{Name: "hello", Version: "1.0-2", Arch: "amd64", Content: "altered"})}
	if _, err := b.Include(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	b.shows(t, "hello 1.0-2")
	b.reopen(t)
	b.shows(t, "hello 1.0-2")
	served, err := os.ReadFile(filepath.Join(b.opts.Output, "pool/main/h/hello/hello_1.0-2_amd64.deb"))
	if err != nil {
		t.Fatal(err)
	}
	given, err := os.ReadFile(u.Files[0])
	if err != nil || !bytes.Equal(served, given) {
		t.Errorf("the bytes of the first try are served (%v)", err)
	}
}

// TestStream publishes uploads that come close together at once, and waits for no others when none come.
func TestStream(t *testing.T) {
	b := newBench(t)
	var uploads []publish.Upload
	for i := range 40 {
		uploads = append(uploads, b.upload(t, fmt.Sprintf("stream%d", i), "1.0-1"))
	}
	before := b.suites["alpha"].snapshot.Serial
	b.published, b.took = time.Now(), time.Hour
	var group sync.WaitGroup
	for _, u := range uploads {
		group.Go(func() {
			if _, err := b.Include(t.Context(), u); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := b.suites["alpha"].snapshot.Serial - before; n > 2 {
		t.Errorf("%d publishes", n)
	}
}

// TestGather waits in a stream until all uploads under way are ready, and when there is none does not wait.
func TestGather(t *testing.T) {
	b := newBench(t)
	b.published, b.took = time.Now(), time.Hour
	b.gather(t.Context()) // returns, as nothing is under way
	b.under.Store(gatherFrom)
	var all atomic.Bool
	var group sync.WaitGroup
	group.Go(func() {
		for range gatherFrom {
			time.Sleep(lull / 2)
			b.queued.Lock()
			b.queue = append(b.queue, new(request))
			b.queued.Unlock()
		}
		all.Store(true)
	})
	b.gather(t.Context())
	if !all.Load() {
		t.Error("uploads under way were not waited for")
	}
	group.Wait()
	b.queue = nil
}

// TestEarlierVersion tells what to do with a repository that an earlier version has made.
func TestEarlierVersion(t *testing.T) {
	b := newBench(t)
	for _, key := range b.db.KeysByPrefix([]byte("foundry ")) {
		if err := b.db.Delete(key); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.db.Put([]byte("foundry record alpha 00000000000000000001"), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), b.opts)
	var earlier earlierError
	if !errors.As(err, &earlier) || !strings.Contains(earlier.Hint(), "foundry repo import") {
		t.Errorf("open: %v", err)
	}
}
