package podman

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"foundry/pkg/environment"
)

// buffer is a log that can be read while it is written.
type buffer struct {
	mu   sync.Mutex
	data bytes.Buffer
	text string
	is   chan struct{}
}

func (b *buffer) logger() zerolog.Logger { return zerolog.New(b) }

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.data.Write(p)
	if b.is != nil && strings.Contains(b.data.String(), b.text) {
		close(b.is)
		b.is = nil
	}
	return len(p), nil
}

// seen is closed once text has been written.
func (b *buffer) seen(text string) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text, b.is = text, make(chan struct{})
	return b.is
}

// makerVariable makes the test binary make a base system, which TestMakerKilled kills it at.
const makerVariable = "FOUNDRY_TEST_MAKER"

func makeSystem(given string) int {
	cache, mirror, _ := strings.Cut(given, " ")
	e, err := Open(context.Background(), cache)
	if err != nil {
		return 3
	}
	p, err := e.plan(context.Background(), systemRequest(mirror))
	if err != nil {
		return 4
	}
	if _, _, err := e.base(context.Background(), p, os.Stdout); err != nil {
		return 5
	}
	return 0
}

func systemRequest(mirror string) environment.Request {
	return environment.Request{Base: environment.Base{Release: "a", Mirror: mirror}, Architecture: environment.HostArchitecture()}
}

// TestMakerKilled has two processes that need the same base system, of which the first is killed
// while it makes it: the second has waited and makes it.
func TestMakerKilled(t *testing.T) {
	dir := otherCache(t)
	e, m := openTest(t, dir), newMirror(t)
	m.serve("/dists/a/InRelease", "1")
	// That of the first process says who it is, and makes nothing.
	slow, pid := t.TempDir(), filepath.Join(t.TempDir(), "pid")
	script := "#!/bin/sh\necho $$ >" + pid + "\necho making >&2\nexec sleep 60\n"
	if err := os.WriteFile(filepath.Join(slow, "mmdebstrap"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	first := exec.Command(os.Args[0])
	first.Env = append(os.Environ(), "PATH="+slow+":"+os.Getenv("PATH"), makerVariable+"="+dir+" "+m.URL)
	stdout, err := first.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	for line := ""; line != "making\n"; {
		if line, err = lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	calls := fakeMmdebstrap(t)
	p, err := e.plan(t.Context(), systemRequest(m.URL))
	if err != nil {
		t.Fatal(err)
	}
	early, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, _, err := e.base(early, p, &buffer{}); !errors.Is(err, context.DeadlineExceeded) || calls() != 0 {
		t.Errorf("the second does not wait for the first: %v", err)
	}
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()
	made, release, err := e.base(t.Context(), p, &buffer{})
	if err != nil || calls() != 1 || !e.podman.HasImage(made.ID) {
		t.Fatalf("base %+v, made %d times, %v", made, calls(), err)
	}
	release()
	text, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	if left, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
		_ = syscall.Kill(left, syscall.SIGKILL) // it would end by itself, but later
	}
}

// fakeMmdebstrap puts one on the PATH that writes a small root file system and counts its calls; the
// rest of the path stays.
func fakeMmdebstrap(t *testing.T) (calls func() int) {
	t.Helper()
	dir := t.TempDir()
	system, count := filepath.Join(dir, "system.tar"), filepath.Join(dir, "calls")
	if err := os.WriteFile(system, tarball(t, 1<<10), 0o644); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\necho call >>" + count + "\ncat " + system + "\nhead -c 1000 /dev/urandom >>" + system + "\n"
	if err := os.WriteFile(filepath.Join(dir, "mmdebstrap"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func() int {
		data, _ := os.ReadFile(count)
		return bytes.Count(data, []byte("\n"))
	}
}

// TestRemake has a release change: the package at hand gets the base system that is there, which is
// made anew in the background, once and not too often, for the next.
func TestRemake(t *testing.T) {
	calls := fakeMmdebstrap(t)
	dir := otherCache(t)
	e, other := openTest(t, dir), openTest(t, dir)
	m := newMirror(t)
	request := systemRequest(m.URL)
	get := func() *base {
		t.Helper()
		p, err := e.plan(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		b, release, err := e.base(t.Context(), p, &buffer{})
		if err != nil {
			t.Fatal(err)
		}
		release()
		return b
	}
	m.serve("/dists/a/InRelease", "1")
	first := get()
	m.serve("/dists/a/InRelease", "2")
	if second := get(); second.ID != first.ID || calls() != 1 {
		t.Errorf("base %s instead of %s, made %d times", second.ID, first.ID, calls())
	}
	var log buffer
	e.grant(t.Context(), log.logger())
	if get().ID != first.ID || calls() != 1 {
		t.Error("a base that was just made is made anew")
	}
	aged := *first
	aged.Made = time.Now().Add(-2 * baseAge)
	if err := e.index.Save(bases, first.Key, aged); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for _, each := range []*Engine{e, other, e} {
		wait.Go(func() { each.grant(t.Context(), log.logger()) })
	}
	wait.Wait()
	if third := get(); third.ID == first.ID || third.Release == first.Release || calls() != 2 {
		t.Errorf("base %+v, made %d times\n%s", third, calls(), log.data.String())
	}
	if keys, err := e.index.Keys(wishes); err != nil || len(keys) > 0 {
		t.Errorf("wishes %v are left, %v", keys, err)
	}
	// One that cannot be made leaves the old one in use, and is not tried all the time.
	m.serve("/dists/a/InRelease", "3")
	made := get()
	aged.ID = made.ID
	if err := e.index.Save(bases, first.Key, aged); err != nil {
		t.Fatal(err)
	}
	m.serve("/dists/a/InRelease", "")
	for range 3 {
		e.grant(t.Context(), log.logger())
	}
	if n := strings.Count(log.data.String(), "the old one is used on"); n != 1 || calls() != 2 {
		t.Errorf("tried %d times, made %d times\n%s", n, calls(), log.data.String())
	}
	if !e.podman.HasImage(made.ID) {
		t.Error("the old one is gone")
	}
}

// files are what a mirror serves, by path; they can be changed.
type files struct {
	*httptest.Server
	mu   sync.Mutex
	data map[string]string
}

func newMirror(t *testing.T) *files {
	f := &files{data: map[string]string{}}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		content, found := f.data[r.URL.Path]
		if !found {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(content))
	}))
	t.Cleanup(f.Close)
	return f
}

// serve serves a file, or no longer if it is empty.
func (f *files) serve(path, content string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.data[path] = content
	if content == "" {
		delete(f.data, path)
	}
}
