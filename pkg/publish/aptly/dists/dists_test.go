package dists

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"foundry/pkg/publish/aptly/disk"
	"foundry/pkg/publish/aptly/metadata"
	"foundry/pkg/publish/index"
)

// indexes makes the plain and the compressed form of an index of that size.
func indexes(t *testing.T, name string, size int) (list []metadata.Index) {
	t.Helper()
	f := index.New(1).With([]index.Change{{Key: "a", Text: bytes.Repeat([]byte("a"), size)}})
	outputs, err := f.Build(t.Context(), []index.Form{index.Plain, index.Gzip})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range outputs {
		list = append(list, metadata.Index{Path: name + string(o.Form), Output: o})
	}
	return list
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// TestLargeIndexes leaves the plain form of a large index out, and links what has not changed.
func TestLargeIndexes(t *testing.T) {
	root := t.TempDir()
	var dirty disk.Dirty
	steps := 0
	f, err := New(root, "alpha", &dirty, func(string) { steps++ })
	if err != nil {
		t.Fatal(err)
	}
	list := append(indexes(t, "main/source/Sources", 3), indexes(t, "main/binary-amd64/Packages", MaxPlain+1)...)
	if err := f.Write(1, list, metadata.Release{}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"main/source/Sources": true, "main/source/Sources.gz": true, "main/binary-amd64/Packages.gz": true, "main/binary-amd64/Packages": false,
	} {
		if got := there(filepath.Join(f.Generation(1), name)); got != want {
			t.Errorf("%s is there: %t, want %t", name, got, want)
		}
	}
	release := metadata.Release{Files: map[string]metadata.File{}}
	for _, i := range list {
		release.Files[i.Path] = metadata.File{Size: i.Size, SHA256: i.SHA256}
		hashed := filepath.Join(f.Generation(1), filepath.Dir(i.Path), "by-hash", "SHA256", i.SHA256)
		if there(hashed) != written(i) {
			t.Errorf("%s is there by its hash: %t", i.Path, !written(i))
		}
	}
	if err := f.Write(2, list, release); err != nil {
		t.Fatal(err)
	}
	one, err1 := os.Stat(filepath.Join(f.Generation(1), "main/source/Sources.gz"))
	two, err2 := os.Stat(filepath.Join(f.Generation(2), "main/source/Sources.gz"))
	if err1 != nil || err2 != nil || !os.SameFile(one, two) {
		t.Errorf("%v, %v: what has not changed was written again", err1, err2)
	}
	if err := dirty.Sync(root); err != nil || steps == 0 {
		t.Errorf("%v after %d steps", err, steps)
	}
}

// TestExpiry keeps index files for a time after they were last listed, also over a restart, and removes
// what a killed process has left half written.
func TestExpiry(t *testing.T) {
	root := t.TempDir()
	var dirty disk.Dirty
	open := func() *Folder {
		t.Helper()
		f, err := New(root, "alpha", &dirty, func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := open()
	list := indexes(t, "main/source/Sources", 3)
	if err := f.Write(1, list, metadata.Release{}); err != nil {
		t.Fatal(err)
	}
	old := f.hashed(list[0].Path, list[0].SHA256)
	half := filepath.Join(filepath.Dir(old), ".new-123")
	if err := os.WriteFile(half, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	listed := map[string]metadata.File{list[0].Path: {Size: list[0].Size, SHA256: list[0].SHA256}}
	now := time.Now().Truncate(time.Second)
	if err := f.Listed(now, time.Hour, nil, listed); err != nil || !there(old) {
		t.Fatalf("%v; the file is there: %t", err, there(old))
	}
	f = open()
	if there(half) {
		t.Error("half a file is still there")
	}
	if err := f.Listed(now.Add(time.Hour), time.Hour, nil, nil); err != nil || !there(old) {
		t.Fatalf("%v; the file is there after an hour: %t", err, there(old))
	}
	if err := f.Listed(now.Add(time.Hour+time.Second), time.Hour, nil, nil); err != nil || there(old) {
		t.Fatalf("%v; the file is there after more than an hour: %t", err, there(old))
	}
	// What a publish that failed has written is never listed.
	if err := f.Write(2, list, metadata.Release{}); err != nil || !there(old) {
		t.Fatalf("%v; the file is written: %t", err, there(old))
	}
	if err := f.Listed(now.Add(2*time.Hour), time.Hour, nil, nil); err != nil || there(old) {
		t.Errorf("%v; the file of a failed publish is there after more than an hour: %t", err, there(old))
	}
}

// TestTooMuch removes replaced indexes before their time where they take too much, but none that a client may be
// fetching.
func TestTooMuch(t *testing.T) {
	var dirty disk.Dirty
	f, err := New(t.TempDir(), "alpha", &dirty, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	f.most = 2500
	now := time.Now()
	var before map[string]metadata.File
	var hashed []string
	for n := range 6 {
		list := indexes(t, "main/source/Sources", 1000+n)[:1]
		if err := f.Write(uint64(n+1), list, metadata.Release{}); err != nil {
			t.Fatal(err)
		}
		listed := map[string]metadata.File{list[0].Path: {Size: list[0].Size, SHA256: list[0].SHA256}}
		if err := f.Listed(now.Add(time.Duration(n)*10*time.Minute), 24*time.Hour, listed, before); err != nil {
			t.Fatal(err)
		}
		before, hashed = listed, append(hashed, f.hashed(list[0].Path, list[0].SHA256))
	}
	// It is the 50th minute. Replaced were five, in the minutes 10 to 50; two of them may stay, and those
	// of the last half hour in any case.
	for n, want := range []bool{false, true, true, true, true, true} {
		if got := there(hashed[n]); got != want {
			t.Errorf("index of minute %d is there: %t, want %t", n*10, got, want)
		}
	}
}
