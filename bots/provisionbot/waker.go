package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/message"
)

const (
	// lookEvery is how often source lists are asked whether they have changed, for packages that wait.
	lookEvery = 30 * time.Second
	// lookLess is the part of the time that a package has waited that passes between two looks.
	lookLess = 20
	// lookSeldom is the longest time between two looks.
	lookSeldom = 10 * time.Minute
)

// A waker looks after the packages that wait: it tries again when what they wait for may have come,
// and fails those that wait in vain. Which they are it reads from the bus, so it finds them again
// after a restart; of several bots of an endpoint one does this at a time.
type waker struct {
	p      *provisioner
	b      *bot.Bot
	ledger *ledger
	turn   *turn
	every  time.Duration // see lookEvery
	news   chan struct{} // the ledger has changed
	again  func(bus.Raw) error

	mu    sync.Mutex
	looks map[message.ID]*look
}

// A look is what is known of a package from the last try.
type look struct {
	made     time.Time
	key      string       // of the request then; empty for one that this bot has not tried
	brought  uint64       // the part's, then
	checked  time.Time    // when it was tried, or the key looked at
	trouble  int          // tries in a row that have met with trouble
	hopeless time.Time    // since when nothing on its way can bring what it waits for
	verdict  *bot.Failure // what it fails with unless it can be built now
}

func newWaker(p *provisioner, b *bot.Bot) *waker {
	return &waker{
		p: p, b: b, ledger: newLedger(), every: lookEvery, news: make(chan struct{}, 1), looks: map[message.ID]*look{},
		turn: &turn{values: b.Values, key: "waker " + b.Settings.Endpoint, holder: b.Self.Instance, every: turnRenewed},
	}
}

// run reads the bus and looks after what waits until ctx ends.
func (w *waker) run(ctx context.Context, again func(bus.Raw) error) error {
	w.again = again
	// Nothing is decided before all that is kept was read.
	last := w.read(ctx, bus.Filter{Topics: w.ledger.topics()})
	var running sync.WaitGroup
	running.Go(func() { w.read(ctx, bus.Filter{Topics: w.ledger.topics(), Since: last, Follow: true}) })
	running.Go(func() { w.loop(ctx) })
	running.Go(func() { w.hold(ctx) })
	running.Wait()
	return nil
}

// read fills the ledger with what filter asks for, and tries on where that meets with trouble, until
// all is read or ctx ends. It returns when the last message was kept.
func (w *waker) read(ctx context.Context, filter bus.Filter) time.Time {
	for ctx.Err() == nil {
		err := w.b.Bus.Tail(ctx, filter, func(raw bus.Raw) error {
			m, body, err := w.b.Sealer.Open(raw)
			var rejected *bus.RejectError
			switch {
			case err == nil:
				w.ledger.take(raw, m, body)
				w.wake()
			case !errors.As(err, &rejected): // such as a keyring that cannot be read at this moment
				return err
			}
			filter.Since = raw.Stored
			return nil
		})
		if err == nil {
			break
		}
		if ctx.Err() == nil {
			w.b.NoteError(fmt.Errorf("read what waits: %w", err))
			w.b.Log.Warn().Err(err).Msg("what waits could not be read, trying on")
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(w.every, lookEvery)):
		}
	}
	return filter.Since
}

// wake has the packages that wait looked at soon.
func (w *waker) wake() {
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// loop looks at the packages that wait whenever something has happened, and now and then.
func (w *waker) loop(ctx context.Context) {
	for ctx.Err() == nil {
		timer := time.NewTimer(w.round(ctx))
		select {
		case <-ctx.Done():
		case <-w.news:
		case <-timer.C:
			w.ledger.forget(time.Now().Add(-message.MaxAge))
		}
		timer.Stop()
	}
}

// hold keeps the turn while something waits, also while a try takes long.
func (w *waker) hold(ctx context.Context) {
	tick := time.NewTicker(w.turn.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), turnRenewed)
			defer cancel()
			if err := w.turn.leave(ctx); err != nil {
				w.b.Log.Debug().Err(err).Msg("turn not given up")
			}
			return
		case <-tick.C:
			if len(w.ledger.waiters(w.p.Arch)) > 0 && w.mine(ctx) {
				w.wake()
			}
		}
	}
}

// mine tells whether it is this bot's turn.
func (w *waker) mine(ctx context.Context) bool {
	mine, err := w.turn.take(ctx, time.Now())
	if err != nil && ctx.Err() == nil {
		w.b.Log.Warn().Err(err).Msg("turn could not be told")
	}
	return mine
}

// round tries what may be satisfied now and fails what waits in vain. It returns when to look again
// if nothing happens before.
func (w *waker) round(ctx context.Context) (next time.Duration) {
	waiters := w.ledger.waiters(w.p.Arch)
	w.clean(waiters)
	if len(waiters) == 0 || !w.mine(ctx) {
		return w.every
	}
	next = w.every
	var group errgroup.Group
	group.SetLimit(max(w.b.Settings.Jobs, 1))
	now := time.Now()
	for _, x := range waiters {
		l := w.look(x.id)
		if left := w.judge(x, l, now); left > 0 {
			next = min(next, left)
		}
		if ctx.Err() != nil || !w.due(ctx, x, l, now) {
			continue
		}
		group.Go(func() error { w.try(ctx, x, l); return nil })
	}
	_ = group.Wait() // none of them returns an error
	return next
}

// try provisions once more.
func (w *waker) try(ctx context.Context, x waiter, l *look) {
	l.brought, l.checked = x.brought, time.Now()
	raw, err := w.b.Bus.Lookup(ctx, message.Topic(w.b.Settings.Watch), x.id)
	if err != nil {
		w.b.Log.Warn().Err(err).Str("context", x.context).Msg("waiting package is not to be found")
		return
	}
	if l.verdict != nil { // its end must not wait for trouble to pass for ever
		raw.Delivery = l.trouble + 1
	}
	if err := w.again(raw); err != nil && ctx.Err() == nil {
		l.trouble++
		w.b.Log.Debug().Err(err).Str("context", x.context).Msg("waiting package met with trouble")
		return
	}
	l.trouble = 0
}

// due tells whether x is to be tried now: nothing is known of it, or something has changed.
func (w *waker) due(ctx context.Context, x waiter, l *look, now time.Time) bool {
	w.mu.Lock()
	key, verdict := l.key, l.verdict
	w.mu.Unlock()
	switch {
	case l.checked.IsZero() && (verdict != nil || key == ""), x.brought > l.brought && l.trouble == 0:
		return true
	case !l.checked.IsZero() && now.Sub(l.checked) < min(max(w.every, now.Sub(x.since)/lookLess), lookSeldom):
		return false
	case verdict != nil || l.trouble > 0 || key == "":
		return true
	}
	l.checked = now
	return w.changed(ctx, x, key)
}

// changed tells whether the answer to what x requests may be another one than with this key.
func (w *waker) changed(ctx context.Context, x waiter, key string) bool {
	answer := new(message.Provision)
	answer.Arch, answer.Indep, _ = parts(x.Source, w.p.Arch)
	request, err := w.p.request(x.Source, answer)
	if err != nil {
		return true // the try says what is wrong
	}
	now, err := w.p.environments.Key(ctx, request)
	if err != nil {
		w.b.Log.Debug().Err(err).Str("context", x.context).Msg("source lists could not be looked at")
		return false
	}
	return now != key
}

func (w *waker) look(id message.ID) *look {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.looks[id] == nil {
		w.looks[id] = &look{made: time.Now()}
	}
	return w.looks[id]
}

// note keeps the key that a package was tried with in vain.
func (w *waker) note(id message.ID, key string) {
	l := w.look(id)
	w.mu.Lock()
	defer w.mu.Unlock()
	l.key = key
}

// clean forgets the looks at packages that wait no more.
func (w *waker) clean(waiters []waiter) {
	waiting := map[message.ID]bool{}
	for _, x := range waiters {
		waiting[x.id] = true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, l := range w.looks {
		if !waiting[id] && time.Since(l.made) > lookSeldom { // one just made may not have been heard to wait
			delete(w.looks, id)
		}
	}
}
