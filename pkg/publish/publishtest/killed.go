package publishtest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"foundry/pkg/publish"
)

// crash is one thing to be killed while it is done.
type crash struct {
	name    string
	prepare func(t *testing.T, repo publish.Archive, f *fixture)
	task    Task
	before  string // what clients of alpha see on amd64
	after   string
}

// crashes are the table of testKilled. One and two are uploads of hello 1.0-1 and 1.0-2.
func crashes(one, two publish.Upload) []crash {
	first, second := "[hello 1.0-1 amd64 hello-data 1.0-1 all]", "[hello 1.0-2 amd64 hello-data 1.0-2 all]"
	include := func(t *testing.T, repo publish.Archive, f *fixture) { f.include(t, repo, one) }
	both := func(t *testing.T, repo publish.Archive, f *fixture) {
		include(t, repo, f)
		f.include(t, repo, two)
	}
	elsewhere := func(t *testing.T, repo publish.Archive, f *fixture) {
		two := two
		two.Codename = "beta"
		include(t, repo, f)
		f.include(t, repo, two)
	}
	hello := []publish.Select{{Name: "hello"}}
	return []crash{
		{"include", include, Task{Include: &two}, first, second},
		{"rollback", both, Task{Change: &publish.Change{Kind: publish.Rollback, Codename: "alpha", Serial: 2}}, second, first},
		{"remove", include, Task{Change: &publish.Change{Kind: publish.Remove, Codename: "alpha", Select: hello}}, first, "[]"},
		{"promote", elsewhere, Task{Change: &publish.Change{Kind: publish.Promote, Codename: "alpha", From: "beta", Select: hello}}, first, second},
		{"resign", include, Task{Resign: "alpha"}, first, first},
		{"refresh", both, Task{Refresh: 100 * 365 * 24 * time.Hour}, second, second},
	}
}

// testKilled kills the process before each of its changes on disk, in turn: clients see the state before or
// that after, the next Open repairs what is unfinished, and doing the same again finishes it.
func testKilled(t *testing.T, f *fixture) {
	one, two := f.upload(t, "hello", "1.0-1", "amd64", "all"), f.upload(t, "hello", "1.0-2", "amd64", "all")
	for _, c := range crashes(one, two) {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && c.name != "promote" {
				t.Skip("takes long")
			}
			t.Parallel()
			f := &fixture{Adapter: f.Adapter, suites: f.suites, packages: t.TempDir()}
			finished, n := false, 1
			for ; !finished; n++ {
				finished = f.killed(t, c, n)
			}
			if n < 8 {
				t.Errorf("only %d changes on disk", n)
			}
		})
	}
}

// killed does a task that is killed before its n-th change on disk.
func (f *fixture) killed(t *testing.T, c crash, n int) (finished bool) {
	f.dir = t.TempDir()
	repo := f.open(t)
	c.prepare(t, repo, f)
	if err := repo.Close(); err != nil {
		t.Fatal(err)
	}
	finished = f.Crash(t, f.dir, f.suites, c.task, n)
	if seen := fmt.Sprint(f.consistent(t, "alpha")[amd64]); seen != c.before && seen != c.after {
		t.Errorf("killed at %d: clients see %s", n, seen)
	}
	repo = f.open(t)
	f.consistent(t, "beta")
	before := fmt.Sprint(f.consistent(t, "alpha")[amd64])
	if err := c.task.Do(t.Context(), repo); err != nil && !(errors.Is(err, publish.ErrUnknownPackage) && before == c.after) {
		t.Errorf("again after a kill at %d: %v", n, err)
	}
	if seen := fmt.Sprint(f.consistent(t, "alpha")[amd64]); seen != c.after {
		t.Errorf("killed at %d and done again: clients see %s", n, seen)
	}
	if c.task.Include != nil {
		f.kept(t, "hello_1.0-2_amd64.buildinfo", "Format: 1.0\n")
		f.lists(t, "alpha", sources, "hello 1.0-2")
	}
	if c.name == "promote" {
		f.lists(t, "beta", amd64)
	}
	if n%10 == 0 || finished {
		client := f.client(t, "alpha", "amd64")
		client.Must(t, "apt-get", "update")
		if c.after != "[]" {
			client.Must(t, "apt-get", "download", "hello", "hello-data")
		}
	}
	if err := repo.Close(); err != nil {
		t.Fatal(err)
	}
	return finished
}
