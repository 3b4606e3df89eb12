// Package bottest runs the program of a bot in a test, on a real bus with a store: it says the
// messages that the bot watches, and awaits the answers. It also tests what all bots have alike,
// their flags.
package bottest

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"foundry/bots/internal/wire"
	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/bus/jetstream"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

// A Bench is a bus with one bot on it, and a test that speaks to the bot.
type Bench struct {
	State  string      // state folder of the bot
	URL    string      // of the bus
	NKey   string      // file with the seed of a user who may do everything
	Ports  bot.Ports   // of that user
	Sealer *bus.Sealer // may speak on the topic that the bot watches
	t      *testing.T
	d      bot.Definition
}

// New starts a bus for the bot, who may do there what it needs and no more. All of it ends with the
// test.
func New(t *testing.T, d bot.Definition) *Bench {
	t.Helper()
	b := &Bench{State: t.TempDir(), t: t, d: d}
	b.NKey = bot.NKeyFile(b.State, "foundry")
	var users []jetstream.User
	for name, role := range map[string]jetstream.Role{
		"foundry": {All: true}, d.Name: {Publish: []message.Topic{d.Publish, message.Failures, message.Rejects}},
	} {
		public, err := jetstream.LoadOrCreateNKey(bot.NKeyFile(b.State, name))
		if err != nil {
			t.Fatal(err)
		}
		users = append(users, jetstream.User{NKey: public, Role: role})
	}
	server, err := jetstream.StartServer(jetstream.ServerOptions{Dir: t.TempDir(), Users: users, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	b.URL = server.URL()
	b.Ports, err = wire.Connect(t.Context(), bot.Connection{URL: b.URL, NKeyFile: b.NKey, Name: "test", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Ports.Bus.Close() })
	b.Sealer = b.sealer()
	return b
}

// sealer makes a key for the test, and reads what any bot of the state folder says.
func (b *Bench) sealer() *bus.Sealer {
	b.t.Helper()
	key, err := trust.Generate("test")
	if err != nil {
		b.t.Fatal(err)
	}
	if b.d.Watch != "" {
		if err := trust.Allow(bot.TrustDir(b.State), string(b.d.Watch), key); err != nil {
			b.t.Fatal(err)
		}
	}
	topics, err := trust.OpenTopics(bot.TrustDir(b.State))
	if err != nil {
		b.t.Fatal(err)
	}
	return &bus.Sealer{Key: key, Topics: topics}
}

// Start runs the bot's program with these flags. At the end of the test a signal stops it, and it
// has to end well.
func (b *Bench) Start(args ...string) {
	b.t.Helper()
	status := make(chan int, 1)
	args = append([]string{"--bus", b.URL, "--state", b.State, "--json"}, args...)
	go func() { status <- bot.Main(b.d, wire.Connect, args) }()
	b.t.Cleanup(func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			b.t.Error(err)
		}
		if got := <-status; got != bot.ExitOK {
			b.t.Errorf("exit status %d", got)
		}
	})
}

// Say publishes a message of the source package on the topic that the bot watches, as the given
// program would in answer to parent.
func (b *Bench) Say(program, source string, parent message.ID, body message.Body, siblings ...string) message.ID {
	b.t.Helper()
	m, err := message.New(message.Bot{Name: program, Instance: program + "-1", Host: "test", Endpoint: "pub/" + program, Version: "1"},
		b.d.Watch, source+"-20261120-231501-9f3c2a", parent, body, siblings...)
	if err != nil {
		b.t.Fatal(err)
	}
	raw, err := b.Sealer.Seal(m)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.Ports.Bus.Publish(b.t.Context(), raw); err != nil {
		b.t.Fatal(err)
	}
	return m.ID
}

// Await returns the first answer to a message: what the bot publishes, or a failure.
func (b *Bench) Await(parent message.ID) message.Body {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 5*time.Minute)
	defer cancel()
	found := errors.New("found")
	var body message.Body
	err := b.Ports.Bus.Tail(ctx, bus.Filter{Topics: []message.Topic{b.d.Publish, message.Failures}, Follow: true}, func(raw bus.Raw) error {
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
	if !errors.Is(err, found) || body == nil {
		b.t.Fatalf("await answer: %v", err)
	}
	return body
}

// Cache is a folder outside of the tree in which base systems stay from one test to the next.
func Cache(t testing.TB) string {
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
