package trust_test

import (
	"bytes"
	"testing"

	"foundry/pkg/trust/trusttest"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/trust"
)

// TestExport writes a key of several user ids and a subkey, always as the same bytes, for gpg to read.
func TestExport(t *testing.T) {
	trusttest.GPGHome(t)
	print := gpgKey(t, "One <one@example.org>")
	for _, id := range []string{"Two <two@example.org>", "Three <three@example.org>", "Four <four@example.org>"} {
		run(t, nil, "gpg", "--batch", "--quiet", "--passphrase", "", "--quick-add-uid", print, id)
	}
	run(t, nil, "gpg", "--batch", "--quiet", "--passphrase", "", "--quick-add-key", print, "ed25519", "sign", "0")
	exported, extra := run(t, nil, "gpg", "--export", print), newKey(t, "extra")
	first, err := trust.Merge(ring(t, exported), ring(t, public(t, extra)), nil, ring(t, exported)).Binary()
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		again, err := trust.Merge(ring(t, exported), ring(t, public(t, extra))).Binary()
		if err != nil || !bytes.Equal(first, again) {
			t.Fatalf("the same keys are other bytes: %v", err)
		}
	}
	trusttest.GPGHome(t)
	run(t, first, "gpg", "--batch", "--quiet", "--import")
	if got := run(t, nil, "gpg", "--export", print); len(got) != len(exported) {
		t.Errorf("gpg reads %d bytes of the key, and has written %d", len(got), len(exported))
	}
	all := ring(t, first)
	if diff := cmp.Diff([]string{print, extra.Fingerprint()}, all.Fingerprints()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{extra.Fingerprint()}, all.Without(print).Fingerprints()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{print}, all.Only(print).Fingerprints()); diff != "" || len(all.Only("none").Fingerprints()) != 0 {
		t.Error(diff)
	}
	if ids := all.SigningIDs(print); len(ids) != 2 || ids[0] != print[24:] {
		t.Errorf("signatures bear %v", ids)
	}
}

// FuzzParseKeyring writes what it can read, and reads the same from it.
func FuzzParseKeyring(f *testing.F) {
	a, b := public(f, newKey(f, "a")), public(f, newKey(f, "b"))
	f.Add(a)
	f.Add(append(a, b...))
	f.Add([]byte("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END"))
	if binary, err := ring(f, a, b).Binary(); err == nil {
		f.Add(binary)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := trust.ParseKeyring(data)
		if err != nil {
			return
		}
		armored, err := r.Armored()
		if err != nil {
			t.Fatal(err)
		}
		again, err := trust.ParseKeyring(armored)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r.Fingerprints(), again.Fingerprints()); diff != "" {
			t.Error(diff)
		}
		for _, k := range r.Keys() {
			r.SigningIDs(k.Fingerprint)
		}
	})
}
