package main

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"foundry/bots/internal/bottest"
	"foundry/bots/internal/published"
	"foundry/pkg/message"
	"foundry/pkg/publish/publishtest"
)

// TestProgram runs the whole program against a bus: a sign message goes in, a dist message comes
// out, apt reads the repository over the program's own server, and a signal ends it.
func TestProgram(t *testing.T) {
	b := bottest.New(t, definition())
	f := &fixture{dist: &dist{trust: filepath.Join(b.State, "trust", "packages.asc")}, store: b.Ports.Store, signer: newKey(t), dir: t.TempDir()}
	f.trustKey(t, f.signer)
	good, other, refused := f.sign(t, "1.0-1"), f.sign(t, "1.0-1"), f.sign(t, "0.9-1")
	other.Codename, other.Architecture = "sid", "arm64"
	parent := say(b, good)
	say(b, other)

	address := freeAddress(t)
	b.Start("--name", "test", "--codename", "bookworm=stable", "--arch", "amd64", "--serve", address, "--uri", "http://"+address)
	answer := b.Await(parent)
	if d, ok := answer.(*message.Dist); !ok || d.Archive != "test" || len(d.Packages) != 2 {
		t.Errorf("answer: %+v", answer)
	}
	if err := published.Check(t.Context(), b.Ports.Values, refused.Package, ""); err == nil || !strings.Contains(err.Error(), "is lower than version 1.0-1, which test has") {
		t.Errorf("not on record: %v", err)
	}
	answer = b.Await(say(b, refused))
	if failure, ok := answer.(*message.Failure); !ok || failure.Class != message.ClassPolicy || failure.Hint == "" ||
		!strings.Contains(failure.Reason, "has the higher version 1.0-1") {
		t.Errorf("answer: %+v", answer)
	}
	client := publishtest.NewClient(t, "http://"+address, "stable", "amd64", filepath.Join(b.State, "repo", "test", "test.asc"))
	client.Source(t, get(t, "http://"+address+"/test-bookworm.sources"))
	client.Must(t, "apt-get", "update")
	client.Must(t, "apt-get", "download", "hello")
}

// TestProgramInLockstep runs the program with what else --lockstep needs of the bus.
func TestProgramInLockstep(t *testing.T) {
	b := bottest.New(t, definition())
	f := &fixture{dist: &dist{trust: filepath.Join(b.State, "trust", "packages.asc")}, store: b.Ports.Store, signer: newKey(t), dir: t.TempDir()}
	f.trustKey(t, f.signer)
	b.Start("--name", "test", "--codename", "bookworm", "--arch", "amd64", "--lockstep", "12h")
	for _, version := range []string{"1.0-1", "1.0-2"} {
		if d, ok := b.Await(say(b, f.sign(t, version))).(*message.Dist); !ok || len(d.Packages) != 2 {
			t.Errorf("answer: %+v", d)
		}
	}
}

func say(b *bottest.Bench, s *message.Sign) message.ID {
	s.Log = s.Files[0]
	s.Built = []message.Artifact{}
	return b.Say("signbot", s.Source, message.MakeID(message.Builds, message.TypeBuild, "", s.Source, s.Version), s, s.Architecture)
}

// freeAddress returns an address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("get %s: %s, %v", url, response.Status, err)
	}
	return string(text)
}
