package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"foundry/bots/internal/bottest"
	"foundry/bots/internal/wire"
	"foundry/pkg/artifact"
	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/debian"
	"foundry/pkg/environment"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

// An archive stands for all source lists: it answers what apt would, without installing anything.
// environmenttest holds what the real one does.
type archive struct {
	mu       sync.Mutex
	packages map[string]string // version by name
	tries    map[string]int    // how often was asked for these dependencies
	looked   chan struct{}     // has something after the key was asked for
	between  func()            // called once after the next answer was found and before it is given
}

func newArchive() *archive {
	return &archive{packages: map[string]string{}, tries: map[string]int{}, looked: make(chan struct{}, 1)}
}

func (a *archive) add(name, version string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.packages[name] = version
}

func (a *archive) tried(depends string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tries[depends]
}

func (a *archive) key(r environment.Request) string {
	state, _ := json.Marshal(a.packages) // a map of strings
	return r.Depends + string(state)
}

func (a *archive) Key(_ context.Context, r environment.Request) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case a.looked <- struct{}{}:
	default:
	}
	return a.key(r), nil
}

func (a *archive) Provision(_ context.Context, r environment.Request, _ io.Writer) (message.Image, error) {
	image, err := a.answer(r)
	a.mu.Lock()
	between := a.between
	a.between = nil
	a.mu.Unlock()
	if between != nil {
		between()
	}
	return image, err
}

func (a *archive) answer(r environment.Request) (message.Image, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tries[r.Depends]++
	relations, err := debian.ParseRelations(r.Depends)
	if err != nil {
		return message.Image{}, err
	}
	lacks := &environment.UnsatisfiableError{Key: a.key(r)}
	for _, entry := range relations {
		text := debian.Relations{entry}.String()
		if strings.HasPrefix(text, "broken") { // it is there, what it needs is not
			lacks.Missing = append(lacks.Missing, text)
			continue
		}
		if !slices.ContainsFunc(entry, a.has) {
			lacks.Missing, lacks.Absent = append(lacks.Missing, text), append(lacks.Absent, text)
		}
	}
	if len(lacks.Missing) > len(lacks.Absent) {
		lacks.Absent = nil
	}
	if len(lacks.Missing) > 0 {
		return message.Image{}, lacks
	}
	return message.Image{Key: strings.Repeat("1", 64), ID: "sha256:" + strings.Repeat("2", 64), Base: strings.Repeat("3", 64)}, nil
}

func (a *archive) has(r debian.Relation) bool {
	v, err := debian.ParseVersion(a.packages[r.Package])
	return err == nil && r.SatisfiedBy(v)
}

func (a *archive) Share(_ context.Context, i message.Image, _ artifact.Store) (message.Image, error) {
	return i, nil
}

// A park is a bus with provisionbots that share an archive.
type park struct {
	*bottest.Bench
	t       *testing.T
	archive *archive
	every   time.Duration // at which source lists are looked at
}

func newPark(t *testing.T) *park {
	t.Helper()
	p := &park{Bench: bottest.New(t, definition()), t: t, archive: newArchive(), every: 20 * time.Millisecond}
	for _, topic := range []message.Topic{message.Commits, message.Dists, message.Failures} {
		if err := trust.Allow(bot.TrustDir(p.State), string(topic), p.Sealer.Key); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// mortal values are not written any more by a bot that was killed.
type mortal struct {
	bus.Values
	dead atomic.Bool
}

func (m *mortal) Put(ctx context.Context, key string, value []byte, revision uint64) error {
	if m.dead.Load() {
		return errors.New("killed")
	}
	return m.Values.Put(ctx, key, value, revision)
}

// A member is one provisionbot.
type member struct {
	kill func() // ends it at once, without a word to the others, and waits for that
}

// start runs a provisionbot whose timers are fast.
func (p *park) start(args ...string) *member {
	p.t.Helper()
	return p.startOn(wire.Connect, args...)
}

func (p *park) startOn(connect bot.Connector, args ...string) *member {
	o := new(options)
	life, end := context.WithCancel(context.Background())
	var values mortal
	d := definition()
	d.Flags, d.Arch, d.Check = o.declare, func() string { return o.Arch }, o.check
	d.Run = func(ctx context.Context, b *bot.Bot) error {
		made := &provisioner{options: o, environments: p.archive}
		made.waker = newWaker(made, b)
		made.waker.every, made.waker.turn.every = p.every, 50*time.Millisecond
		ctx, cancel := context.WithCancel(ctx)
		defer context.AfterFunc(life, cancel)()
		return b.Work(ctx, made.step())
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		bot.Main(d, func(ctx context.Context, c bot.Connection) (bot.Ports, error) {
			ports, err := connect(ctx, c)
			values.Values, ports.Values = ports.Values, &values
			return ports, err
		}, append([]string{"--bus", p.URL, "--state", p.State, "--json", "--arch", "amd64", "--ack-wait", "1s"}, args...))
	}()
	kill := sync.OnceFunc(func() {
		values.dead.Store(true)
		end()
		<-ended
	})
	p.t.Cleanup(kill)
	return &member{kill}
}

// push says that there is a source package, "p" and its name, that makes one binary package, "lib"
// and its name.
func (p *park) push(name, depends string) message.ID {
	p.t.Helper()
	s := source("p"+name, depends, "any")
	s.Binaries = []string{"lib" + name}
	return say(p.Bench, s)
}

// speak says something of the package name, as its transaction's context has it.
func (p *park) speak(topic message.Topic, name string, parent message.ID, body message.Body) message.ID {
	p.t.Helper()
	m, err := message.New(message.Bot{Name: "test", Instance: "test-1", Host: "test", Endpoint: "pub/test", Version: "1"},
		topic, "p"+name+"-20261120-231501-9f3c2a", parent, body, name)
	if err != nil {
		p.t.Fatal(err)
	}
	raw, err := p.Sealer.Seal(m)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.Ports.Bus.Publish(p.t.Context(), raw); err != nil {
		p.t.Fatal(err)
	}
	return m.ID
}

// publish puts the binary package of a source package into the archive and says so.
func (p *park) publish(name, version string) {
	p.t.Helper()
	p.archive.add("lib"+name, version)
	s := source("p"+name, "", "any")
	p.speak(message.Dists, name, message.MakeID(message.Signs, message.TypeSign, "", name), &message.Dist{
		Origin: s.Origin, Package: s.Package, Architecture: "amd64", Archive: "test",
		Packages: []message.Published{{
			Package: "lib" + name, Version: version, Architecture: "amd64", Filename: "pool/x.deb", Size: 1,
			SHA256: message.Digest(strings.Repeat("0", 64)),
		}},
		Release: message.Digest(strings.Repeat("0", 64)), Key: strings.Repeat("A", 40),
	})
}

// answers waits for the last answer to a message and returns all of them.
func (p *park) answers(parent message.ID) (all []message.Body) {
	p.t.Helper()
	return p.follow(parent, func(body message.Body) bool {
		b, ok := body.(*message.Provision)
		return !ok || b.Outcome != message.Waiting
	})
}

// waiting waits until a package is said to wait.
func (p *park) waiting(parent message.ID) *message.Provision {
	p.t.Helper()
	all := p.follow(parent, func(message.Body) bool { return true })
	b, ok := all[0].(*message.Provision)
	if !ok || b.Outcome != message.Waiting {
		p.t.Fatalf("answer %+v, want one that waits", all[0])
	}
	return b
}

func (p *park) follow(parent message.ID, last func(message.Body) bool) (all []message.Body) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	found := errors.New("found")
	err := p.Ports.Bus.Tail(ctx, bus.Filter{Topics: []message.Topic{message.Provisions, message.Failures}, Follow: true}, func(raw bus.Raw) error {
		m, body, err := p.Sealer.Open(raw)
		if err != nil || m.Parent != parent {
			return err
		}
		all = append(all, body)
		if last(body) {
			return found
		}
		return nil
	})
	if !errors.Is(err, found) {
		p.t.Fatalf("no last answer to %s after %d others: %v", parent, len(all), err)
	}
	return all
}

// ready checks that a package was ready in the end, after having waited or not.
func (p *park) ready(parent message.ID, waited bool) {
	p.t.Helper()
	all := p.answers(parent)
	last, ok := all[len(all)-1].(*message.Provision)
	if !ok || last.Outcome != message.Ready || len(all) > 1 != waited {
		p.t.Errorf("%d answers, the last %+v", len(all), all[len(all)-1])
	}
}

// failed returns the failure of a package that has waited.
func (p *park) failed(parent message.ID) *message.Failure {
	p.t.Helper()
	all := p.answers(parent)
	f, ok := all[len(all)-1].(*message.Failure)
	if !ok {
		p.t.Fatalf("answer %+v, want a failure", all[len(all)-1])
	}
	return f
}
