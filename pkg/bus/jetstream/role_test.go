package jetstream

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// TestRole has a bot with a role of its own do all its work, and nothing that is another's.
func TestRole(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	herder := s.connect(t)
	nkey := filepath.Join(t.TempDir(), "nkey")
	public, err := LoadOrCreateNKey(nkey)
	if err != nil {
		t.Fatal(err)
	}
	role := Role{Publish: []message.Topic{message.Builds, message.Failures}}
	all := User{NKey: s.public, Role: Role{All: true}}
	if err := s.server.SetUsers([]User{all, {NKey: public, Role: role}}); err != nil {
		t.Fatal(err)
	}
	c, err := Connect(t.Context(), Options{URL: s.server.URL(), NKeyFile: nkey, Name: "buildbot-1", Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()

	// its own work
	if err := c.Publish(ctx, build(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Lookup(ctx, message.Builds, build(1).ID); err != nil {
		t.Error(err)
	}
	if err := c.Put(ctx, "a.b", []byte("x"), 0); err != nil {
		t.Error(err)
	}
	if _, _, err := c.Get(ctx, "a.b"); err != nil {
		t.Error(err)
	}
	seen := 0
	if err := c.Tail(ctx, bus.Filter{}, func(bus.Raw) error { seen++; return nil }); err != nil || seen != 1 {
		t.Errorf("tail saw %d: %v", seen, err)
	}
	// its lease is renewed: the message does not come twice
	deliveries, finished := make(chan int, 10), make(chan struct{}, 10)
	lease := 300 * time.Millisecond
	consumeUntil(t, c, bus.Endpoint{Name: "pub/buildbot", Topic: message.Builds, Jobs: 2, AckWait: lease}, func(_ context.Context, r bus.Raw) error {
		deliveries <- r.Delivery
		time.Sleep(4 * lease) // a job that takes longer than its lease
		finished <- struct{}{}
		return nil
	})
	select {
	case n := <-deliveries:
		if n != 1 {
			t.Errorf("delivery %d", n)
		}
	case <-c.failed:
		t.Fatal(c.failure)
	case <-ctx.Done():
		t.Fatal("no message")
	}
	w := c.Writer("hello", "buildbot", "amd64")
	if _, err := w.Write([]byte("line\n")); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	text := ""
	if err := herder.Read(ctx, "hello", false, func(l bus.LogChunk) error { text += string(l.Text); return nil }); err != nil || text != "line\n" {
		t.Errorf("read log %q: %v", text, err)
	}
	state := func() bus.State { return bus.State{Instance: "buildbot-1", Bot: "buildbot"} }
	if err := c.Join(ctx, "buildbot-1", state, func(bus.Raw) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for name, who := range map[string]*Conn{"herder": herder, "bot": c} { // every bot has --list and --stop
		if err := who.Control(ctx, "buildbot-1", bus.Raw{Topic: message.ControlTopic, Key: "buildbot-1", ID: "1"}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if states, err := who.List(ctx, 300*time.Millisecond); err != nil || len(states) != 1 {
			t.Errorf("%s found %v, %v", name, states, err)
		}
	}

	// another's
	foreign := build(2)
	foreign.Topic = message.Signs
	began := time.Now()
	err = c.Publish(ctx, foreign)
	var help *Error
	if !errors.As(err, &help) || help.Hint() == "" || !strings.Contains(strings.ToLower(err.Error()), "permissions violation") {
		t.Errorf("publishing on another's topic: %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the refusal took %s", took)
	}
	if _, err := herder.Lookup(ctx, message.Signs, foreign.ID); !errors.Is(err, bus.ErrNotFound) {
		t.Errorf("it is there: %v", err)
	}
	<-finished
	select {
	case n := <-deliveries:
		t.Errorf("delivery %d", n)
	default:
	}

	// who is no user any more is cut off
	if err := s.server.SetUsers([]User{all}); err != nil {
		t.Fatal(err)
	}
	if _, err := Connect(ctx, Options{URL: s.server.URL(), NKeyFile: nkey, Name: "buildbot", Wait: time.Second}); err == nil || !strings.Contains(err.Error(), "not authorized") {
		t.Errorf("connecting without being a user: %v", err)
	}
}
