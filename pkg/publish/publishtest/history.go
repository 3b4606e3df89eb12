package publishtest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/publish"
)

// changed makes a change that must be allowed, and returns what it says to have added and removed.
func (f *fixture) changed(t testing.TB, repo publish.Archive, change publish.Change) []string {
	t.Helper()
	list, err := repo.Change(t.Context(), change)
	if err != nil {
		t.Fatalf("%s: %v", change.Kind, err)
	}
	said := []string{}
	for _, c := range list {
		for _, p := range c.Added {
			said = append(said, fmt.Sprintf("%s +%s %s %s", c.Codename, p.Package, p.Version, p.Architecture))
		}
		for _, p := range c.Removed {
			said = append(said, fmt.Sprintf("%s -%s %s %s", c.Codename, p.Package, p.Version, p.Architecture))
		}
		for _, p := range c.Kept {
			said = append(said, fmt.Sprintf("%s =%s %s %s", c.Codename, p.Package, p.Version, p.Architecture))
		}
		f.consistent(t, c.Codename)
	}
	return said
}

// says checks what a change says to have done.
func (f *fixture) says(t testing.TB, repo publish.Archive, change publish.Change, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), f.changed(t, repo, change)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", change.Kind, diff)
	}
}

// snapshots returns the reasons of the snapshots of alpha, the newest first.
func (f *fixture) snapshots(t testing.TB, repo publish.Archive) (list []string) {
	t.Helper()
	all, err := repo.Snapshots(t.Context(), "alpha")
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range all {
		if s.Codename != "alpha" || s.Current != (i == 0) || i > 0 && s.Serial+1 != all[i-1].Serial || s.Time.IsZero() {
			t.Errorf("snapshot %d of %d: %+v", i, len(all), s)
		}
		list = append(list, fmt.Sprintf("%d %s: +%d -%d =%d", s.Serial, s.Reason, s.Added, s.Removed, s.Packages))
	}
	return list
}

// packages returns what a snapshot of a codename lists.
func listedIn(t testing.TB, repo publish.Archive, codename string, serial uint64) (list []string) {
	t.Helper()
	all, err := repo.Packages(t.Context(), codename, serial)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		list = append(list, fmt.Sprintf("%s %s %s of %s %s in %s", p.Package, p.Version, p.Architecture, p.Source, p.SourceVersion, p.Component))
	}
	return list
}

func testSnapshots(t *testing.T, f *fixture) {
	repo := f.open(t)
	first := f.include(t, repo, f.upload(t, "hello", "1.0-1", "amd64", "all"))
	f.include(t, repo, f.upload(t, "hello", "1.0-2", "amd64", "all"))
	want := []string{"3 include hello 1.0-2: +3 -3 =3", "2 include hello 1.0-1: +3 -0 =3", "1 set up: +0 -0 =0"}
	for range 2 {
		if diff := cmp.Diff(want, f.snapshots(t, repo)); diff != "" {
			t.Errorf("snapshots (-want +got):\n%s", diff)
		}
		old := []string{
			"hello 1.0-1 amd64 of hello 1.0-1 in main", "hello 1.0-1 source of hello 1.0-1 in main", "hello-data 1.0-1 all of hello 1.0-1 in main",
		}
		if diff := cmp.Diff(old, listedIn(t, repo, "alpha", 2)); diff != "" {
			t.Errorf("packages of an old snapshot (-want +got):\n%s", diff)
		}
		if got := listedIn(t, repo, "alpha", 0); len(got) != 3 || got[0] != "hello 1.0-2 amd64 of hello 1.0-2 in main" {
			t.Errorf("packages now: %v", got)
		}
		if err := repo.Close(); err != nil {
			t.Fatal(err)
		}
		repo = f.open(t)
	}
	if all, err := repo.Snapshots(t.Context(), "alpha"); err != nil || all[1].Release != first.Release {
		t.Errorf("%v, %v: want the release %s in the second", all, err, first.Release)
	}
	if _, err := repo.Snapshots(t.Context(), "gamma"); !errors.Is(err, publish.ErrUnknownCodename) {
		t.Errorf("%v, want ErrUnknownCodename", err)
	}
	if _, err := repo.Packages(t.Context(), "alpha", 99); !errors.Is(err, publish.ErrUnknownSnapshot) {
		t.Errorf("%v, want ErrUnknownSnapshot", err)
	}
}

func testRollback(t *testing.T, f *fixture) {
	repo := f.open(t)
	for _, version := range []string{"1.0-1", "1.0-2", "2.0-1"} {
		f.include(t, repo, f.upload(t, "hello", version, "amd64"))
	}
	change := publish.Change{Kind: publish.Rollback, Codename: "alpha", Serial: 2}
	want := []string{"alpha +hello 1.0-1 amd64", "alpha +hello 1.0-1 source", "alpha -hello 2.0-1 amd64", "alpha -hello 2.0-1 source"}
	dry := change
	dry.DryRun = true
	f.says(t, repo, dry, want...)
	f.lists(t, "alpha", amd64, "hello 2.0-1 amd64")
	f.says(t, repo, change, want...)
	f.lists(t, "alpha", amd64, "hello 1.0-1 amd64")
	f.lists(t, "alpha", sources, "hello 1.0-1")
	f.says(t, repo, change)
	if got := f.snapshots(t, repo); got[0] != "5 rollback to 2: +2 -2 =2" {
		t.Errorf("snapshots: %v", got)
	}
	c := f.client(t, "alpha", "amd64")
	c.Must(t, "apt-get", "update")
	c.Must(t, "apt-get", "download", "hello=1.0-1")
	// What has been taken back can come again, with the same bytes.
	f.include(t, repo, f.upload(t, "hello", "1.0-2", "amd64"))
	f.lists(t, "alpha", amd64, "hello 1.0-2 amd64")
	change.Serial, change.Reason = 4, "2.0 was good"
	f.changed(t, repo, change)
	f.lists(t, "alpha", amd64, "hello 2.0-1 amd64")
	if got := f.snapshots(t, repo); got[0] != "7 2.0 was good: +2 -2 =2" {
		t.Errorf("snapshots: %v", got)
	}
}

func testRemove(t *testing.T, f *fixture) {
	repo := f.open(t)
	f.include(t, repo, f.upload(t, "golib", "1-1", "amd64"))
	f.include(t, repo, f.upload(t, "other", "1-1", "amd64", "all"))
	f.include(t, repo, f.binaries(t, "1.0-1", true,
		Binary{Name: "hello", Version: "1.0-1", Arch: "amd64", Fields: "Static-Built-Using: golib (= 1-1)\n"},
		Binary{Name: "hello-extra", Version: "3.0", Arch: "amd64", Source: "hello (1.0-1)"}))
	remove := func(list ...publish.Select) publish.Change {
		return publish.Change{Kind: publish.Remove, Codename: "alpha", Select: list}
	}
	f.says(t, repo, remove(publish.Select{Name: "golib"}), "alpha -golib 1-1 amd64", "alpha =golib 1-1 source")
	f.lists(t, "alpha", sources, "golib 1-1", "hello 1.0-1", "other 1-1")
	f.says(t, repo, remove(publish.Select{Name: "hello-extra", Binary: true, Version: "3.0"}), "alpha -hello-extra 3.0 amd64")
	f.says(t, repo, remove(publish.Select{Name: "other", Architecture: "amd64"}, publish.Select{Name: "other"}),
		"alpha -other 1-1 amd64", "alpha -other 1-1 source", "alpha -other-data 1-1 all")
	f.says(t, repo, remove(publish.Select{Name: "hello", Version: "1.0-1"}, publish.Select{Name: "golib"}),
		"alpha -golib 1-1 source", "alpha -hello 1.0-1 amd64", "alpha -hello 1.0-1 source")
	f.lists(t, "alpha", sources)
	f.lists(t, "alpha", amd64)
	f.include(t, repo, f.upload(t, "golib", "1-1", "amd64"))
	f.client(t, "alpha", "amd64").Must(t, "apt-get", "update")
}

func testCopy(t *testing.T, f *fixture) {
	repo := f.open(t)
	f.include(t, repo, f.upload(t, "golib", "1-1", "amd64"))
	f.include(t, repo, f.upload(t, "golib", "1-1", "arm64"))
	f.include(t, repo, f.binaries(t, "1.0-1", true,
		Binary{Name: "hello", Version: "1.0-1", Arch: "amd64", Fields: "Built-Using: golib (= 1-1)\n"},
		Binary{Name: "hello-data", Version: "1.0-1", Arch: "all", Source: "hello"}))
	change := publish.Change{Kind: publish.Copy, Codename: "beta", From: "alpha", Select: []publish.Select{{Name: "hello"}}}
	want := []string{"beta +golib 1-1 source", "beta +hello 1.0-1 amd64", "beta +hello 1.0-1 source", "beta +hello-data 1.0-1 all"}
	f.says(t, repo, change, want...)
	f.says(t, repo, change)
	f.lists(t, "beta", amd64, "hello 1.0-1 amd64", "hello-data 1.0-1 all")
	f.lists(t, "beta", sources, "golib 1-1", "hello 1.0-1")
	f.lists(t, "alpha", amd64, "golib 1-1 amd64", "hello 1.0-1 amd64", "hello-data 1.0-1 all")
	// beta has no arm64.
	f.says(t, repo, publish.Change{Kind: publish.Copy, Codename: "beta", From: "alpha", Select: []publish.Select{{Name: "golib"}}}, "beta +golib 1-1 amd64")
	f.include(t, repo, f.upload(t, "hello", "1.0-2", "amd64", "all"))
	f.changed(t, repo, change)
	f.lists(t, "beta", amd64, "golib 1-1 amd64", "hello 1.0-2 amd64", "hello-data 1.0-2 all")
	f.changed(t, repo, publish.Change{Kind: publish.Rollback, Codename: "alpha", Serial: 4})
	var refused *publish.RefusedError
	if list, err := repo.Change(t.Context(), change); err != nil || len(list[0].Added) > 0 {
		t.Errorf("%v, %v: copying what has been replaced is to change nothing", list, err)
	}
	other := f.upload(t, "third", "1-1", "amd64")
	f.include(t, repo, other)
	newer := f.upload(t, "third", "2-1", "amd64")
	newer.Codename = "beta"
	f.include(t, repo, newer)
	change.Select = []publish.Select{{Name: "third"}}
	if _, err := repo.Change(t.Context(), change); !errors.As(err, &refused) {
		t.Errorf("%v, want a *RefusedError for a step back", err)
	}
	change.AllowDowngrade = true
	f.says(t, repo, change, "beta +third 1-1 amd64", "beta +third 1-1 source", "beta -third 2-1 amd64", "beta -third 2-1 source")
	c := f.client(t, "beta", "amd64")
	c.Must(t, "apt-get", "update")
	c.Must(t, "apt-get", "download", "third=1-1", "hello", "golib")
	c.Must(t, "apt-get", "source", "--download-only", "hello", "golib")
}

func testPromote(t *testing.T, f *fixture) {
	repo := f.open(t)
	published := f.include(t, repo, f.upload(t, "hello", "1.0-1", "amd64", "all"))
	change := publish.Change{Kind: publish.Promote, Codename: "beta", From: "alpha", Select: []publish.Select{{Name: "hello", Version: "1.0-1"}}}
	f.says(t, repo, change,
		"beta +hello 1.0-1 amd64", "beta +hello 1.0-1 source", "beta +hello-data 1.0-1 all",
		"alpha -hello 1.0-1 amd64", "alpha -hello 1.0-1 source", "alpha -hello-data 1.0-1 all")
	f.says(t, repo, change)
	f.lists(t, "alpha", amd64)
	f.lists(t, "beta", amd64, "hello 1.0-1 amd64", "hello-data 1.0-1 all")
	list, err := repo.Packages(t.Context(), "beta", 0)
	if err != nil || len(list) != 3 || list[0].SHA256 != published.Packages[0].SHA256 || list[0].Filename != published.Packages[0].Filename {
		t.Errorf("%v, %v: want the very files of %v", list, err, published.Packages)
	}
	other := f.upload(t, "hello", "1.0-1", "amd64")
	other.Files = []string{MakeDeb(t, f.folder(t), Binary{Name: "hello", Version: "1.0-1", Arch: "amd64", Content: "altered"})}
	f.refused(t, repo, other, "with other content")
}

func testBadChanges(t *testing.T, f *fixture) {
	repo := f.open(t)
	f.include(t, repo, f.upload(t, "hello", "1.0-1", "amd64"))
	hello := []publish.Select{{Name: "hello"}}
	for name, c := range map[string]struct {
		change publish.Change
		want   error
	}{
		"no kind":           {publish.Change{Codename: "alpha"}, nil},
		"unknown kind":      {publish.Change{Kind: "x", Codename: "alpha"}, nil},
		"unknown codename":  {publish.Change{Kind: publish.Remove, Codename: "gamma", Select: hello}, publish.ErrUnknownCodename},
		"unknown origin":    {publish.Change{Kind: publish.Copy, Codename: "alpha", From: "gamma", Select: hello}, publish.ErrUnknownCodename},
		"same codename":     {publish.Change{Kind: publish.Promote, Codename: "alpha", From: "alpha", Select: hello}, nil},
		"nothing selected":  {publish.Change{Kind: publish.Remove, Codename: "alpha"}, nil},
		"unknown package":   {publish.Change{Kind: publish.Remove, Codename: "alpha", Select: append(hello, publish.Select{Name: "x"})}, publish.ErrUnknownPackage},
		"unknown version":   {publish.Change{Kind: publish.Copy, Codename: "beta", From: "alpha", Select: []publish.Select{{Name: "hello", Version: "2"}}}, publish.ErrUnknownPackage},
		"nothing promoted":  {publish.Change{Kind: publish.Promote, Codename: "alpha", From: "beta", Select: []publish.Select{{Name: "x"}}}, publish.ErrUnknownPackage},
		"snapshot 0":        {publish.Change{Kind: publish.Rollback, Codename: "alpha"}, publish.ErrUnknownSnapshot},
		"snapshot to come":  {publish.Change{Kind: publish.Rollback, Codename: "alpha", Serial: 3}, publish.ErrUnknownSnapshot},
		"snapshot too high": {publish.Change{Kind: publish.Rollback, Codename: "alpha", Serial: 1<<64 - 1}, publish.ErrUnknownSnapshot},
	} {
		before := f.snapshots(t, repo)
		if _, err := repo.Change(t.Context(), c.change); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if diff := cmp.Diff(before, f.snapshots(t, repo)); diff != "" {
			t.Errorf("%s changed the repository:\n%s", name, diff)
		}
	}
}
