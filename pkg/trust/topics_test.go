package trust_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"foundry/pkg/trust/trusttest"

	"foundry/pkg/trust"
)

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

func open(t testing.TB, dir string) *trust.Topics {
	t.Helper()
	topics, err := trust.OpenTopics(dir)
	if err != nil {
		t.Fatal(err)
	}
	return topics
}

func allow(t testing.TB, dir, topic string, key *trust.Key) {
	t.Helper()
	if err := trust.Allow(dir, topic, key); err != nil {
		t.Fatal(err)
	}
}

func TestTopicsVerify(t *testing.T) {
	dir := t.TempDir()
	builder, signer := newKey(t, "buildbot"), newKey(t, "signbot")
	allow(t, dir, "builds", builder)
	allow(t, dir, "signs", signer)
	topics := open(t, dir)
	payload := []byte(`{"topic":"builds"}`)
	good := sign(t, builder, payload)
	print := builder.Fingerprint()
	tests := map[string]struct {
		topic              string
		payload, signature []byte
		signer             string
		want               string // empty for none
	}{
		"good":                {"builds", payload, good, print, ""},
		"key of other topic":  {"signs", payload, good, print, "key " + print + " may not speak on signs"},
		"claims another":      {"builds", payload, sign(t, signer, payload), print, "signed by unknown key"},
		"signed by another":   {"builds", payload, sign(t, signer, payload), signer.Fingerprint(), "may not speak on builds"},
		"no keyring":          {"dists", payload, good, print, "no keys may speak on dists"},
		"altered":             {"builds", append(bytes.Clone(payload), ' '), good, print, "signature does not match"},
		"line ends":           {"builds", []byte("{}\n"), good, print, "signature does not match"},
		"no signature":        {"builds", payload, nil, print, "no signature"},
		"two signatures":      {"builds", payload, append(bytes.Clone(good), good...), print, "2 signatures"},
		"followed by more":    {"builds", payload, append(bytes.Clone(good), 0), print, "malformed"},
		"lower case":          {"builds", payload, good, strings.ToLower(print), "malformed"},
		"short":               {"builds", payload, good, print[24:], "malformed"},
		"escape in signer":    {"builds", payload, good, "\x1b[2J", "malformed"},
		"no signer":           {"builds", payload, good, "", "malformed"},
		"topic with slash":    {"../builds", payload, good, print, "no such topic"},
		"topic with dot":      {".", payload, good, print, "no such topic"},
		"empty topic":         {"", payload, good, print, "no such topic"},
		"topic in upper case": {"BUILDS", payload, good, print, "no such topic"},
		"huge topic":          {strings.Repeat("a", 1<<16), payload, good, print, "no such topic"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := topics.Verify(tt.topic, tt.payload, tt.signature, tt.signer)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			complains(t, err, tt.want)
			if untrusted := new(trust.UntrustedError); !errors.As(err, &untrusted) {
				t.Errorf("%T is no *UntrustedError", err)
			}
		})
	}
}

func TestTopicsRereadsWhatChanged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	topics := open(t, dir)
	key, other := newKey(t, "a"), newKey(t, "b")
	payload := []byte("x")
	signature := sign(t, key, payload)
	verify := func() error { return topics.Verify("builds", payload, signature, key.Fingerprint()) }
	complains(t, verify(), "no keys may speak")
	allow(t, dir, "builds", other)
	complains(t, verify(), "may not speak")
	allow(t, dir, "builds", key)
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "builds.asc")
	if err := os.WriteFile(path, []byte("half a key"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := verify()
	complains(t, err, "read keyring "+path)
	if untrusted := new(trust.UntrustedError); errors.As(err, &untrusted) {
		t.Error("an unreadable keyring is blamed on the message")
	}
	if err := os.WriteFile(path, public(t, other), 0o644); err != nil {
		t.Fatal(err)
	}
	complains(t, verify(), "may not speak")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	complains(t, verify(), "no keys may speak")
}

func TestAllowKeepsWhatIsThere(t *testing.T) {
	trusttest.GPGHome(t)
	a, b, c := newKey(t, "a"), newKey(t, "b"), newKey(t, "c")
	run(t, public(t, a), "gpg", "--batch", "--quiet", "--import")
	for name, content := range map[string][]byte{
		"armored":        append([]byte("# key of a\n"), public(t, a)...),
		"no newline":     bytes.TrimSpace(public(t, a)),
		"binary":         run(t, nil, "gpg", "--export"),
		"empty":          nil,
		"only a newline": []byte("\n"),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "builds.asc")
			if err := os.WriteFile(path, content, 0o644); err != nil {
				t.Fatal(err)
			}
			for _, key := range []*trust.Key{b, a, c, b} {
				allow(t, dir, "builds", key)
			}
			r, err := trust.ReadKeyring(path)
			if err != nil {
				t.Fatal(err)
			}
			want := sorted([]string{a.Fingerprint(), b.Fingerprint(), c.Fingerprint()})
			if got := sorted(r.Fingerprints()); !slices.Equal(got, want) {
				t.Errorf("keys %v, want %v", got, want)
			}
		})
	}
}

func TestAllowRefuses(t *testing.T) {
	key := newKey(t, "a")
	for _, topic := range []string{"", "..", "a/b", "A", "-x"} {
		if err := trust.Allow(t.TempDir(), topic, key); err == nil {
			t.Errorf("topic %q was taken", topic)
		}
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "builds.asc")
	if err := os.WriteFile(path, []byte("precious notes"), 0o644); err != nil {
		t.Fatal(err)
	}
	complains(t, trust.Allow(dir, "builds", key), "read keyring")
	if data, _ := os.ReadFile(path); string(data) != "precious notes" {
		t.Errorf("file was replaced by %q", data)
	}
}

func TestAllowIsSafeInARace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trust")
	var group sync.WaitGroup
	var want []string
	for i := range 8 {
		key := newKey(t, fmt.Sprintf("bot-%d", i))
		want = append(want, key.Fingerprint())
		group.Go(func() {
			if err := trust.Allow(dir, "builds", key); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	r, err := trust.ReadKeyring(filepath.Join(dir, "builds.asc"))
	if err != nil {
		t.Fatal(err)
	}
	if got := sorted(r.Fingerprints()); !slices.Equal(got, sorted(want)) {
		t.Errorf("%d keys in the file, want %d", len(got), len(want))
	}
}

func TestOpenTopicsRefusesAFile(t *testing.T) {
	_, err := trust.OpenTopics(write(t, nil))
	complains(t, err, "is not a folder")
}

func BenchmarkTopicsVerify(b *testing.B) {
	for _, keys := range []int{1, 200} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			dir := b.TempDir()
			var key *trust.Key
			var file []byte
			for range keys {
				key = newKey(b, "buildbot")
				file = append(file, public(b, key)...)
			}
			if err := os.WriteFile(filepath.Join(dir, "builds.asc"), file, 0o644); err != nil {
				b.Fatal(err)
			}
			topics := open(b, dir)
			payload := bytes.Repeat([]byte("x"), 1500)
			signature := sign(b, key, payload)
			for b.Loop() {
				if err := topics.Verify("builds", payload, signature, key.Fingerprint()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
