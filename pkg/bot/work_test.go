package bot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"foundry/pkg/artifact/folder"
	"foundry/pkg/bus"
	"foundry/pkg/bus/jetstream"
	"foundry/pkg/message"
)

// farm is a real bus with a state folder, for bots under test.
type farm struct {
	t     *testing.T
	state string
	url   string
	conn  *jetstream.Conn
	seal  *bus.Sealer // speaks on commits, as a watchbot does
	self  message.Bot
}

func newFarm(t *testing.T) *farm {
	t.Helper()
	f := &farm{t: t, state: t.TempDir(), self: message.Bot{Name: "watchbot", Instance: "watchbot-00000000", Host: "host", Endpoint: "pub/watchbot", Version: Version}}
	public, err := jetstream.LoadOrCreateNKey(NKeyFile(f.state, "sourcebot"))
	if err != nil {
		t.Fatal(err)
	}
	server, err := jetstream.StartServer(jetstream.ServerOptions{
		Dir: t.TempDir(), Users: []jetstream.User{{NKey: public, Role: jetstream.Role{All: true}}}, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	f.url = server.URL()
	if f.seal, err = NewSealer(f.state, "watchbot", []message.Topic{message.Commits, message.ControlTopic}); err != nil {
		t.Fatal(err)
	}
	f.conn, err = jetstream.Connect(t.Context(), jetstream.Options{URL: f.url, NKeyFile: NKeyFile(f.state, "sourcebot"), Name: "test", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.conn.Close() })
	return f
}

func (f *farm) connect(ctx context.Context, c Connection) (Ports, error) {
	conn, err := jetstream.Connect(ctx, jetstream.Options{URL: c.URL, NKeyFile: c.NKeyFile, Name: c.Name, Log: c.Log})
	if err != nil {
		return Ports{}, err
	}
	store, err := folder.Open(filepath.Join(f.state, "artifacts"))
	return Ports{Bus: conn, Values: conn, Logs: conn, Herd: conn, Store: store}, err
}

// start runs a bot with this step until the test ends, or the returned function is called; that
// waits for its end.
func (f *farm) start(s Step, args ...string) (stop func() error) {
	f.t.Helper()
	var flags testFlags
	d := testDefinition(&flags)
	d.Run = func(ctx context.Context, b *Bot) error { return b.Work(ctx, s) }
	p := &program{d: d, connect: f.connect, out: new(bytes.Buffer), err: new(bytes.Buffer)}
	cmd := p.command(append([]string{"--state", f.state, "--bus", f.url}, args...))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- cmd.ExecuteContext(ctx) }()
	f.t.Cleanup(cancel)
	return func() error {
		cancel()
		return <-ended
	}
}

func (f *farm) commit(name string) *message.Message {
	f.t.Helper()
	m, err := message.NewCommit(f.self, &message.Commit{
		Origin: message.Origin{Repository: "/srv/git/" + name, Branch: "stable", Ref: strings.Repeat("a", 40)},
		Time:   time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return m
}

func (f *farm) publish(m *message.Message) bus.Raw {
	f.t.Helper()
	raw, err := f.seal.Seal(m)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := f.conn.Publish(f.t.Context(), raw); err != nil {
		f.t.Fatal(err)
	}
	return raw
}

// next waits for the first message on topic that answers parent.
func (f *farm) next(topic message.Topic, parent message.ID) message.Body {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	var found message.Body
	err := f.conn.Tail(ctx, bus.Filter{Topics: []message.Topic{topic}, Follow: true}, func(raw bus.Raw) error {
		m, body, err := f.seal.Open(raw)
		if err != nil {
			return err
		}
		if m.Parent != parent {
			return nil
		}
		found = body
		return errFound
	})
	if !errors.Is(err, errFound) {
		f.t.Fatalf("no answer on %s to %q: %v", topic, parent, err)
	}
	return found
}

var errFound = errors.New("found")

func sourceResult() Result {
	return Result{Siblings: []string{"bookworm"}, Body: &message.Source{
		Origin:  message.Origin{Repository: "/srv/git/hello", Branch: "stable", Ref: strings.Repeat("a", 40)},
		Package: message.Package{Source: "hello", Version: "1.0", Codename: "bookworm"},
		Format:  "3.0 (native)", Architectures: []string{"any"}, IndepArchitecture: "amd64",
		Files: []message.Artifact{{Name: "hello_1.0.dsc", Size: 1, SHA256: message.Digest(strings.Repeat("0", 64))}},
		Time:  time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC),
	}}
}

func expectSource(*message.Message, message.Body) []Result {
	return []Result{{Body: new(message.Source), Siblings: []string{"bookworm"}}}
}

func TestWorkOnceOnly(t *testing.T) {
	f := newFarm(t)
	var calls atomic.Int32
	step := Step{Results: expectSource, Do: func(context.Context, *Job) ([]Result, error) {
		calls.Add(1)
		return []Result{sourceResult()}, nil
	}}
	m := f.commit("hello")
	f.publish(m)
	stop := f.start(step)
	if got := f.next(message.Sources, m.ID).(*message.Source); got.Source != "hello" {
		t.Errorf("source %q, want hello", got.Source)
	}
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	// A bot of another group gets the message too, and finds the answer given.
	f.start(step, "--endpoint", "pub/other")
	second := f.commit("second")
	f.publish(second)
	f.next(message.Sources, second.ID)
	if n := calls.Load(); n != 2 {
		t.Errorf("step called %d times for two messages, want 2", n)
	}
}

func TestFailureIsPublishedOnce(t *testing.T) {
	f := newFarm(t)
	var calls atomic.Int32
	f.start(Step{Do: func(_ context.Context, j *Job) ([]Result, error) {
		calls.Add(1)
		log, err := j.OpenLog("amd64")
		if err != nil {
			return nil, err
		}
		for i := range 50 {
			fmt.Fprintf(log, "line %d\x1b[31m\u202e\xff\n", i)
		}
		ref, tail, err := log.Finish(t.Context())
		if err != nil {
			return nil, err
		}
		return nil, &Failure{Class: message.ClassPackage, Reason: "does not\nbuild", Hint: "mend it", Log: &ref, Tail: tail}
	}})
	m := f.commit("broken")
	f.publish(m)
	got := f.next(message.Failures, m.ID).(*message.Failure)
	if got.Reason != "does not build" || got.Stage != "sourcebot" || got.Repository != "/srv/git/broken" || got.Log == nil {
		t.Errorf("failure %+v", got)
	}
	if len(got.Tail) != 40 || got.Tail[39] != "line 49[31m\ufffd" {
		t.Errorf("%d lines of log, the last %q", len(got.Tail), got.Tail[len(got.Tail)-1])
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("step called %d times, want once", n)
	}
}

func TestTroubleIsTriedAgainThenGivenUp(t *testing.T) {
	f := newFarm(t)
	var calls atomic.Int32
	f.start(Step{Do: func(context.Context, *Job) ([]Result, error) {
		if calls.Add(1) == 1 {
			panic("hostile input")
		}
		return nil, Hint(&bus.RetryError{After: time.Millisecond, Err: errors.New("disk full")}, "make room")
	}}, "--ack-wait", "1s")
	m := f.commit("unlucky")
	f.publish(m)
	// A panic has no delay of its own, so this waits for bus.RetryDelay once.
	got := f.next(message.Failures, m.ID).(*message.Failure)
	if got.Class != message.ClassInfrastructure || got.Reason != "disk full" || got.Hint != "make room" {
		t.Errorf("failure %+v", got)
	}
	if n := calls.Load(); n != bus.MaxDeliver {
		t.Errorf("tried %d times, want %d", n, bus.MaxDeliver)
	}
}

func TestForgedMessageIsReportedAndNotActedOn(t *testing.T) {
	f := newFarm(t)
	stranger, err := NewSealer(t.TempDir(), "watchbot", []message.Topic{message.Commits})
	if err != nil {
		t.Fatal(err)
	}
	forged, err := stranger.Seal(f.commit("forged"))
	if err != nil {
		t.Fatal(err)
	}
	unsigned, err := f.seal.Seal(f.commit("unsigned"))
	if err != nil {
		t.Fatal(err)
	}
	unsigned.Signature = nil
	for _, raw := range []bus.Raw{forged, unsigned} {
		if err := f.conn.Publish(t.Context(), raw); err != nil {
			t.Fatal(err)
		}
	}
	var seen atomic.Value
	f.start(Step{Do: func(_ context.Context, j *Job) ([]Result, error) {
		seen.Store(j.Body.(*message.Commit).Repository)
		return []Result{sourceResult()}, nil
	}})
	honest := f.commit("honest")
	f.publish(honest)
	f.next(message.Sources, honest.ID)
	if got := seen.Load(); got != "/srv/git/honest" {
		t.Errorf("acted on %v", got)
	}
	var reasons []string
	err = f.conn.Tail(t.Context(), bus.Filter{Topics: []message.Topic{message.Rejects}}, func(raw bus.Raw) error {
		_, body, err := f.seal.Open(raw)
		if err == nil {
			reasons = append(reasons, body.(*message.Reject).Reason)
		}
		return err
	})
	if err != nil || len(reasons) != 2 {
		t.Errorf("rejects %q, %v; want two", reasons, err)
	}
}

func TestStopByMessageFinishesTheJob(t *testing.T) {
	f := newFarm(t)
	begun, finish := make(chan string), make(chan struct{})
	f.start(Step{Do: func(_ context.Context, j *Job) ([]Result, error) {
		begun <- j.Dir
		<-finish
		return []Result{sourceResult()}, nil
	}})
	m := f.commit("hello")
	f.publish(m)
	dir := <-begun
	states, err := ListBots(t.Context(), f.conn)
	if err != nil || len(states) != 1 || states[0].State != "busy" || states[0].Jobs[0].Context != m.Context {
		t.Fatalf("bots %+v, %v; want one that is busy with %s", states, err, m.Context)
	}
	var table bytes.Buffer
	if err := PrintBots(&table, states, false); err != nil || !strings.Contains(table.String(), m.Context) {
		t.Errorf("list %q, %v", table.String(), err)
	}
	if _, err := StopBot(t.Context(), f.conn, f.seal, f.self, "nobody"); err == nil {
		t.Error("stopped a bot that is not there")
	}
	if _, err := StopBot(t.Context(), f.conn, f.seal, f.self, fmt.Sprint(states[0].PID)); err != nil {
		t.Fatal(err)
	}
	close(finish)
	f.next(message.Sources, m.ID)
	for {
		if states, err = ListBots(t.Context(), f.conn); err != nil {
			t.Fatal(err)
		}
		if len(states) == 0 {
			break
		}
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("scratch folder is left: %v", err)
	}
}

func TestStopByStrangerIsNotObeyed(t *testing.T) {
	f := newFarm(t)
	stranger, err := NewSealer(t.TempDir(), "watchbot", []message.Topic{message.ControlTopic})
	if err != nil {
		t.Fatal(err)
	}
	f.start(Step{Do: func(context.Context, *Job) ([]Result, error) { return []Result{sourceResult()}, nil }})
	m := f.commit("first")
	f.publish(m)
	f.next(message.Sources, m.ID)
	states, err := ListBots(t.Context(), f.conn)
	if err != nil || len(states) != 1 {
		t.Fatalf("bots %+v, %v", states, err)
	}
	if _, err := StopBot(t.Context(), f.conn, stranger, f.self, states[0].Instance); err == nil {
		t.Error("a stranger's stop was accepted")
	}
	m = f.commit("second")
	f.publish(m)
	f.next(message.Sources, m.ID)
}
