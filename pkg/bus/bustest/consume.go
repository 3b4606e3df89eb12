package bustest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// endpoint watches builds with a lease that tests can wait for.
func endpoint(name string) bus.Endpoint {
	return bus.Endpoint{Name: name, Topic: message.Builds, Jobs: 1, AckWait: time.Second}
}

// finish publishes one more message and waits until the consumer has handled it, so that what was
// to come before has come.
func (c *consumer) finish(t *testing.T, m Member, n int) {
	t.Helper()
	last := raw(message.Builds, "amd64", n)
	publish(t, m, last)
	if got := c.next(t); got.ID != last.ID {
		t.Fatalf("received %s, delivery %d, want %s", got.Payload, got.Delivery, last.Payload)
	}
}

func consumeOnce(t *testing.T, o Opener) {
	m := o.Connect(t)
	publish(t, m, many(message.Builds, "amd64", 0, 5)...)
	c := consume(t, m, endpoint("pub/test"), nil)
	for n := range 5 {
		got := c.next(t)
		if want := raw(message.Builds, "amd64", n); got.ID != want.ID || got.Delivery != 1 || got.Sequence != uint64(n+1) {
			t.Errorf("received %s at %d, delivery %d", got.Payload, got.Sequence, got.Delivery)
		}
	}
	c.stop()
	c = consume(t, m, endpoint("pub/test"), nil)
	c.finish(t, m, 5)
	c.stop()
	c.idle(t)
}

func consumeShares(t *testing.T, o Opener) {
	const total = 10
	m := o.Connect(t)
	release := make(chan struct{})
	var both sync.WaitGroup
	both.Add(2)
	var members []*consumer
	for range 2 {
		var first sync.Once
		members = append(members, consume(t, o.Connect(t), endpoint("pub/test"), func(context.Context, bus.Raw) error {
			first.Do(both.Done) // each holds one before either may take another
			<-release
			return nil
		}))
	}
	publish(t, m, many(message.Builds, "amd64", 0, total)...)
	both.Wait()
	close(release)
	ids := map[message.ID]int{}
	for range total {
		select {
		case r := <-members[0].seen:
			ids[r.ID]++
		case r := <-members[1].seen:
			ids[r.ID]++
		case <-time.After(patience):
			t.Fatalf("received %d of %d", len(ids), total)
		}
	}
	if len(ids) != total {
		t.Errorf("received %d different messages of %d", len(ids), total)
	}
}

func consumeEndpoints(t *testing.T, o Opener) {
	m := o.Connect(t)
	publish(t, m, many(message.Builds, "amd64", 0, 5)...)
	for _, name := range []string{"pub/a", "pub/b"} {
		c := consume(t, o.Connect(t), endpoint(name), nil)
		if ids := c.ids(t, 5); len(ids) != 5 {
			t.Errorf("%s received %v", name, ids)
		}
	}
}

func consumeKey(t *testing.T, o Opener) {
	m := o.Connect(t)
	publish(t, m, raw(message.Builds, "i386", 0), raw(message.Signs, "amd64", 1), raw(message.Builds, "amd64", 2))
	e := endpoint("pub/test")
	e.Key = "amd64"
	c := consume(t, m, e, nil)
	if got := c.next(t); got.Key != "amd64" || got.Topic != message.Builds {
		t.Errorf("received %s of %s", got.Key, got.Topic)
	}
	c.finish(t, m, 3)
	c.idle(t)
}

func consumeNew(t *testing.T, o Opener) {
	m := o.Connect(t)
	publish(t, m, many(message.Builds, "amd64", 0, 3)...)
	e := endpoint("pub/test")
	e.From = bus.From{New: true}
	c := consume(t, m, e, nil)
	// the endpoint may be made after the first of these, not after all
	n := 3
	eventually(t, func() error {
		publish(t, m, raw(message.Builds, "amd64", n))
		n++
		select {
		case r := <-c.seen:
			c.seen <- r
			return nil
		case <-time.After(20 * time.Millisecond):
			return errors.New("nothing new is received")
		}
	})
	first := c.next(t)
	for old := range 3 {
		if first.ID == raw(message.Builds, "amd64", old).ID {
			t.Errorf("received %s, which is old", first.Payload)
		}
	}
	c.stop()
	// an endpoint that is there goes on where it was
	publish(t, m, raw(message.Builds, "amd64", 1000))
	c = consume(t, m, e, nil)
	for c.next(t).ID != raw(message.Builds, "amd64", 1000).ID {
	}
}

func consumeSince(t *testing.T, o Opener) {
	m := o.Connect(t)
	publish(t, m, many(message.Builds, "amd64", 0, 2)...)
	time.Sleep(2 * time.Second) // not to wait for anything: the messages are to be old
	cut := time.Now()
	publish(t, m, raw(message.Builds, "amd64", 2))
	e := endpoint("pub/test")
	e.From = bus.From{Since: time.Since(cut) + time.Second} // a slow machine has until then to open the endpoint
	c := consume(t, m, e, nil)
	if got := c.next(t); got.ID != raw(message.Builds, "amd64", 2).ID {
		t.Errorf("received %s", got.Payload)
	}
	e.Name, e.From.Since = "pub/hour", time.Hour
	c = consume(t, m, e, nil)
	if ids := c.ids(t, 3); len(ids) != 3 {
		t.Errorf("received %v", ids)
	}
}

func consumeSettings(t *testing.T, o Opener) {
	m := o.Connect(t)
	c := consume(t, m, endpoint("pub/test"), nil)
	c.finish(t, m, 1)
	for name, change := range map[string]func(*bus.Endpoint){
		"other key":       func(e *bus.Endpoint) { e.Key = "amd64" },
		"other topic":     func(e *bus.Endpoint) { e.Topic = message.Signs },
		"same when flat":  func(e *bus.Endpoint) { e.Name = "pub_test" },
		"malformed key":   func(e *bus.Endpoint) { e.Key = "a.b" },
		"malformed topic": func(e *bus.Endpoint) { e.Topic = "" },
	} {
		e := endpoint("pub/test")
		change(&e)
		if err := m.Consume(testContext(t), e, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for name, change := range map[string]func(*bus.Endpoint){
		"other lease": func(e *bus.Endpoint) { e.AckWait = time.Hour },
		"other start": func(e *bus.Endpoint) { e.From = bus.From{New: true} },
		"other since": func(e *bus.Endpoint) { e.From = bus.From{Since: time.Hour} },
		"other jobs":  func(e *bus.Endpoint) { e.Jobs = 3 },
	} {
		e := endpoint("pub/test")
		change(&e)
		drain := make(chan struct{})
		close(drain)
		e.Drain = drain
		if err := m.Consume(testContext(t), e, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func consumeNames(t *testing.T, o Opener) {
	m := o.Connect(t)
	for _, name := range []string{"", ".", "a.b", "a b", "a*", ">", "ä", "a\nb"} {
		if err := m.Consume(testContext(t), endpoint(name), nil); err == nil {
			t.Errorf("endpoint %q: no error", name)
		}
	}
}

func consumeRetry(t *testing.T, o Opener) {
	const delay = 300 * time.Millisecond
	m := o.Connect(t)
	publish(t, m, raw(message.Builds, "amd64", 1))
	var last time.Time
	c := consume(t, m, endpoint("pub/test"), func(_ context.Context, r bus.Raw) error {
		if r.Delivery > 1 && time.Since(last) < delay {
			t.Errorf("delivery %d after %s", r.Delivery, time.Since(last))
		}
		last = time.Now()
		switch r.Delivery {
		case 1:
			return &bus.RetryError{After: delay, Err: errors.New("trouble")}
		case 2:
			return fmt.Errorf("wrapped: %w", &bus.RetryError{After: delay, Err: errors.New("trouble")})
		}
		return nil
	})
	for n := 1; n <= 3; n++ {
		if got := c.next(t); got.Delivery != n {
			t.Errorf("delivery %d, want %d", got.Delivery, n)
		}
	}
	c.finish(t, m, 2)
}

func consumeTerminate(t *testing.T, o Opener) {
	m := o.Connect(t)
	publish(t, m, raw(message.Builds, "amd64", 1))
	e := endpoint("pub/test")
	c := consume(t, m, e, func(_ context.Context, r bus.Raw) error {
		if r.ID == raw(message.Builds, "amd64", 1).ID {
			return fmt.Errorf("not believed: %w", bus.ErrTerminate)
		}
		return nil
	})
	c.next(t)
	c.finish(t, m, 2)
	c.stop()
	c = consume(t, m, e, nil)
	c.finish(t, m, 3)
	c.stop()
	c.idle(t)
}

func consumeGiveBack(t *testing.T, o Opener) {
	m := o.Connect(t)
	publish(t, m, raw(message.Builds, "amd64", 1))
	e := endpoint("pub/test")
	e.AckWait = time.Hour // so that only giving back brings it to the other
	c := consume(t, m, e, func(ctx context.Context, _ bus.Raw) error {
		<-ctx.Done()
		return bus.ErrGiveBack
	})
	c.next(t)
	other := consume(t, o.Connect(t), e, nil)
	c.stop()
	if got := other.next(t); got.Delivery != 2 {
		t.Errorf("delivery %d", got.Delivery)
	}
}

func consumeLease(t *testing.T, o Opener) {
	m, dying := o.Connect(t), o.Connect(t)
	publish(t, m, raw(message.Builds, "amd64", 1))
	release := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	taken, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		_ = dying.Consume(ctx, endpoint("pub/test"), func(context.Context, bus.Raw) error {
			close(taken)
			<-release
			return nil
		})
	}()
	<-taken
	if err := dying.Close(); err != nil { // it says nothing more
		t.Fatal(err)
	}
	c := consume(t, m, endpoint("pub/test"), nil)
	if got := c.next(t); got.Delivery != 2 {
		t.Errorf("delivery %d", got.Delivery)
	}
	close(release)
	<-ended
}

func consumeRenews(t *testing.T, o Opener) {
	m := o.Connect(t)
	publish(t, m, raw(message.Builds, "amd64", 1))
	e := endpoint("pub/test")
	lease := e.AckWait
	drained := make(chan struct{})
	close(drained)
	e.Drain = drained
	if err := m.Consume(testContext(t), e, nil); err != nil { // makes the endpoint, with its lease
		t.Fatal(err)
	}
	drain, finished := make(chan struct{}), make(chan struct{})
	e.Drain = drain       // so that what follows goes to the other
	e.AckWait = time.Hour // which is not that of the endpoint, so does not count
	c := consume(t, m, e, func(_ context.Context, r bus.Raw) error {
		if r.ID == raw(message.Builds, "amd64", 1).ID {
			time.Sleep(3 * lease) // a job that takes longer than its lease
			close(finished)
		}
		return nil
	})
	c.next(t)
	close(drain)
	e.Drain = nil
	other := consume(t, o.Connect(t), e, nil) // it would be delivered to this one
	<-finished
	other.finish(t, m, 2)
	other.stop()
	other.idle(t)
}

func consumeJobs(t *testing.T, o Opener) {
	m := o.Connect(t)
	publish(t, m, many(message.Builds, "amd64", 0, 20)...)
	e := endpoint("pub/test")
	e.Jobs = 3
	var running, most atomic.Int32
	full := make(chan struct{})
	var once sync.Once
	c := consume(t, m, e, func(context.Context, bus.Raw) error {
		now := running.Add(1)
		defer running.Add(-1)
		if now > most.Load() {
			most.Store(now)
		}
		if now == 3 {
			once.Do(func() { close(full) })
		}
		<-full
		return nil
	})
	if ids := c.ids(t, 20); len(ids) != 20 {
		t.Errorf("received %v", ids)
	}
	if n := most.Load(); n != 3 {
		t.Errorf("%d handlers at a time, want 3", n)
	}
}
