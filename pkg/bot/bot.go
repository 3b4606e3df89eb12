// Package bot is the life that all bots share: flags, environment and configuration file, the log,
// signals, keys, the connection to bus and artifact store, answering when bots are listed or
// stopped, and the loop that receives a message, works on it, publishes the result and
// acknowledges it.
//
// A program says what is its own in a Definition and hands it to Main.
//
// # The loop
//
// Bot.Work takes messages one by one as there are hands for them. A message that is not believed
// is terminated and reported on the topic rejects. One whose results are all there already is
// acknowledged without work, so a crash after publishing costs nothing. Otherwise Step.Do works on
// it; its results are published and only then the message is acknowledged. A package at fault
// (*Failure) is published on failures and acknowledged; any other error is trouble of the
// infrastructure: the message comes back later, and after bus.MaxDeliver tries it is published as
// a failure too.
//
// # Stopping
//
// The first signal (SIGINT, SIGTERM) or stop message lets the bot finish what it works on and take
// nothing more; the second makes it give its messages back and leave at once.
package bot

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"foundry/pkg/artifact"
	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// Version of all programs of this tree.
const Version = "0.1.0"

// Definition is what one program has of its own.
type Definition struct {
	Name    string // of the program, "buildbot"
	Short   string // what it does, one line
	Long    string // what it does, paragraphs
	Example string

	Watch   message.Topic // default of --watch; empty for a bot that watches no topic
	Publish message.Topic // default of --publish-to
	AckWait time.Duration // default of --ack-wait; zero is bus.DefaultAckWait
	Jobs    int           // default of --jobs; zero is 1

	Flags func(fs *pflag.FlagSet)                 // declares the bot's own flags
	Arch  func() string                           // architecture served; nil for none
	Group func() string                           // what else sets its endpoint apart, added to the default of --endpoint; nil for nothing
	Check func() error                            // checks the flags before anything is connected; nil for nothing
	Run   func(ctx context.Context, b *Bot) error // does the work until ctx ends or Stopping is closed
}

// Connection says where bus and artifact store are.
type Connection struct {
	URL      string // of the bus, "nats://host:4222"; several are separated by commas
	NKeyFile string // path of the seed by which the bus knows the bot; empty for none
	Name     string // shown by the bus's own tools
	Store    string // of artifacts: empty for the bus's own, or "folder:/path"
	Log      zerolog.Logger
}

// Ports are the adapters that a Connector has chosen.
type Ports struct {
	Bus    bus.Bus
	Values bus.Values
	Logs   bus.Logs
	Herd   bus.Herd
	Store  artifact.Store
}

// A Connector chooses adapters and connects them.
type Connector func(ctx context.Context, connection Connection) (Ports, error)

// Bot is one running program.
type Bot struct {
	Ports
	Log      zerolog.Logger
	Self     message.Bot
	Sealer   *bus.Sealer
	Settings Settings

	arch     string
	stopping chan struct{}
	stop     sync.Once

	mu      sync.Mutex
	state   bus.State
	standby bool
}

// Path joins elem to the state folder.
func (b *Bot) Path(elem ...string) string {
	return filepath.Join(append([]string{b.Settings.State}, elem...)...)
}

// Stopping is closed when the bot is to finish what it does and take nothing more.
func (b *Bot) Stopping() <-chan struct{} { return b.stopping }

// Stop makes the bot finish what it does and take nothing more.
func (b *Bot) Stop() {
	b.stop.Do(func() {
		b.setState(func(s *bus.State) { s.State = "stopping" })
		close(b.stopping)
	})
}

// Busy shows a job in --list until the returned function is called.
func (b *Bot) Busy(job bus.Job) (done func()) {
	b.setState(func(s *bus.State) { s.Jobs = append(s.Jobs, job) })
	return func() {
		b.setState(func(s *bus.State) {
			for i, j := range s.Jobs {
				if j == job {
					s.Jobs = append(s.Jobs[:i:i], s.Jobs[i+1:]...)
					break
				}
			}
		})
	}
}

// Standby shows the bot as one that waits to take over from another until the returned function is
// called.
func (b *Bot) Standby() (over func()) {
	set := func(standby bool) { b.setState(func(*bus.State) { b.standby = standby }) }
	set(true)
	return func() { set(false) }
}

// Serves shows in --list which codenames the bot publishes.
func (b *Bot) Serves(codenames ...string) {
	b.setState(func(s *bus.State) { s.Serves = codenames })
}

func (b *Bot) setState(change func(*bus.State)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.state)
	if b.state.State != "stopping" {
		b.state.State = "idle"
		if b.standby {
			b.state.State = "standby"
		}
		if len(b.state.Jobs) > 0 {
			b.state.State = "busy"
		}
	}
}

// State is what the bot answers when bots are listed.
func (b *Bot) State() bus.State {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.state
	s.Jobs = append([]bus.Job(nil), s.Jobs...)
	return s
}

// NoteError shows err in --list.
func (b *Bot) NoteError(err error) {
	b.setState(func(s *bus.State) { s.LastError = time.Now().UTC().Format(time.RFC3339) + " " + err.Error() })
}
