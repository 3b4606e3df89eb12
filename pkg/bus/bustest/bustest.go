// Package bustest holds the contract suite of package bus: what every adapter guarantees, tried
// against a real server.
package bustest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// Opener is a server of the adapter under test that nothing else uses.
type Opener interface {
	// Connect opens another connection, which is closed when the test ends.
	Connect(t *testing.T) Member
	// Restart stops the server and starts it again, at the same address with what it has kept.
	Restart(t *testing.T)
	// Cut breaks every connection that is open at the moment.
	Cut(t *testing.T)
}

// Member is one program on the bus.
type Member interface {
	bus.Bus
	bus.Values
	bus.Logs
	bus.Herd
}

// patience is how long anything may take that a test waits for.
const patience = 30 * time.Second

// Run runs the suite. open is called for each test, with the test's own t.
func Run(t *testing.T, open func(t *testing.T) Opener) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, o Opener)
	}{
		{"publish keeps what was given", publishKeeps},
		{"publish refuses an id that is there", publishDuplicate},
		{"publish refuses what is no subject", publishMalformed},
		{"publish from many at once keeps one", publishRace},
		{"lookup of what is not there", lookupMissing},
		{"tail in order, by time and topic", tailKept},
		{"tail follows", tailFollows},
		{"consume acknowledges", consumeOnce},
		{"consume shares out between members", consumeShares},
		{"consume gives each endpoint everything", consumeEndpoints},
		{"consume only the key asked for", consumeKey},
		{"consume from now on", consumeNew},
		{"consume from a while ago", consumeSince},
		{"consume refuses other settings", consumeSettings},
		{"consume refuses names", consumeNames},
		{"consume tries again after the delay asked for", consumeRetry},
		{"consume terminates", consumeTerminate},
		{"consume gives back to another", consumeGiveBack},
		{"consume delivers again after the lease", consumeLease},
		{"consume renews the lease", consumeRenews},
		{"consume holds no more than its jobs", consumeJobs},
		{"consume drains", consumeDrain},
		{"consume ends with its context", consumeEnds},
		{"consume goes on after a restart", consumeRestart},
		{"consume goes on after a lost connection", consumeCut},
		{"publish waits for a restart", publishRestart},
		{"values compare and set", values},
		{"values of any key", valuesKeys},
		{"values from many at once", valuesRace},
		{"logs in order", logsOrder},
		{"logs follow", logsFollow},
		{"logs do not wait for the bus", logsAway},
		{"herd lists and controls", herd},
		{"herd does without who is not there", herdMissing},
		{"herd after a lost connection", herdCut},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open(t))
		})
	}
}

// testContext ends when the test has taken too long.
func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// raw is the n-th message of a topic. Adapters do not look inside.
func raw(topic message.Topic, key string, n int) bus.Raw {
	return bus.Raw{
		Topic: topic, Key: key, ID: message.MakeID(topic, message.TypeBuild, "", key, fmt.Sprint(n)),
		Payload: fmt.Appendf(nil, `{"n":%d}`, n), Signature: []byte{0, 1, 2, 0xff, byte(n)}, Signer: "ABCDEF",
	}
}

func publish(t *testing.T, m Member, raws ...bus.Raw) {
	t.Helper()
	for _, r := range raws {
		if err := m.Publish(testContext(t), r); err != nil {
			t.Fatal(err)
		}
	}
}

// many are messages first to last-1 of a topic.
func many(topic message.Topic, key string, first, last int) []bus.Raw {
	var raws []bus.Raw
	for n := first; n < last; n++ {
		raws = append(raws, raw(topic, key, n))
	}
	return raws
}

// consumer is a running Consume and what it has received.
type consumer struct {
	seen chan bus.Raw
	stop func()     // ends it and waits
	err  chan error // what Consume returned
	once *sync.Once
}

// consume runs Consume until the test ends. Every message is also sent on seen before handle.
func consume(t *testing.T, m Member, e bus.Endpoint, handle bus.Handler) *consumer {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := &consumer{seen: make(chan bus.Raw, 1000), err: make(chan error, 1), once: new(sync.Once)}
	go func() {
		c.err <- m.Consume(ctx, e, func(ctx context.Context, r bus.Raw) error {
			c.seen <- r
			if handle == nil {
				return nil
			}
			return handle(ctx, r)
		})
	}()
	c.stop = func() {
		c.once.Do(func() {
			cancel()
			c.ended(t)
		})
	}
	t.Cleanup(c.stop)
	return c
}

// ended waits for Consume to return nil.
func (c *consumer) ended(t *testing.T) {
	t.Helper()
	select {
	case err := <-c.err:
		c.err <- nil
		if err != nil {
			t.Errorf("Consume returned %v", err)
		}
	case <-time.After(patience):
		t.Error("Consume did not return")
	}
}

// next waits for one message.
func (c *consumer) next(t *testing.T) bus.Raw {
	t.Helper()
	select {
	case r := <-c.seen:
		return r
	case err := <-c.err:
		t.Fatalf("Consume returned %v", err)
	case <-time.After(patience):
		t.Fatal("no message")
	}
	return bus.Raw{}
}

// ids waits for n messages and returns how often each was seen.
func (c *consumer) ids(t *testing.T, n int) map[message.ID]int {
	t.Helper()
	ids := map[message.ID]int{}
	for range n {
		ids[c.next(t).ID]++
	}
	return ids
}

// idle makes sure that nothing was received that next has not returned.
func (c *consumer) idle(t *testing.T) {
	t.Helper()
	select {
	case r := <-c.seen:
		t.Errorf("received %s, delivery %d, too much", r.Payload, r.Delivery)
	default:
	}
}

// eventually tries f until it returns nil.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	deadline := time.After(patience)
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatal(err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

var errStop = errors.New("enough")
