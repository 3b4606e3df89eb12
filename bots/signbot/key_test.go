package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"foundry/pkg/trust/trusttest"

	"github.com/rs/zerolog"

	"foundry/pkg/bot"
	"foundry/pkg/trust"
)

func newBot(t *testing.T) *bot.Bot {
	t.Helper()
	return &bot.Bot{Log: zerolog.Nop(), Settings: bot.Settings{State: t.TempDir()}}
}

// TestKeyIsMade opens the key of an empty state folder: it is made, kept and trusted.
func TestKeyIsMade(t *testing.T) {
	b := newBot(t)
	first, err := openKey(t.Context(), b, "")
	if err != nil {
		t.Fatal(err)
	}
	again, err := openKey(t.Context(), b, "")
	if err != nil {
		t.Fatal(err)
	}
	if first.Fingerprint() != again.Fingerprint() {
		t.Error("the second start made another key")
	}
	trusted(t, b, first.Fingerprint())
	// Who has taken the key out of the keyring has meant it.
	if err := trust.Remove(b.Path("trust"), "packages", first.Fingerprint()); err != nil {
		t.Fatal(err)
	}
	if _, err := openKey(t.Context(), b, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(b.Path("trust", "packages.asc")); err == nil {
		t.Error("the key is trusted again")
	}
}

func trusted(t *testing.T, b *bot.Bot, print string) {
	t.Helper()
	ring, err := trust.ReadKeyring(b.Path("trust", "packages.asc"))
	if err != nil {
		t.Fatal(err)
	}
	if got := ring.Fingerprints(); len(got) != 1 || got[0] != print {
		t.Errorf("trusted are %v, not %s", got, print)
	}
}

// TestGpgKey uses a key that gpg holds, by its user id.
func TestGpgKey(t *testing.T) {
	trusttest.GPGHome(t)
	if out, err := exec.Command("gpg", "--batch", "--passphrase", "", "--quick-generate-key", "packages@example.org", "ed25519", "sign").CombinedOutput(); err != nil {
		t.Fatalf("gpg (apt-get install gnupg): %v: %s", err, out)
	}
	b := newBot(t)
	if err := os.MkdirAll(b.Path("keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	f := newFixture(t)
	var err error
	if f.signer, err = openKey(t.Context(), b, "packages@example.org"); err != nil {
		t.Fatal(err)
	}
	trusted(t, b, f.signer.Fingerprint())
	if f.ring, err = trust.ReadKeyring(b.Path("trust", "packages.asc")); err != nil {
		t.Fatal(err)
	}
	sign, err := f.do(t)
	if err != nil {
		t.Fatal(err)
	}
	f.checkText(t, sign.SourceFiles[0])
	f.checkText(t, sign.Files[len(sign.Files)-1])
}

func TestMissingKey(t *testing.T) {
	for _, spec := range []string{filepath.Join(t.TempDir(), "absent.asc"), "0123456789ABCDEF0123456789ABCDEF01234567"} {
		_, err := openKey(t.Context(), newBot(t), spec)
		if err == nil || !strings.Contains(err.Error(), spec) || !strings.Contains(bot.HintOf(err), "--gpg-key") {
			t.Errorf("%v (%s), want an error that names the key, and a hint", err, bot.HintOf(err))
		}
	}
}
