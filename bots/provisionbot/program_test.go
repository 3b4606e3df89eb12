package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"foundry/bots/internal/wire"
	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/bus/jetstream"
	"foundry/pkg/environment"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

// testCache is a folder outside of the tree in which base systems stay from one test to the next.
func testCache(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("FOUNDRY_TEST_CACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "foundry-test")
}

// TestProgram runs the whole program against a bus, with real podman and apt.
func TestProgram(t *testing.T) {
	state := t.TempDir()
	var users []jetstream.User
	for name, role := range map[string]jetstream.Role{
		"foundry": {All: true}, "provisionbot": {Publish: []message.Topic{message.Provisions, message.Failures, message.Rejects}},
	} {
		public, err := jetstream.LoadOrCreateNKey(bot.NKeyFile(state, name))
		if err != nil {
			t.Fatal(err)
		}
		users = append(users, jetstream.User{NKey: public, Role: role})
	}
	server, err := jetstream.StartServer(jetstream.ServerOptions{Dir: t.TempDir(), Users: users, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Shutdown()
	ports, err := wire.Connect(t.Context(), bot.Connection{URL: server.URL(), NKeyFile: bot.NKeyFile(state, "foundry"), Name: "test", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer ports.Bus.Close()
	key, err := trust.Generate("test")
	if err != nil {
		t.Fatal(err)
	}
	if err := trust.Allow(bot.TrustDir(state), string(message.Sources), key); err != nil {
		t.Fatal(err)
	}
	topics, err := trust.OpenTopics(bot.TrustDir(state))
	if err != nil {
		t.Fatal(err)
	}
	sealer := &bus.Sealer{Key: key, Topics: topics}
	status := make(chan int, 1)
	go func() {
		status <- bot.Main(definition(), wire.Connect, []string{
			"--bus", server.URL(), "--state", state, "--cache", testCache(t), "--base", "acme=bookworm", "--json",
		})
	}()
	ready := answer(t, ports.Bus, say(t, ports.Bus, sealer, source("good", "patchutils", "any")))
	if p, ok := ready.(*message.Provision); !ok || p.Outcome != message.Ready || !p.Arch || p.Indep || p.Image == nil || len(p.Files) != 1 ||
		!slices.ContainsFunc(p.Image.Packages, func(s string) bool { return strings.HasPrefix(s, "patchutils=") }) {
		t.Errorf("answer %+v", ready)
	}
	skipped := answer(t, ports.Bus, say(t, ports.Bus, sealer, source("other", "patchutils", "kfreebsd-any")))
	if p, ok := skipped.(*message.Provision); !ok || p.Outcome != message.Skipped || p.Reason == "" || p.Image != nil {
		t.Errorf("answer %+v", skipped)
	}
	failed := answer(t, ports.Bus, say(t, ports.Bus, sealer, source("needy", "patchutils, foundry-none (>= 2)", "any")))
	if f, ok := failed.(*message.Failure); !ok || f.Class != message.ClassPackage || f.Log == nil || f.Hint == "" || f.Architecture != environment.HostArchitecture() ||
		f.Reason != "unsatisfiable build dependencies: foundry-none (>= 2)" || !strings.Contains(strings.Join(f.Tail, "\n"), "unmet dependencies") {
		t.Errorf("answer %+v", failed)
	}
	bad := answer(t, ports.Bus, say(t, ports.Bus, sealer, source("bad", "patchutils (", "any")))
	if f, ok := bad.(*message.Failure); !ok || f.Class != message.ClassPackage || !strings.Contains(f.Reason, "Build-Depends") {
		t.Errorf("answer %+v", bad)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := <-status; got != bot.ExitOK {
		t.Errorf("exit status %d", got)
	}
}

func source(name, depends string, architectures ...string) *message.Source {
	return &message.Source{
		Origin:  message.Origin{Repository: "/srv/git/" + name, Branch: "main", Ref: strings.Repeat("a", 40)},
		Package: message.Package{Source: name, Version: "1.0", Codename: "acme"},
		Format:  "3.0 (native)", Architectures: architectures, IndepArchitecture: "amd64",
		Relations: message.Relations{BuildDepends: depends},
		Files:     []message.Artifact{{Name: name + "_1.0.dsc", Size: 1, SHA256: message.Digest(strings.Repeat("0", 64))}},
		Time:      time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC),
	}
}

func say(t *testing.T, b bus.Bus, sealer *bus.Sealer, s *message.Source) message.ID {
	t.Helper()
	m, err := message.New(message.Bot{Name: "sourcebot", Instance: "sourcebot-1", Host: "test", Endpoint: "pub/sourcebot", Version: "1"},
		message.Sources, s.Source+"-20261120-231501-9f3c2a", message.MakeID(message.Commits, message.TypeCommit, "", s.Source), s, s.Codename)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := sealer.Seal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	return m.ID
}

// answer waits for the answer to a message, a provision or a failure.
func answer(t *testing.T, b bus.Bus, parent message.ID) message.Body {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	found := errors.New("found")
	var body message.Body
	err := b.Tail(ctx, bus.Filter{Topics: []message.Topic{message.Provisions, message.Failures}, Follow: true}, func(raw bus.Raw) error {
		var m message.Message
		if err := json.Unmarshal(raw.Payload, &m); err != nil {
			return err
		}
		if m.Parent != parent {
			return nil
		}
		var err error
		body, err = m.Body()
		return errors.Join(found, err)
	})
	if !errors.Is(err, found) {
		t.Fatalf("await answer: %v", err)
	}
	return body
}
