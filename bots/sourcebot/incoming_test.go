package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"foundry/bots/internal/bottest"
	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

// TestIncoming runs the program on two incoming folders: what a known key has signed is announced with the
// bot's own settings, and gone from the folder.
func TestIncoming(t *testing.T) {
	d := definition()
	b := bottest.New(t, d)
	key := filepath.Join(b.State, "keys", "uploader.asc")
	if _, _, err := trust.LoadOrCreate(key, "uploader"); err != nil {
		t.Fatal(err)
	}
	signer, err := trust.OpenSigner(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := signer.Public()
	if err != nil {
		t.Fatal(err)
	}
	first, second := t.TempDir(), t.TempDir()
	uploaders := filepath.Join(first, ".uploaders.asc")
	if err := os.WriteFile(uploaders, public, 0o644); err != nil {
		t.Fatal(err)
	}
	b.Start("--codename", "stable:acme", "--codename", "acme-testing", "--incoming", first, "--incoming", second,
		"--uploaders", uploaders, "--incoming-interval", "10ms", "--build-profile", "nocheck", "--build-timeout", "90s")

	changes := sourceChanges(t, "acme-testing")
	text, err := os.ReadFile(changes)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Clearsign(t.Context(), text)
	if err == nil {
		err = os.WriteFile(changes, signed, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(changes), "hello_*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files { // as scp does it, the .changes among the others
		if out, err := exec.Command("cp", path, second).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	found := errors.New("found")
	err = b.Ports.Bus.Tail(t.Context(), bus.Filter{Topics: []message.Topic{message.Sources, message.Failures}, Follow: true}, func(raw bus.Raw) error {
		m, body, err := b.Sealer.Open(raw)
		if err != nil {
			return err
		}
		s, ok := body.(*message.Source)
		if !ok || m.Bot.Name != "sourcebot" || s.Codename != "acme-testing" || s.Signer != signer.Fingerprint() ||
			len(s.Profiles) != 1 || s.Timeout != 90 || s.IndepArchitecture != "amd64" {
			t.Errorf("message %s", raw.Payload)
		}
		return found
	})
	if !errors.Is(err, found) {
		t.Fatal(err)
	}
}

// sourceChanges makes a source package for a distribution and returns its .changes, unsigned.
func sourceChanges(t *testing.T, distribution string) string {
	t.Helper()
	dir := t.TempDir()
	tree := filepath.Join(dir, "hello")
	for name, text := range hello("1.0", "3.0 (native)", nil) {
		path := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("dpkg-buildpackage", "--build=source", "--no-sign", "--no-check-builddeps", "--no-pre-clean", "--changes-option=-DDistribution="+distribution)
	cmd.Dir = tree
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("run dpkg-buildpackage: %v; if it is missing: apt-get install dpkg-dev\n%s", err, out)
	}
	return filepath.Join(dir, "hello_1.0_source.changes")
}

// TestIncomingFlags: folders that are not there are told before anything is connected.
func TestIncomingFlags(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--incoming", file + "/none"}, {"--incoming", file}, {"--incoming-interval", "0s"}} {
		if status := bot.Main(definition(), nil, append(args, "--codename", "acme", "--check")); status != bot.ExitUsage {
			t.Errorf("%v: exit status %d", args, status)
		}
	}
}
