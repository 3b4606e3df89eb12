package podman

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/environment"
	"foundry/pkg/environment/podman/container"
	"foundry/pkg/message"
)

// tarball is a root file system of one file of size random bytes.
func tarball(t *testing.T, size int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	content := make([]byte, size)
	_, _ = rand.Read(content)
	if err := w.WriteHeader(&tar.Header{Name: "file", Mode: 0o644, Size: int64(size)}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// small makes an image of size bytes.
func (e *Engine) small(t *testing.T, size int) string {
	t.Helper()
	cmd := exec.Command("cat")
	cmd.Stdin = bytes.NewReader(tarball(t, size))
	id, makerErr, err := e.podman.Import(t.Context(), cmd, "amd64", "localhost/test:"+rand.Text(), false)
	if err := errors.Join(makerErr, err); err != nil {
		t.Fatal(err)
	}
	return id
}

// upper makes an image on top of another.
func (e *Engine) upper(t *testing.T, id string) string {
	t.Helper()
	if _, err := e.podman.Call(t.Context(), "create", "--name=upper", container.TrimID(id), "/bin/sh"); err != nil {
		t.Fatal(err)
	}
	out, err := e.podman.Call(t.Context(), "commit", "--quiet", "--change=LABEL a=b", "upper")
	if err != nil {
		t.Fatal(err)
	}
	if err := e.podman.Remove(t.Context(), "upper"); err != nil {
		t.Fatal(err)
	}
	return "sha256:" + string(bytes.TrimSpace(out))
}

// age sets a time of an image back.
func (e *Engine) age(t *testing.T, kind, id string, age time.Duration) {
	t.Helper()
	if err := e.index.Save(kind, container.TrimID(id), stamp{time.Now().Add(-age)}); err != nil {
		t.Fatal(err)
	}
}

// trimmed removes what can be removed some time ahead, for images are as old as they are.
func (e *Engine) trimmed(t *testing.T, ahead time.Duration, limit int64) []string {
	t.Helper()
	result, err := e.trim(t.Context(), time.Now().Add(ahead), limit)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(result.Removed)
	return result.Removed
}

// TestTrim removes what has not been used for longest, and nothing that is used or promised.
func TestTrim(t *testing.T) {
	e := openTest(t, otherCache(t))
	const mb = 1 << 20
	base, idle, busy, promise, recent := e.small(t, 4*mb), e.small(t, 3*mb), e.small(t, 2*mb), e.small(t, mb), e.small(t, mb)
	upper := e.upper(t, base)
	for n, id := range []string{base, upper, idle, busy, promise, recent} {
		e.age(t, used, id, -time.Duration(n+1)*time.Minute)
	}
	name := func(id string) string { return "environment " + container.TrimID(id) }
	want := func(got []string, ids ...string) {
		t.Helper()
		var names []string
		for _, id := range ids {
			names = append(names, name(id))
		}
		slices.Sort(names)
		if diff := cmp.Diff(names, got); diff != "" {
			t.Errorf("removed (-want +got)\n%s", diff)
		}
	}
	want(e.trimmed(t, 0, 0)) // all of it was made a moment ago
	const ahead = 2 * time.Hour
	e.age(t, promised, promise, 0)
	release, err := e.use(busy)
	if err != nil {
		t.Fatal(err)
	}
	e.age(t, used, busy, -time.Minute)
	e.age(t, used, recent, -ahead)
	all := int64(11 * mb)
	want(e.trimmed(t, ahead, all+mb))
	answer := message.Image{ID: base}
	if err := e.index.Save(answers, "a", answer); err != nil {
		t.Fatal(err)
	}
	if err := e.index.Save(answers, "b", message.Image{ID: promise}); err != nil {
		t.Fatal(err)
	}
	want(e.trimmed(t, ahead, all-mb), upper, base)
	if keys, err := e.index.Keys(answers); err != nil || len(keys) != 1 || keys[0] != "b" {
		t.Errorf("answers %v are remembered, %v", keys, err)
	}
	want(e.trimmed(t, ahead, 0), idle)
	release()
	want(e.trimmed(t, ahead, 0), busy)
	e.age(t, ran, promise, -time.Second)
	want(e.trimmed(t, ahead, 0), promise)
	if _, err := e.use(promise); !errors.Is(err, environment.ErrNoImage) {
		t.Errorf("error %v for an image that was removed", err)
	}
	if _, err := e.Run(t.Context(), environment.Run{Name: "gone", Image: message.Image{ID: base}, Script: "true"}); !errors.Is(err, environment.ErrNoImage) {
		t.Errorf("error %v for an image that was removed", err)
	}
	if !e.podman.HasImage(recent) {
		t.Error("the image that was used last is gone")
	}
}

// TestTrimTogether has a second process trim at the same time, and one remove while another uses.
func TestTrimTogether(t *testing.T) {
	dir := otherCache(t)
	e, other := openTest(t, dir), openTest(t, dir)
	id := e.small(t, 1<<10)
	unlock, free, err := e.index.TryLock("trim")
	if !free || err != nil {
		t.Fatal(free, err)
	}
	if got := other.trimmed(t, 9*time.Hour, 0); got != nil {
		t.Errorf("two trim at once: %v", got)
	}
	unlock()
	// The removal has the lock of the image, so nobody gets it any more.
	alone, free, err := e.index.TryLock(useLock(id))
	if !free || err != nil {
		t.Fatal(free, err)
	}
	if other.promise(id) {
		t.Error("an image is promised that is being removed")
	}
	alone()
	if !other.promise(id) {
		t.Error("an image that nobody removes is not promised")
	}
	if got := e.trimmed(t, 9*time.Hour, 0); got != nil {
		t.Errorf("a promise of another process does not count: %v", got)
	}
}

// TestTend keeps a folder within its limit until it is stopped.
func TestTend(t *testing.T) {
	e := openTest(t, otherCache(t))
	ctx, cancel := context.WithCancel(t.Context())
	volume := aptVolume + aptCache + "k"
	if _, err := e.podman.Call(t.Context(), "volume", "create", volume); err != nil {
		t.Fatal(err)
	}
	out, err := e.podman.Call(t.Context(), "volume", "inspect", "--format={{.Mountpoint}}", volume)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("truncate", "--size=5M", filepath.Join(string(bytes.TrimSpace(out)), "a.deb"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var log buffer
	gone := log.seen("downloads k")
	done := make(chan error, 1)
	go func() { done <- e.Tend(ctx, Upkeep{Limit: 1 << 20, Log: log.logger()}) }()
	select {
	case <-gone:
	case <-time.After(30 * time.Second):
		t.Fatal("nothing is removed")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if all, err := e.podman.Volumes(t.Context(), aptVolume); err != nil || len(all) > 0 {
		t.Errorf("volumes %v, %v", all, err)
	}
}
