package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"foundry/pkg/trust"
)

// gpgKeys makes a key that expires with gpg and returns the files of its public and secret halves,
// and its fingerprint.
func gpgKeys(t *testing.T, name, expires string) (public, secret, print string) {
	t.Helper()
	// The agent's socket needs a short path.
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	gpg := func(args ...string) []byte {
		t.Helper()
		cmd := exec.Command("gpg", append([]string{"--batch", "--quiet", "--homedir", home, "--passphrase", "", "--pinentry-mode", "loopback"}, args...)...)
		cmd.Stderr = t.Output()
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("run gpg %s: %v; if it is missing: apt-get install gnupg", args, err)
		}
		return out
	}
	t.Cleanup(func() { _ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run() })
	gpg("--quick-gen-key", name, "ed25519", "sign", expires)
	public, secret = filepath.Join(t.TempDir(), "public.asc"), filepath.Join(t.TempDir(), "secret.asc")
	for file, what := range map[string]string{public: "--export", secret: "--export-secret-keys"} {
		if err := os.WriteFile(file, gpg("--armor", what), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ring, err := trust.ReadKeyring(public)
	if err != nil {
		t.Fatal(err)
	}
	return public, secret, ring.Fingerprints()[0]
}

// outside is a call of the program with a state folder and no bus.
func outside(state string, args ...string) (status int, out, errs string) {
	var stdout, stderr strings.Builder
	status = run(append(args, "--state", state), &stdout, &stderr)
	return status, stdout.String(), stderr.String()
}

func TestTrust(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	public, secret, print := gpgKeys(t, "Alice <alice@example.org>", "2030-01-01")
	if status, _, errs := outside(state, "trust", "list"); status != 1 || !strings.Contains(errs, "nobody is believed") {
		t.Errorf("empty list: exit status %d, %q", status, errs)
	}
	for range 2 { // adding twice is adding once
		status, out, errs := outside(state, "trust", "add", public, "committers", "control")
		if status != 0 || !strings.Contains(out, print) || !strings.Contains(out, "committers, control, expires 20") {
			t.Fatalf("add: exit status %d, %q %q", status, out, errs)
		}
	}
	_, out, _ := outside(state, "trust", "list")
	if strings.Count(out, print) != 2 || !strings.Contains(out, "Alice <alice@example.org>") {
		t.Errorf("list: %q", out)
	}
	var listed []trusted
	_, out, _ = outside(state, "trust", "list", "committers", "--json")
	if err := json.Unmarshal([]byte(out), &listed); err != nil || len(listed) != 1 || len(listed[0].Keys) != 1 ||
		listed[0].Keys[0].Fingerprint != print || listed[0].Keys[0].Expires.IsZero() {
		t.Errorf("list as JSON: %v %q", err, out)
	}
	// Fingerprints are taken as people copy them.
	spaced := "0x" + strings.ToLower(print[:20]) + " " + print[20:]
	status, _, errs := outside(state, "trust", "remove", spaced, "committers", "packages")
	if status != 1 || !strings.Contains(errs, "is not among those of packages") {
		t.Errorf("remove from where it is not: exit status %d, %q", status, errs)
	}
	if _, out, _ := outside(state, "trust", "list", "committers"); !strings.Contains(out, print) {
		t.Errorf("half of a removal was done: %q", out)
	}
	if status, _, errs := outside(state, "trust", "remove", spaced, "committers"); status != 0 {
		t.Errorf("remove: exit status %d, %q", status, errs)
	}
	if _, err := os.Stat(filepath.Join(state, "trust", "committers.asc")); !os.IsNotExist(err) {
		t.Errorf("a keyring without keys is left: %v", err)
	}
	if status, _, errs := outside(state, "trust", "add", secret, "committers"); status != 1 || !strings.Contains(errs, "private key") {
		t.Errorf("add of a private key: exit status %d, %q", status, errs)
	}
}

func TestTrustUsage(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	noKey := filepath.Join(t.TempDir(), "empty.asc")
	if err := os.WriteFile(noKey, []byte("hello\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"trust", "add"}, 2, "usage: foundry trust add"},
		{[]string{"trust", "add", noKey}, 2, "usage: foundry trust add"},
		{[]string{"trust", "add", noKey, "comitters"}, 2, `did you mean "committers"?`},
		{[]string{"trust", "add", noKey, "committers"}, 1, "gpg --armor --export"},
		{[]string{"trust", "add", "/nowhere.asc", "committers"}, 1, "/nowhere.asc"},
		{[]string{"trust", "list", "bilds"}, 2, `did you mean "builds"?`},
		{[]string{"trust", "remove", "ABCD", "builds"}, 2, "is not a fingerprint"},
		{[]string{"trust", "remov"}, 2, "unknown command"},
	} {
		if status, _, errs := outside(state, test.args...); status != test.status || !strings.Contains(errs, test.says) {
			t.Errorf("foundry %q: exit status %d, %q", test.args, status, errs)
		}
	}
	if _, err := os.Stat(state); !os.IsNotExist(err) {
		t.Error("a state folder was made by commands that failed")
	}
}
