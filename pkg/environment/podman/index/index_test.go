package index

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestValues(t *testing.T) {
	dir := t.TempDir()
	f, err := Open(dir, "kind")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]int
	if f.Load("kind", "a", &got) {
		t.Error("a value that nobody has saved")
	}
	if err := f.Save("kind", "a", map[string]int{"x": 7}); err != nil {
		t.Fatal(err)
	}
	if !f.Load("kind", "a", &got) || got["x"] != 7 {
		t.Errorf("value %v", got)
	}
	// What a process that was killed leaves is no value.
	for name, content := range map[string]string{"b.json": `{"x":`, ".new-1": `{"x":1}`} {
		if err := os.WriteFile(filepath.Join(dir, "kind", name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if f.Load("kind", "b", &got) {
		t.Error("half a value is one")
	}
	if keys, err := f.Keys("kind"); err != nil || len(keys) != 2 || keys[0] != "a" || keys[1] != "b" {
		t.Errorf("keys %v, %v", keys, err)
	}
	for range 2 {
		if err := f.Forget("kind", "a"); err != nil || f.Load("kind", "a", &got) {
			t.Errorf("forgotten: %v", err)
		}
	}
}

func TestLocks(t *testing.T) {
	f, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	try := func(take func(string) (func(), bool, error), want bool) func() {
		t.Helper()
		unlock, free, err := take("a")
		if err != nil || free != want {
			t.Errorf("free %v, %v; want %v", free, err, want)
		}
		return unlock
	}
	first, second := try(f.TryShare, true), try(f.TryShare, true)
	try(f.TryLock, false)()
	first()
	try(f.TryLock, false)()
	second()
	alone := try(f.TryLock, true)
	try(f.TryShare, false)()
	try(f.TryLock, false)()
	ctx, cancel := context.WithTimeout(t.Context(), 2*lockPoll)
	defer cancel()
	if _, err := f.Lock(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v of a lock that another holds", err)
	}
	timer := time.AfterFunc(lockPoll, alone)
	defer timer.Stop()
	unlock, err := f.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}
