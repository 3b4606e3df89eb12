package bustest

import (
	"context"
	"sync"
	"testing"
	"time"

	"foundry/pkg/bus"
	"foundry/pkg/message"
)

func consumeDrain(t *testing.T, o Opener) {
	m := o.Connect(t)
	e := endpoint("pub/test")
	e.AckWait = time.Hour // so that nothing comes again by itself
	e.Jobs = 2            // one of them waits for a message
	drain, release := make(chan struct{}), make(chan struct{})
	e.Drain = drain
	publish(t, m, raw(message.Builds, "amd64", 0))
	c := consume(t, m, e, func(ctx context.Context, _ bus.Raw) error {
		<-release
		return ctx.Err() // draining does not end the work
	})
	c.next(t)
	close(drain)
	e.Drain = nil
	other := consume(t, o.Connect(t), e, nil)
	publish(t, m, many(message.Builds, "amd64", 1, 10)...)
	close(release)
	c.ended(t)
	// whatever the first was sent while it was draining has gone to the other at once
	taken := len(c.seen)
	if ids := other.ids(t, 9-taken); len(ids) != 9-taken {
		t.Errorf("received %v", ids)
	}
	other.stop()
	other.idle(t)
}

func consumeEnds(t *testing.T, o Opener) {
	m := o.Connect(t)
	e := endpoint("pub/test")
	e.AckWait, e.Jobs = time.Hour, 4
	publish(t, m, raw(message.Builds, "amd64", 0))
	c := consume(t, m, e, func(ctx context.Context, _ bus.Raw) error {
		<-ctx.Done()
		return ctx.Err()
	})
	c.next(t)
	c.stop()
	c = consume(t, m, e, nil)
	if got := c.next(t); got.Delivery != 2 { // given back at once
		t.Errorf("delivery %d", got.Delivery)
	}
}

func consumeRestart(t *testing.T, o Opener) {
	m := o.Connect(t)
	publish(t, m, many(message.Builds, "amd64", 0, 5)...)
	e := endpoint("pub/test")
	e.AckWait = 10 * time.Second
	restarting, restarted := make(chan struct{}), make(chan struct{})
	var once sync.Once
	c := consume(t, m, e, func(context.Context, bus.Raw) error {
		once.Do(func() {
			close(restarting)
			<-restarted // the server goes and comes while the message is worked on
		})
		return nil
	})
	<-restarting
	o.Restart(t)
	close(restarted)
	if ids := c.ids(t, 5); len(ids) != 5 {
		t.Errorf("received %v", ids)
	}
	c.finish(t, m, 6)
	o.Restart(t) // while nothing is to do
	c.finish(t, m, 7)
	c.stop()
	c.idle(t)
}

func consumeCut(t *testing.T, o Opener) {
	m := o.Connect(t)
	e := endpoint("pub/test")
	e.AckWait = time.Hour // a message that the loss swallows would not come again in time
	e.Jobs = 3
	c := consume(t, m, e, nil)
	for n := range 10 {
		c.finish(t, m, n)
		o.Cut(t)
	}
	c.stop()
	c.idle(t)
}
