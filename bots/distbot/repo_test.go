package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"foundry/bots/foundry/repo"
	"foundry/bots/internal/bottest"
	"foundry/bots/internal/published"
	"foundry/pkg/bot"
	"foundry/pkg/message"
	"foundry/pkg/publish/publishtest"
)

// foundry is the herder with the commands for repositories alone.
func foundry() {
	settings := new(bot.Settings)
	root := &cobra.Command{Use: "foundry", SilenceErrors: true, SilenceUsage: true}
	settings.DeclareShared(root.PersistentFlags())
	root.AddCommand(repo.Command(&repo.Env{Settings: settings, In: os.Stdin, Out: os.Stdout, Errs: os.Stderr}))
	os.Exit(bot.Report(os.Stderr, "foundry", root.Execute()))
}

// hand runs "foundry repo" on the state folder of the bench, and checks what it says.
func hand(t *testing.T, b *bottest.Bench, words string, args ...string) {
	t.Helper()
	out, err := exec.Command("foundry", append([]string{"--state", b.State, "repo"}, args...)...).CombinedOutput()
	if failed := err != nil; failed != strings.Contains(words, "hint: ") || !strings.Contains(string(out), words) {
		t.Fatalf("foundry repo %s: %v, want %q:\n%s", strings.Join(args, " "), err, words, out)
	}
}

// TestByHand publishes builds, moves, rolls back and removes them by hand while distbot runs and after it, and has apt
// see each.
func TestByHand(t *testing.T) {
	if testing.Short() {
		t.Skip("starts many programs")
	}
	b := bottest.New(t, definition())
	f := &fixture{dist: &dist{trust: filepath.Join(b.State, "trust", "packages.asc")}, store: b.Ports.Store, signer: newKey(t), dir: t.TempDir()}
	f.trustKey(t, f.signer)
	address, mirror := freeAddress(t), filepath.Join(t.TempDir(), "mirror")
	args := []string{
		"--name", "test", "--codename", "bookworm", "--codename", "trixie", "--arch", "amd64", "--serve", address, "--no-keyring-package",
		"--target", "file://" + mirror,
	}
	distbot := spawn(t, b, args...)
	for _, version := range []string{"1.0-1", "1.0-2"} {
		if d, ok := b.Await(say(b, f.sign(t, version))).(*message.Dist); !ok {
			t.Fatalf("answer: %+v", d)
		}
	}
	clients := map[string]*publishtest.Client{}
	for _, codename := range []string{"bookworm", "trixie"} {
		clients[codename] = publishtest.NewClient(t, "http://"+address, codename, "amd64", filepath.Join(b.State, "repo", "test", "test.asc"))
	}
	inRelease := func(root, codename string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(root, "dists", codename, "InRelease"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	served := filepath.Join(b.State, "repo", "test")
	sees := func(codename, version string) {
		t.Helper()
		if inRelease(mirror, codename) != inRelease(served, codename) {
			t.Errorf("the target is behind with %s", codename)
		}
		clients[codename].Must(t, "apt-get", "update")
		out, err := clients[codename].Run("apt-cache", "show", "hello")
		if version == "" && err == nil && strings.Contains(out, "Version:") || version != "" && !strings.Contains(out, "\nVersion: "+version+"\n") {
			t.Errorf("%s: want version %q:\n%s", codename, version, out)
		}
		if version != "" {
			clients[codename].Must(t, "apt-get", "download", "hello="+version)
			clients[codename].Must(t, "apt-get", "source", "--download-only", "hello="+version)
		}
	}
	recorded := func(codename, version, words string) {
		t.Helper()
		err := published.Check(t.Context(), b.Ports.Values, message.Package{Source: "hello", Version: version, Codename: codename}, "")
		if words == "" && err != nil || words != "" && (err == nil || !strings.Contains(err.Error(), words)) {
			t.Errorf("%s %s on record: %v, want %q", codename, version, err, words)
		}
	}
	sees("bookworm", "1.0-2")
	hand(t, b, "trixie changed, publish 2", "promote", "bookworm", "trixie", "hello")
	sees("trixie", "1.0-2")
	sees("bookworm", "")
	recorded("trixie", "1.0-1", "lower than version 1.0-2, which test has for trixie")
	recorded("bookworm", "1.0-1", "")
	hand(t, b, "bookworm changed, publish 5", "rollback", "bookworm", "2")
	sees("bookworm", "1.0-1")
	recorded("bookworm", "0.9-1", "lower than version 1.0-1, which test has for bookworm")
	hand(t, b, "hint: did you mean \"hello\"?", "remove", "trixie", "helo")
	hand(t, b, "trixie changed, publish 3", "remove", "trixie", "hello")
	sees("trixie", "")
	recorded("trixie", "0.9-1", "")
	before := inRelease(served, "bookworm")
	hand(t, b, "signed anew: bookworm, trixie", "resign")
	if inRelease(served, "bookworm") == before {
		t.Error("not signed anew")
	}
	sees("bookworm", "1.0-1")
	hand(t, b, "all is well", "verify")

	// The same without a distbot; the next one puts on record what was done.
	if err := distbot.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := distbot.Wait(); err != nil {
		t.Fatal(err)
	}
	hand(t, b, "bookworm changed, publish 7", "remove", "bookworm", "hello")
	if inRelease(mirror, "bookworm") != inRelease(served, "bookworm") {
		t.Error("the target is behind")
	}
	hand(t, b, "trixie changed, publish 5", "rollback", "trixie", "2")
	recorded("bookworm", "0.9-1", "lower than version 1.0-1")
	recorded("trixie", "0.9-1", "")
	distbot = spawn(t, b, args...)
	stateOf(t, b, distbot, "idle") // all is on record then
	recorded("bookworm", "0.9-1", "")
	if d, ok := b.Await(say(b, f.sign(t, "1.0-3"))).(*message.Dist); !ok {
		t.Fatalf("answer: %+v", d)
	}
	recorded("trixie", "0.9-1", "lower than version 1.0-2")
	sees("trixie", "1.0-2")
	sees("bookworm", "1.0-3")
	hand(t, b, "all is well", "verify")
	hand(t, b, "all is well", "verify", "--at", mirror)
	hand(t, b, "all is well", "verify", "--at", "http://"+address)
	if distbot.ProcessState != nil {
		t.Error("distbot has ended")
	}
}
