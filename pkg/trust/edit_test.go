package trust_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"foundry/pkg/trust/trusttest"

	"foundry/pkg/trust"
)

func add(t *testing.T, dir, topic string, keys []byte) {
	t.Helper()
	if err := trust.Add(dir, topic, ring(t, keys)); err != nil {
		t.Fatal(err)
	}
}

func TestAddRemove(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trust")
	keys := map[string]*trust.Key{"bot": newKey(t, "bot"), "alice": newKey(t, "alice"), "bob": newKey(t, "bob")}
	if err := trust.Allow(dir, "builds", keys["bot"]); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"alice", "bob", "alice"} {
		add(t, dir, "builds", public(t, keys[name]))
	}
	expect := func(want ...string) {
		t.Helper()
		topics, err := trust.OpenTopics(dir)
		if err != nil {
			t.Fatal(err)
		}
		for name, key := range keys {
			err := topics.Verify("builds", []byte("x"), sign(t, key, []byte("x")), key.Fingerprint())
			if (err == nil) != slices.Contains(want, name) {
				t.Errorf("%s: %v, believed should be %q", name, err, want)
			}
		}
	}
	remove := func(name string) error { return trust.Remove(dir, "builds", keys[name].Fingerprint()) }
	expect("bot", "alice", "bob")
	if err := remove("alice"); err != nil {
		t.Fatal(err)
	}
	if err := remove("alice"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removing twice: %v", err)
	}
	expect("bot", "bob")
	if err := errors.Join(remove("bot"), remove("bob")); err != nil {
		t.Fatal(err)
	}
	expect()
	complains(t, trust.Add(dir, "../x", ring(t, public(t, keys["bot"]))), "cannot be a topic")
}

// Whoever adds and removes keys at once loses none.
func TestEditRace(t *testing.T) {
	dir := t.TempDir()
	gone := newKey(t, "gone")
	if err := trust.Allow(dir, "signs", gone); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		if err := trust.Remove(dir, "signs", gone.Fingerprint()); err != nil {
			t.Error(err)
		}
	})
	for range 8 {
		one := ring(t, public(t, newKey(t, "k")))
		all.Go(func() {
			if err := trust.Add(dir, "signs", one); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	kept, err := trust.ReadKeyring(filepath.Join(dir, "signs.asc"))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(kept.Fingerprints()); n != 8 || slices.Contains(kept.Fingerprints(), gone.Fingerprint()) {
		t.Errorf("%d keys are left", n)
	}
}

// A damaged keyring is neither repaired nor emptied.
func TestEditDamaged(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "signs.asc")
	if err := os.WriteFile(path, []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	complains(t, trust.Add(dir, "signs", ring(t, public(t, newKey(t, "k")))), path)
	if text, err := os.ReadFile(path); err != nil || string(text) != "damaged" {
		t.Errorf("it was replaced by %q (%v)", text, err)
	}
}

// A key whose expiry was moved is replaced by adding it again.
func TestAddRenewed(t *testing.T) {
	trusttest.GPGHome(t)
	print := gpgKey(t, "Alice <alice@example.org>")
	dir := t.TempDir()
	kept := func() trust.KeyInfo {
		t.Helper()
		add(t, dir, "committers", run(t, nil, "gpg", "--batch", "--export"))
		ring, err := trust.ReadKeyring(filepath.Join(dir, "committers.asc"))
		if err != nil {
			t.Fatal(err)
		}
		if len(ring.Keys()) != 1 {
			t.Fatalf("%d keys", len(ring.Keys()))
		}
		return ring.Keys()[0]
	}
	if k := kept(); k.Fingerprint != print || !k.Expires.IsZero() || k.Revoked || k.Name != "Alice <alice@example.org>" {
		t.Errorf("key: %+v", k)
	}
	run(t, nil, "gpg", "--batch", "--passphrase", "", "--pinentry-mode", "loopback", "--quick-set-expire", print, "400d")
	if left := time.Until(kept().Expires); left < 399*24*time.Hour || left > 401*24*time.Hour {
		t.Errorf("renewed key expires in %s", left)
	}
}
