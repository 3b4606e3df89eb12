// Package targettest is the contract suite of foundry/pkg/publish/target: what every place must do that a repository is
// copied to.
package targettest

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/publish/target"
)

// An Adapter makes targets of the kind under test.
type Adapter struct {
	// Open returns a target that is empty. What follows is about the one that was opened last.
	Open func(t testing.TB) target.Target
	// Read returns a file as clients get it; ok is false where there is none.
	Read func(t testing.TB, name string) (content []byte, ok bool)
	// Refuse makes the target refuse to be written to, and returns what ends that.
	Refuse func(t testing.TB) (end func())
}

// odd are names that URLs and shells read otherwise.
var odd = []string{
	"pool/main/libf/libfoo++1/libfoo++1_2.0~rc1+git1-1~deb12u0_amd64.deb", "pool/main/0/0ad/0ad_0.0.26-3.dsc",
	"dists/a~b+c/main/Contents-amd64.gz", "pool/main/p/p/p_1%2b.deb", "pool/main/ü/ü/ü_1_all.deb", "index.html",
}

// Run runs the suite.
func Run(t *testing.T, a Adapter) {
	for name, run := range map[string]func(*testing.T, Adapter){
		"put": testPut, "replace": testReplace, "remove": testRemove, "whole": testWhole, "refused": testRefused, "gone": testGone,
	} {
		t.Run(name, func(t *testing.T) { run(t, a) })
	}
}

// files writes files of the given content and returns them.
func files(t testing.TB, content string, names ...string) (list []target.File) {
	t.Helper()
	dir := t.TempDir()
	for i, name := range names {
		path := filepath.Join(dir, string(rune('a'+i)))
		if err := os.WriteFile(path, []byte(content+name), 0o644); err != nil {
			t.Fatal(err)
		}
		list = append(list, target.File{Name: name, Path: path})
	}
	return list
}

func list(t testing.TB, to target.Target) map[string]int64 {
	t.Helper()
	there, err := to.List(t.Context())
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	return there
}

func put(t testing.TB, to target.Target, content string, names ...string) {
	t.Helper()
	if err := to.Put(t.Context(), files(t, content, names...)); err != nil {
		t.Fatalf("put: %v", err)
	}
}

func testPut(t *testing.T, a Adapter) {
	to := a.Open(t)
	if there := list(t, to); len(there) > 0 {
		t.Fatalf("an empty target has %v", there)
	}
	put(t, to, "content of ", odd...)
	want := map[string]int64{}
	for _, name := range odd {
		want[name] = int64(len("content of " + name))
		if got, ok := a.Read(t, name); !ok || string(got) != "content of "+name {
			t.Errorf("%s: %q, %v", name, got, ok)
		}
	}
	if diff := cmp.Diff(want, list(t, to)); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	if text := to.String(); text == "" || strings.Contains(text, "secret") {
		t.Errorf("name of the target: %q", text)
	}
}

func testReplace(t *testing.T, a Adapter) {
	to := a.Open(t)
	for _, content := range []string{"one", "two", "two", "three is longer"} { // the same size, the same, another
		put(t, to, content, "dists/x/InRelease")
		if got, _ := a.Read(t, "dists/x/InRelease"); string(got) != content+"dists/x/InRelease" {
			t.Errorf("after %q: %q", content, got)
		}
	}
}

func testRemove(t *testing.T, a Adapter) {
	to := a.Open(t)
	put(t, to, "", odd...)
	put(t, to, "", "foreign/file")
	if err := to.Remove(t.Context(), append(slices.Clone(odd[1:]), "pool/never/there")); err != nil {
		t.Fatalf("remove: %v", err)
	}
	if diff := cmp.Diff([]string{"foreign/file", odd[0]}, slices.Sorted(maps.Keys(list(t, to)))); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
}

// testWhole reads a file all the time while it is replaced.
func testWhole(t *testing.T, a Adapter) {
	to := a.Open(t)
	contents := map[string]bool{}
	var all []string
	for _, c := range "abcd" {
		content := strings.Repeat(string(c), 300_000+int(c)*1000)
		all, contents[content+"dists/x/InRelease"] = append(all, content), true
	}
	put(t, to, all[0], "dists/x/InRelease")
	done := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		for reads := 0; ; reads++ {
			if got, ok := a.Read(t, "dists/x/InRelease"); !ok || !contents[string(got)] {
				t.Errorf("read %d bytes (%v), which is none of the contents", len(got), ok)
				return
			}
			select {
			case <-done:
				if reads > 0 {
					return
				}
			default:
			}
		}
	})
	for _, content := range all {
		put(t, to, content, "dists/x/InRelease")
	}
	close(done)
	reading.Wait()
}

func testRefused(t *testing.T, a Adapter) {
	to := a.Open(t)
	put(t, to, "first ", "dists/x/InRelease")
	end := a.Refuse(t)
	err := to.Put(t.Context(), files(t, "second ", "dists/x/InRelease"))
	hinted, ok := err.(interface{ Hint() string })
	if err == nil || !ok || hinted.Hint() == "" {
		t.Errorf("put where nothing may be written: %v, want an error with a hint", err)
	}
	end()
	if got, _ := a.Read(t, "dists/x/InRelease"); string(got) != "first dists/x/InRelease" {
		t.Errorf("after a refusal: %q", got)
	}
	put(t, to, "third ", "dists/x/InRelease")
}

// testGone puts a file that is not there, as when a newer state has replaced it.
func testGone(t *testing.T, a Adapter) {
	to := a.Open(t)
	gone := files(t, "", "pool/a", "pool/b")
	if err := os.Remove(gone[1].Path); err != nil {
		t.Fatal(err)
	}
	if err := to.Put(t.Context(), gone); err == nil {
		t.Error("a file that is not there was put")
	}
	if _, ok := a.Read(t, "pool/b"); ok {
		t.Error("the target has a file that never was")
	}
}
