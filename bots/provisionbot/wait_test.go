package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foundry/bots/internal/wire"
	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// TestWaitForAnother pushes what is needed after what needs it, and before.
func TestWaitForAnother(t *testing.T) {
	t.Parallel()
	p := newPark(t)
	p.start("--dependency-grace", "1h")
	b := p.push("b", "liba (>= 2)")
	wait := p.waiting(b)
	if diff := cmp.Diff([]string{"liba (>= 2)"}, wait.WaitsFor); diff != "" || !cmp.Equal(wait.Binaries, []string{"libb"}) || wait.Image != nil {
		t.Errorf("waits %+v (-want +got)\n%s", wait, diff)
	}
	a := p.push("a", "")
	p.ready(a, false)
	p.publish("a", "1") // an older one is not enough
	p.publish("other", "1")
	p.publish("a2", "1")
	p.archive.add("liba", "2")
	p.publish("c", "1")
	p.ready(b, true)

	d := p.push("d", "libc, liba (>= 2)")
	p.ready(d, false)
}

// TestWokenByPublication does so at once, and needs one try for that.
func TestWokenByPublication(t *testing.T) {
	t.Parallel()
	p := newPark(t)
	p.every = time.Hour
	p.start("--dependency-grace", "1h")
	b := p.push("b", "liba (>= 2)")
	p.waiting(b)
	<-p.archive.looked // in vain, and not again for an hour
	p.publish("a", "2")
	p.ready(b, true)
	if tries := p.archive.tried("liba (>= 2)"); tries != 2 {
		t.Errorf("%d tries", tries)
	}
}

// TestNoWakeUpIsLost has the package come while the answer that it is not there is on its way.
func TestNoWakeUpIsLost(t *testing.T) {
	t.Parallel()
	p := newPark(t)
	p.every = time.Hour
	p.archive.between = func() { p.publish("a", "1") }
	p.start("--dependency-grace", "1h")
	b := p.push("b", "liba")
	p.ready(b, true)
}

// TestWokenByTimer has something outside bring the package.
func TestWokenByTimer(t *testing.T) {
	t.Parallel()
	p := newPark(t)
	p.start("--dependency-grace", "1h")
	b := p.push("b", "outside")
	p.waiting(b)
	p.archive.add("outside", "1")
	p.ready(b, true)
}

// TestUnclearFailsAtOnce does not wait where more is wrong than that a package is absent.
func TestUnclearFailsAtOnce(t *testing.T) {
	t.Parallel()
	p := newPark(t)
	p.start()
	for name, depends := range map[string]string{"b": "broken", "c": "broken, liba", "d": "liba ("} {
		if all := p.answers(p.push(name, depends)); len(all) != 1 || all[0].Type() != message.TypeFailure {
			t.Errorf("%s: %d answers, the first %+v", depends, len(all), all[0])
		}
	}
}

// TestGrace fails what nothing on its way brings, with all that one needs to know.
func TestGrace(t *testing.T) {
	t.Parallel()
	p := newPark(t)
	p.every = time.Hour // nothing else happens that would have it looked at
	p.start("--dependency-grace", "100ms")
	b := p.push("b", "liba (>= 2), nothing")
	f := p.failed(b)
	context := "pb-20261120-231501-9f3c2a"
	if f.Reason != "unsatisfiable build dependencies: liba (>= 2), nothing" || f.Class != message.ClassPackage || f.Architecture != "amd64" || f.Log == nil ||
		f.Hint != "submit what brings liba (>= 2), nothing, then: foundry retry "+context {
		t.Errorf("failure %+v", f)
	}
}

// TestGraceCountsFromTheEnd waits for as long as something may bring the package, and gives up soon
// after that has failed.
func TestGraceCountsFromTheEnd(t *testing.T) {
	t.Parallel()
	p := newPark(t)
	p.start("--dependency-grace", "1ms")
	a := p.push("a", "")
	p.ready(a, false)
	b := p.push("b", "liba")
	p.waiting(b)
	x := p.push("x", "libnone") // fails of grace, so that b has been looked at too
	p.failed(x)
	if all := p.follow(b, func(message.Body) bool { return true }); len(all) != 1 {
		t.Errorf("%d answers while the other is on its way", len(all))
	}
	s := source("pa", "", "any")
	p.speak(message.Failures, "a", a, &message.Failure{
		Origin: s.Origin, Package: s.Package, Architecture: "amd64", Stage: "buildbot", Class: message.ClassPackage, Reason: "x",
	})
	p.failed(b)
}

// TestCommitMayBringIt waits for a commit that no source package has come of yet.
func TestCommitMayBringIt(t *testing.T) {
	t.Parallel()
	p := newPark(t)
	p.start("--dependency-grace", "1ms")
	c := p.speak(message.Commits, "c", "", &message.Commit{
		Origin: message.Origin{Repository: "/srv/git/c", Branch: "main", Ref: strings.Repeat("c", 40)}, Time: source("pc", "").Time,
	})
	b := p.push("b", "liba")
	p.waiting(b)
	p.ready(p.push("z", ""), false)
	s := source("pc", "", "any")
	p.Say("sourcebot", "pc", c, s, "acme")
	p.failed(b)
}

// TestDependencyWait gives up on what is on its way for too long.
func TestDependencyWait(t *testing.T) {
	t.Parallel()
	p := newPark(t)
	p.start("--dependency-grace", "1h", "--dependency-wait", "300ms")
	p.push("a", "")
	b := p.push("b", "liba")
	if f := p.failed(b); !strings.HasPrefix(f.Reason, "unsatisfiable build dependencies: liba") {
		t.Errorf("failure %+v", f)
	}
}

// TestCircles has packages that wait for each other, and one that waits for them.
func TestCircles(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		depends []string // of a, b, c, d
		reason  string
		members int
	}{
		{"Itself", []string{"liba (>= 2)"}, "pa waits for liba (>= 2) of pa", 1},
		{"Two", []string{"libb (>= 2)", "liba"}, "pa waits for libb (>= 2) of pb, pb waits for liba of pa", 2},
		{"Three", []string{"libb", "libc", "liba"}, "pa waits for libb of pb, pb waits for libc of pc, pc waits for liba of pa", 3},
		{"OneOutside", []string{"libb", "liba", "liba"}, "pa waits for libb of pb, pb waits for liba of pa", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPark(t)
			p.start("--dependency-grace", "100ms")
			var ids []message.ID
			for i, depends := range test.depends {
				ids = append(ids, p.push(string(rune('a'+i)), depends))
			}
			for i, id := range ids {
				want := circleReason + test.reason
				if i >= test.members {
					want = "unsatisfiable build dependencies: " + test.depends[i]
				}
				if f := p.failed(id); f.Reason != want {
					t.Errorf("%c: %s", 'a'+i, f.Reason)
				}
			}
		})
	}
}

// TestNoCircle has alternatives, one of which is on its way.
func TestNoCircle(t *testing.T) {
	t.Parallel()
	p := newPark(t)
	p.start("--dependency-grace", "1h")
	c := p.push("c", "")
	p.ready(c, false)
	a, b := p.push("a", "libb | libc"), p.push("b", "liba")
	p.waiting(a)
	p.waiting(b)
	p.publish("c", "1")
	p.ready(a, true)
	p.publish("a", "1")
	p.ready(b, true)
}

// unsettled gives the first message back after its answers were published, as if the bot had been
// killed just then.
type unsettled struct {
	bus.Bus
	given atomic.Bool
}

func (u *unsettled) Consume(ctx context.Context, e bus.Endpoint, handle bus.Handler) error {
	return u.Bus.Consume(ctx, e, func(ctx context.Context, raw bus.Raw) error {
		err := handle(ctx, raw)
		if err == nil && u.given.CompareAndSwap(false, true) {
			return bus.ErrGiveBack
		}
		return err
	})
}

func TestKilledBeforeAcknowledging(t *testing.T) {
	t.Parallel()
	p := newPark(t)
	p.startOn(func(ctx context.Context, c bot.Connection) (bot.Ports, error) {
		ports, err := wire.Connect(ctx, c)
		ports.Bus = &unsettled{Bus: ports.Bus}
		return ports, err
	}, "--dependency-grace", "1h")
	b := p.push("b", "liba")
	p.waiting(b)
	p.ready(p.push("z", ""), false) // b was delivered again before
	p.publish("a", "1")
	p.ready(b, true)
}

// TestRestart kills a bot that has packages waiting; what they wait for comes while none is there.
func TestRestart(t *testing.T) {
	t.Parallel()
	p := newPark(t)
	first := p.start("--dependency-grace", "1h")
	b, c := p.push("b", "liba"), p.push("c", "outside")
	p.waiting(b)
	p.waiting(c)
	first.kill()
	p.publish("a", "1")
	p.archive.add("outside", "1")
	p.start("--dependency-grace", "1h")
	p.ready(b, true)
	p.ready(c, true)
}

// TestTwoBots has one of them look after what waits, and the other when that one is gone.
func TestTwoBots(t *testing.T) {
	t.Parallel()
	p := newPark(t)
	first := p.start("--dependency-grace", "1h")
	var ids []message.ID
	for i := range 4 {
		ids = append(ids, p.push(fmt.Sprint("b", i), fmt.Sprintf("liba (>= %d)", i)))
		p.waiting(ids[i])
	}
	p.start("--dependency-grace", "1h")
	p.publish("a", "1")
	p.ready(ids[0], true)
	p.ready(ids[1], true)
	for i := range 2 {
		if tries := p.archive.tried(fmt.Sprintf("liba (>= %d)", i)); tries != 2 {
			t.Errorf("%d tries of two bots", tries)
		}
	}
	first.kill()
	p.publish("a2", "1")
	p.archive.add("liba", "3")
	p.ready(ids[2], true)
	p.ready(ids[3], true)
}

// stumbling breaks off the first readings after a message.
type stumbling struct {
	bus.Bus
	left atomic.Int32
}

func (s *stumbling) Tail(ctx context.Context, filter bus.Filter, f func(bus.Raw) error) error {
	return s.Bus.Tail(ctx, filter, func(raw bus.Raw) error {
		if err := f(raw); err != nil || s.left.Add(-1) < 0 {
			return err
		}
		return errors.New("the bus cannot be read")
	})
}

// TestReadingGoesOn has the bus be unreadable again and again.
func TestReadingGoesOn(t *testing.T) {
	t.Parallel()
	p := newPark(t)
	for _, name := range []string{"x", "y", "z"} {
		p.push(name, "")
	}
	stumbling := new(stumbling)
	stumbling.left.Store(5)
	p.startOn(func(ctx context.Context, c bot.Connection) (bot.Ports, error) {
		ports, err := wire.Connect(ctx, c)
		stumbling.Bus, ports.Bus = ports.Bus, stumbling
		return ports, err
	}, "--dependency-grace", "1h")
	b := p.push("b", "liba")
	p.waiting(b)
	p.publish("a", "1")
	p.ready(b, true)
	if stumbling.left.Load() >= 0 {
		t.Error("nothing was read")
	}
}
