package trust_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"foundry/pkg/trust/trusttest"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/trust"
)

// release is what apt's metadata look like, with lines that clearsigning has to escape.
const release = "Origin: example\nSuite: stable\nDate: Fri, 20 Nov 2026 23:15:01 UTC\nSHA256:\n " +
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/binary-amd64/Packages\n- dash\nFrom x\n"

func signers(t *testing.T) map[string]trust.Signer {
	t.Helper()
	trusttest.GPGHome(t)
	path := filepath.Join(t.TempDir(), "repository.asc")
	if err := newKey(t, "repository").Save(path); err != nil {
		t.Fatal(err)
	}
	specs := map[string]string{"file": path, "gpg": gpgKey(t, "Example Archive <archive@example.org>")}
	// a key as people have it who sign with a subkey on a smartcard
	certifier := gpgKey(t, "subkey <subkey@example.org>")
	run(t, nil, "gpg", "--batch", "--passphrase", "", "--quick-add-key", certifier, "ed25519", "sign", "0")
	specs["gpg subkey"] = "subkey@example.org"
	all := make(map[string]trust.Signer)
	for name, spec := range specs {
		signer, err := trust.OpenSigner(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = signer
	}
	return all
}

func TestSignaturesAreBelievedByApt(t *testing.T) {
	tool(t, "gpgv", "gpgv")
	tool(t, "sqv", "sqv")
	for name, signer := range signers(t) {
		t.Run(name, func(t *testing.T) { believed(t, signer) })
	}
}

// believed checks what signer makes with gpgv, which apt of Debian 12 uses, with sqv, which apt of
// Debian 13 uses, and with Keyring.
func believed(t *testing.T, signer trust.Signer) {
	dir := t.TempDir()
	path := func(name string, data []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	public, err := signer.Public()
	if err != nil {
		t.Fatal(err)
	}
	armored := path("key.asc", public)
	keyring := path("key.gpg", run(t, public, "gpg", "--dearmor"))
	data := path("Release", []byte(release))
	r, err := trust.ReadKeyring(armored)
	if err != nil {
		t.Fatal(err)
	}
	for kind, f := range map[string]func(context.Context, []byte) ([]byte, error){
		"Release.gpg": signer.Detach, "Release.sig": signer.DetachBinary,
	} {
		signature, err := f(t.Context(), []byte(release))
		if err != nil {
			t.Fatal(err)
		}
		if armor := bytes.HasPrefix(signature, []byte("-----BEGIN")); armor != (kind == "Release.gpg") {
			t.Errorf("%s: armored %v", kind, armor)
		}
		file := path(kind, signature)
		run(t, nil, "gpgv", "--keyring", keyring, file, data)
		run(t, nil, "sqv", "--keyring", armored, file, data)
		print, err := r.Verify([]byte(release), signature)
		if err != nil || print != signer.Fingerprint() {
			t.Errorf("%s: %s, %v; want key %s", kind, print, err, signer.Fingerprint())
		}
	}
	signed, err := signer.Clearsign(t.Context(), []byte(release))
	if err != nil {
		t.Fatal(err)
	}
	got := run(t, nil, "gpgv", "--keyring", keyring, "--output", "-", path("InRelease", signed))
	if diff := cmp.Diff(release, string(got)); diff != "" {
		t.Errorf("gpgv reads other bytes than were signed:\n%s", diff)
	}
	plain, print, err := r.VerifyClearsigned(signed)
	if err != nil || print != signer.Fingerprint() {
		t.Fatalf("clearsigned: %s, %v", print, err)
	}
	if diff := cmp.Diff(release, string(plain)); diff != "" {
		t.Error(diff)
	}
}

func TestSignersMayBeUsedConcurrently(t *testing.T) {
	for name, signer := range signers(t) {
		t.Run(name, func(t *testing.T) {
			var group sync.WaitGroup
			for range 3 {
				group.Go(func() {
					if _, err := signer.Clearsign(t.Context(), []byte(release)); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
		})
	}
}

func TestOpenSignerRefuses(t *testing.T) {
	trusttest.GPGHome(t)
	gpgKey(t, "Twin <one@example.org>")
	gpgKey(t, "Twin <two@example.org>", "--yes")
	loose := filepath.Join(t.TempDir(), "key")
	if err := newKey(t, "a").Save(loose); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(loose, 0o644); err != nil {
		t.Fatal(err)
	}
	for spec, want := range map[string]string{
		"":                   "no key given",
		"/nonexistent/key":   "no such file",
		"nobody@example.org": "neither a file nor a key that gpg knows",
		"Twin":               "gpg knows 2 such keys",
		"--version":          "neither a file nor a key that gpg knows",
		loose:                "others may use the private key",
	} {
		_, err := trust.OpenSigner(t.Context(), spec)
		complains(t, err, want)
	}
	_, err := trust.OpenSigner(t.Context(), "Twin")
	hints(t, err, "give the fingerprint of one")
}

// TestPassphrase signs with a key whose passphrase nobody can be asked for, then with one that the agent knows.
func TestPassphrase(t *testing.T) {
	trusttest.GPGHome(t)
	preset := tool(t, "/usr/lib/gnupg/gpg-preset-passphrase", "gpg-agent")
	if err := os.WriteFile(filepath.Join(os.Getenv("GNUPGHOME"), "gpg-agent.conf"), []byte("allow-preset-passphrase\ns2k-count 65536\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, nil, "gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "secret",
		"--quick-generate-key", "Locked <locked@example.org>", "ed25519", "sign", "0")
	run(t, nil, "gpgconf", "--kill", "gpg-agent") // forgets the passphrase
	s := signer(t, "locked@example.org")
	_, err := s.Detach(t.Context(), []byte(release))
	complains(t, err, "signing failed")
	hints(t, err, "gpg-preset-passphrase")
	list := string(run(t, nil, "gpg", "--batch", "--with-colons", "--with-keygrip", "--list-secret-keys"))
	_, list, _ = strings.Cut(list, "\ngrp:::::::::")
	grip, _, _ := strings.Cut(list, ":")
	run(t, []byte("secret"), preset, "--preset", grip)
	if _, err := s.Detach(t.Context(), []byte(release)); err != nil {
		t.Error(err)
	}
	if err := os.RemoveAll(filepath.Join(os.Getenv("GNUPGHOME"), "private-keys-v1.d")); err != nil {
		t.Fatal(err)
	}
	run(t, nil, "gpgconf", "--kill", "gpg-agent")
	_, err = s.Detach(t.Context(), []byte(release))
	hints(t, err, "gpg --card-status")
}

func TestSigningEndsWithItsContext(t *testing.T) {
	for name, signer := range signers(t) {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := signer.Clearsign(ctx, []byte(release)); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want context.Canceled", err)
			}
		})
	}
}

func TestMissingGpgIsNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := trust.OpenSigner(t.Context(), "somebody@example.org")
	complains(t, err, "gpg is not installed")
	hints(t, err, "apt-get install gnupg")
}

func TestEmptyTextIsSigned(t *testing.T) {
	for name, signer := range signers(t) {
		for _, text := range []string{"", "\n", "no newline", "trailing  \nspace\t\n", "\r\n"} {
			signed, err := signer.Clearsign(t.Context(), []byte(text))
			if err != nil {
				t.Errorf("%s: sign %q: %v", name, text, err)
				continue
			}
			public, err := signer.Public()
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := ring(t, public).VerifyClearsigned(signed); err != nil {
				t.Errorf("%s: verify %q: %v", name, text, err)
			}
		}
	}
}
