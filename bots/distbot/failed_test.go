package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"foundry/pkg/bot"
	"foundry/pkg/message"
)

// refuseOne has f refuse a build, and returns the failure.
func refuseOne(t *testing.T, f *fixture, context string, s *message.Sign) *bot.Failure {
	t.Helper()
	m := &message.Message{Context: context, ID: message.MakeID(message.Signs, message.TypeSign, "", context)}
	_, err := f.do(t.Context(), &bot.Job{Bot: f.Bot, Message: m, Body: s, Log: zerolog.Nop(), Dir: t.TempDir()})
	var failure *bot.Failure
	if !errors.As(err, &failure) {
		t.Fatalf("%v, want a failure", err)
	}
	return failure
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// newFailingFixture is a distbot that keeps what it refuses, and trusts no key that signs.
func newFailingFixture(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	f.trustKey(t, newKey(t))
	f.failed = &failed{dir: f.Path("failed", "test"), age: time.Hour, bytes: 1 << 20, store: f.store, log: zerolog.Nop()}
	return f
}

// TestRefusedBuildIsKept finds all of a refused build where the failure says, once, also after another try.
func TestRefusedBuildIsKept(t *testing.T) {
	f := newFailingFixture(t)
	s := f.sign(t, "1.0-1")
	dir := filepath.Join(f.failed.dir, "hello-20261120-231501-9f3c2a-bookworm-amd64")
	for range 2 {
		failure := refuseOne(t, f, "hello-20261120-231501-9f3c2a", s)
		if !strings.Contains(failure.Hint, "--trust-packages") || !strings.HasSuffix(failure.Hint, "the refused build is kept in "+dir) {
			t.Errorf("hint: %s", failure.Hint)
		}
	}
	want := []string{
		"hello_1.0-1.debian.tar.xz", "hello_1.0-1.dsc", "hello_1.0-1_amd64.buildinfo", "hello_1.0-1_amd64.changes",
		"hello_1.0-1_amd64.deb", "hello_1.0.orig.tar.xz", "message.json", "reason.txt",
	}
	if diff := cmp.Diff(want, names(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{filepath.Base(dir)}, names(t, f.failed.dir)); diff != "" {
		t.Errorf("folders (-want +got):\n%s", diff)
	}
	reason, err := os.ReadFile(filepath.Join(dir, "reason.txt"))
	if err != nil || !strings.HasPrefix(string(reason), "signature of hello_1.0-1_amd64.deb: ") || !strings.Contains(string(reason), "\nhint: if the key") {
		t.Errorf("%v, reason:\n%s", err, reason)
	}
	var m message.Message
	text, err := os.ReadFile(filepath.Join(dir, "message.json"))
	if err != nil || json.Unmarshal(text, &m) != nil || m.Context != "hello-20261120-231501-9f3c2a" {
		t.Errorf("%v, message:\n%s", err, text)
	}
}

// TestRefusedBuildIsHostile keeps what can be kept of builds that want to write elsewhere, or over what is said of them.
func TestRefusedBuildIsHostile(t *testing.T) {
	f := newFailingFixture(t)
	s := f.sign(t, "1.0-1")
	s.Files[0].Name = "../../" + s.Files[0].Name
	s.Files[1].Name = "reason.txt"
	s.SourceFiles = append(s.SourceFiles, message.Artifact{Name: "gone_1.0.tar.xz", Size: 3, SHA256: message.Digest(strings.Repeat("a", 64))})
	s.SourceFiles = append(s.SourceFiles, s.SourceFiles[0])
	long := strings.Repeat("../", 90) + strings.Repeat("x", 20) + "-1"
	refuseOne(t, f, long, s)
	dir := filepath.Join(f.failed.dir, folderOf(long, s))
	if !strings.HasSuffix(dir, "xxx-1-bookworm-amd64") || strings.Contains(dir, "..") {
		t.Errorf("folder %s", dir)
	}
	want := []string{"hello_1.0-1.debian.tar.xz", "hello_1.0-1.dsc", "hello_1.0-1_amd64.changes", "hello_1.0.orig.tar.xz", "message.json", "reason.txt"}
	if diff := cmp.Diff(want, names(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	reason, err := os.ReadFile(filepath.Join(dir, "reason.txt"))
	if err != nil || strings.Count(string(reason), "\nnot kept: ") != 3 {
		t.Errorf("%v, reason:\n%s", err, reason)
	}
}

// TestRefusedBuildsAreBounded lets the oldest go when there is too much, and all when they are old.
func TestRefusedBuildsAreBounded(t *testing.T) {
	f := newFailingFixture(t)
	s := f.sign(t, "1.0-1")
	refuseOne(t, f, "first", s)
	_, one := measure(filepath.Join(f.failed.dir, "first-bookworm-amd64"))
	f.failed.bytes = 2*one + one/2
	old := time.Now().Add(-time.Minute)
	if err := os.Chtimes(filepath.Join(f.failed.dir, "first-bookworm-amd64"), old, old); err != nil {
		t.Fatal(err)
	}
	refuseOne(t, f, "second", s)
	refuseOne(t, f, "third", s)
	if diff := cmp.Diff([]string{"second-bookworm-amd64", "third-bookworm-amd64"}, names(t, f.failed.dir)); diff != "" {
		t.Errorf("folders (-want +got):\n%s", diff)
	}
	f.failed.bytes = 1000 // less than the build: it is told of and not kept
	refuseOne(t, f, "fourth", s)
	if err := os.Mkdir(filepath.Join(f.failed.dir, newFolder+"1"), 0o755); err != nil { // as a killed process leaves it
		t.Fatal(err)
	}
	if err := f.failed.clean(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, f.failed.dir); len(got) > 1 {
		t.Errorf("folders: %v", got)
	}
	f.failed.age = 0
	if err := f.failed.clean(); err != nil || len(names(t, f.failed.dir)) > 0 {
		t.Errorf("%v, left: %v", err, names(t, f.failed.dir))
	}
}

// TestTroubleIsNotKept: what says nothing against a build leaves no copy of it.
func TestTroubleIsNotKept(t *testing.T) {
	f := newFailingFixture(t)
	f.trustKey(t, f.signer)
	if _, err := f.run(t, f.sign(t, "1.0-1")); err != nil {
		t.Fatal(err)
	}
	if got := names(t, f.failed.dir); len(got) > 0 {
		t.Errorf("kept: %v", got)
	}
}
