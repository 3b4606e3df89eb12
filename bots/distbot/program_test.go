package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"foundry/bots/internal/wire"
	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/bus/jetstream"
	"foundry/pkg/message"
	"foundry/pkg/publish/publishtest"
	"foundry/pkg/trust"
)

var errFound = errors.New("found")

// TestProgram runs the whole program against a bus: a sign message goes in, a dist message comes
// out, apt reads the repository over the program's own server, and a signal ends it.
func TestProgram(t *testing.T) {
	state := t.TempDir()
	var users []jetstream.User
	for name, role := range map[string]jetstream.Role{
		"foundry": {All: true}, "distbot": {Publish: []message.Topic{message.Dists, message.Failures, message.Rejects}},
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
	f := &fixture{dist: &dist{trust: filepath.Join(state, "trust", "packages.asc")}, store: ports.Store, signer: newKey(t), dir: t.TempDir()}
	f.trustKey(t, f.signer)
	sealer := newSealer(t, state)
	good, other, refused := f.sign(t, "1.0-1"), f.sign(t, "1.0-1"), f.sign(t, "0.9-1")
	other.Codename, other.Architecture = "sid", "arm64"
	parent := say(t, ports.Bus, sealer, good)
	say(t, ports.Bus, sealer, other)

	address := freeAddress(t)
	status := make(chan int, 1)
	go func() {
		status <- bot.Main(definition(), wire.Connect, []string{
			"--bus", server.URL(), "--state", state, "--name", "test", "--codename", "bookworm=stable", "--arch", "amd64",
			"--serve", address, "--uri", "http://" + address, "--json",
		})
	}()
	answer := await(t, ports.Bus, message.Dists)
	var body message.Dist
	if err := json.Unmarshal(answer.Data, &body); err != nil {
		t.Fatal(err)
	}
	if answer.Parent != parent || body.Archive != "test" || len(body.Packages) != 2 {
		t.Errorf("answer: %+v", body)
	}
	say(t, ports.Bus, sealer, refused)
	var failure message.Failure
	if err := json.Unmarshal(await(t, ports.Bus, message.Failures).Data, &failure); err != nil {
		t.Fatal(err)
	}
	if failure.Class != message.ClassPolicy || !strings.Contains(failure.Reason, "has the higher version 1.0-1") || failure.Hint == "" {
		t.Errorf("failure: %+v", failure)
	}
	client := publishtest.NewClient(t, "http://"+address, "stable", "amd64", filepath.Join(state, "repo", "test", "test.asc"))
	client.Source(t, get(t, "http://"+address+"/test-bookworm.sources"))
	client.Must(t, "apt-get", "update")
	client.Must(t, "apt-get", "download", "hello")
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := <-status; got != bot.ExitOK {
		t.Errorf("exit status %d", got)
	}
}

// newSealer makes a key that may speak on signs, and reads what any bot of the state folder says.
func newSealer(t *testing.T, state string) *bus.Sealer {
	t.Helper()
	key, err := trust.Generate("test")
	if err != nil {
		t.Fatal(err)
	}
	if err := trust.Allow(bot.TrustDir(state), string(message.Signs), key); err != nil {
		t.Fatal(err)
	}
	topics, err := trust.OpenTopics(bot.TrustDir(state))
	if err != nil {
		t.Fatal(err)
	}
	return &bus.Sealer{Key: key, Topics: topics}
}

func say(t *testing.T, b bus.Bus, sealer *bus.Sealer, s *message.Sign) message.ID {
	t.Helper()
	s.Log = s.Files[0]
	s.Built = []message.Artifact{}
	m, err := message.New(message.Bot{Name: "signbot", Instance: "signbot-1", Host: "test", Endpoint: "pub/signbot", Version: "1"},
		message.Signs, "hello-20261120-231501-9f3c2a", message.MakeID(message.Builds, message.TypeBuild, "", s.Version), s, s.Architecture)
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

// await returns the first message on a topic.
func await(t *testing.T, b bus.Bus, topic message.Topic) (m message.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := b.Tail(ctx, bus.Filter{Topics: []message.Topic{topic}, Follow: true}, func(raw bus.Raw) error {
		return errors.Join(errFound, json.Unmarshal(raw.Payload, &m))
	})
	if !errors.Is(err, errFound) || m.ID == "" {
		t.Fatalf("await %s: %v", topic, err)
	}
	return m
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
