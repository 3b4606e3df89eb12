package main

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foundry/pkg/trust/trusttest"

	"github.com/rs/zerolog"

	"foundry/pkg/bot"
	"foundry/pkg/publish/publishtest"
	"foundry/pkg/trust"
)

// reopen opens the repository of f with other keys, as distbot does when it is started again, and lets it explain
// itself.
func (f *fixture) reopen(t *testing.T, keys ...string) {
	t.Helper()
	if err := f.repo.Close(); err != nil {
		t.Fatal(err)
	}
	f.settings.Keys = keys
	options, err := f.settings.Options(t.Context(), f.Bot)
	if err != nil {
		t.Fatal(err)
	}
	repo, err := f.settings.Open(t.Context(), f.Bot, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = repo.Close() })
	f.options, f.repo = options, repo
	if err := repo.ExplainOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestKeysChange takes a machine from one repository key to the next by nothing but the keyring package.
func TestKeysChange(t *testing.T) {
	f := newFixture(t)
	dir := t.TempDir()
	old, fresh := filepath.Join(dir, "old.asc"), filepath.Join(dir, "fresh.asc")
	for _, path := range []string{old, fresh} {
		if _, _, err := trust.LoadOrCreate(path, "repository"); err != nil {
			t.Fatal(err)
		}
	}
	f.reopen(t, old)
	if _, err := f.run(t, f.sign(t, "1.0-1")); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler(openRoot(t, f.output)))
	t.Cleanup(server.Close)
	keyring := filepath.Join(dir, "usr/share/keyrings/test-archive-keyring.gpg")
	if err := os.MkdirAll(filepath.Dir(keyring), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keyring, []byte(get(t, server.URL+"/test.gpg")), 0o644); err != nil {
		t.Fatal(err)
	}
	client := publishtest.NewClient(t, server.URL, "bookworm", "amd64", keyring)
	upgrade := func() {
		t.Helper()
		client.Must(t, "apt-get", "update")
		client.Must(t, "apt-get", "download", "test-archive-keyring")
		found, err := filepath.Glob(filepath.Join(client.Dir(), "test-archive-keyring_*.deb"))
		if err != nil || len(found) != 1 {
			t.Fatalf("keyring packages: %v, %v", found, err)
		}
		if out, err := exec.Command("dpkg-deb", "--extract", found[0], dir).CombinedOutput(); err != nil {
			t.Fatalf("dpkg-deb: %v: %s", err, out)
		}
		if err := os.Remove(found[0]); err != nil {
			t.Fatal(err)
		}
	}
	upgrade()
	f.reopen(t, old, fresh)
	upgrade()
	f.reopen(t, fresh)
	if _, err := f.run(t, f.sign(t, "1.0-2")); err != nil {
		t.Fatal(err)
	}
	upgrade()
	client.Must(t, "apt-get", "download", "hello=1.0-2")
	if page := get(t, server.URL+"/"); !strings.Contains(page, "test-archive-keyring") || !strings.Contains(page, "bookworm") {
		t.Errorf("the page:\n%s", page)
	}
}

// TestKeyIsAddedAtStart lets a second key sign what is published already.
func TestKeyIsAddedAtStart(t *testing.T) {
	f := newFixture(t)
	f.settings.NoKeyringPackage = true
	old, fresh := filepath.Join(t.TempDir(), "old.asc"), filepath.Join(t.TempDir(), "fresh.asc")
	for _, path := range []string{old, fresh} {
		if _, _, err := trust.LoadOrCreate(path, "repository"); err != nil {
			t.Fatal(err)
		}
	}
	f.reopen(t, old)
	f.reopen(t, old, fresh)
	signer, err := trust.OpenSigner(t.Context(), fresh)
	if err != nil {
		t.Fatal(err)
	}
	client := publishtest.NewClient(t, "file:"+f.output, "bookworm", "amd64", writeKey(t, signer))
	client.Must(t, "apt-get", "update")
}

func writeKey(t *testing.T, signer trust.Signer) string {
	t.Helper()
	public, err := signer.Public()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key.asc")
	if err := os.WriteFile(path, public, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// gpgIn2020 gives gpg an empty home of its own, and returns what runs it there at the beginning of 2020.
func gpgIn2020(t *testing.T) func(args ...string) {
	t.Helper()
	trusttest.GPGHome(t)
	return func(args ...string) {
		t.Helper()
		args = append([]string{"--batch", "--quiet", "--passphrase", "", "--faked-system-time", "20200101T000000"}, args...)
		if out, err := exec.Command("gpg", args...).CombinedOutput(); err != nil {
			t.Fatalf("gpg %v: %v: %s", args, err, out)
		}
	}
}

// TestExpiredPackageKey lets the key that has signed a build expire before the build is published.
func TestExpiredPackageKey(t *testing.T) {
	gpg := gpgIn2020(t)
	gpg("--quick-generate-key", "Packages <packages@example.org>", "ed25519", "sign", "2040-01-01")
	f := newFixture(t)
	signer, err := trust.OpenSigner(t.Context(), "packages@example.org")
	if err != nil {
		t.Fatal(err)
	}
	f.signer = signer
	build := f.sign(t, "1.0-1")
	gpg("--quick-set-expire", signer.Fingerprint(), "2021-01-01")
	f.trustKey(t, signer)
	_, err = f.run(t, build)
	var failure *bot.Failure
	if !errors.As(err, &failure) || !strings.Contains(failure.Reason, "key "+signer.Fingerprint()+" has expired on 2021-01-01") ||
		!strings.Contains(failure.Hint, "gpg --quick-set-expire "+signer.Fingerprint()) {
		t.Errorf("expired: %+v", failure)
	}
	gpg("--quick-set-expire", signer.Fingerprint(), "2041-01-01")
	f.trustKey(t, signer)
	if _, err := f.run(t, build); err != nil {
		t.Errorf("after the key was extended: %v", err)
	}
}

// TestExpiredKey lets the only key expire while the repository is open: clients keep what they have, and the error
// says what to do.
func TestExpiredKey(t *testing.T) {
	gpg := gpgIn2020(t)
	gpg("--quick-generate-key", "Archive <archive@example.org>", "ed25519", "sign", "2040-01-01")
	f := newFixture(t)
	f.reopen(t, "archive@example.org")
	if _, err := f.run(t, f.sign(t, "1.0-1")); err != nil {
		t.Fatal(err)
	}
	release := filepath.Join(f.output, "dists", "bookworm", "InRelease")
	before, err := os.ReadFile(release)
	if err != nil {
		t.Fatal(err)
	}
	print := f.options.Signer.Fingerprint()
	gpg("--quick-set-expire", print, "2021-01-01")
	_, err = f.run(t, f.sign(t, "1.0-2"))
	if err == nil || !strings.Contains(err.Error(), "has expired on 2021-01-01") || !strings.Contains(bot.HintOf(err), "gpg --quick-set-expire "+print) {
		t.Errorf("publish: %v, hint %q", err, bot.HintOf(err))
	}
	if err := f.repo.Refresh(t.Context(), 1000*time.Hour); err == nil || !strings.Contains(err.Error(), "has expired") {
		t.Errorf("refresh: %v", err)
	}
	if after, err := os.ReadFile(release); err != nil || !bytes.Equal(before, after) {
		t.Errorf("metadata have changed: %v", err)
	}
	var log bytes.Buffer
	told := &bot.Bot{Log: zerolog.New(&log), Settings: f.Bot.Settings}
	if _, err := f.settings.Options(t.Context(), told); err == nil || !strings.Contains(err.Error(), "has expired on 2021-01-01") {
		t.Errorf("start: %v", err)
	}
	gpg("--quick-set-expire", print, "2041-01-01")
	if _, err := f.run(t, f.sign(t, "1.0-2")); err != nil {
		t.Errorf("after the key was extended: %v", err)
	}
}

func openRoot(t *testing.T, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root
}
