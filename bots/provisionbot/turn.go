package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"foundry/pkg/bus"
)

// turnRenewed is how often a turn is said again.
const turnRenewed = 10 * time.Second

// turnsLost is how many times it is not said before another takes it.
const turnsLost = 3

// A turn is held by one bot of an endpoint, who alone looks after the packages that wait. It is a
// value on the bus that its holder writes anew; one that does not change is lost. No clock but the
// own is read, so those of two hosts may differ.
type turn struct {
	values bus.Values
	key    string
	holder string        // this bot
	every  time.Duration // at which it is renewed

	mu       sync.Mutex
	held     bool
	revision uint64    // of the value when it was seen last
	seen     time.Time // when that revision was seen first
}

// take tells whether it is this bot's turn; it renews the turn, or takes one that is lost.
func (t *turn) take(ctx context.Context, now time.Time) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held && now.Sub(t.seen) < t.every {
		return true, nil
	}
	value, revision, err := t.values.Get(ctx, t.key)
	if err != nil && !errors.Is(err, bus.ErrNotFound) {
		return t.held && now.Sub(t.seen) < turnsLost*t.every, err
	}
	if holder := string(value); holder != t.holder && holder != "" {
		if t.held || revision != t.revision {
			t.held, t.revision, t.seen = false, revision, now
		}
		if now.Sub(t.seen) < turnsLost*t.every {
			return false, nil
		}
	}
	err = t.values.Put(ctx, t.key, []byte(t.holder), revision)
	if errors.Is(err, bus.ErrConflict) {
		t.held = false
		return false, nil
	}
	if err != nil {
		return false, err
	}
	t.held, t.seen = true, now
	return true, nil
}

// leave gives the turn up.
func (t *turn) leave(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.held {
		return nil
	}
	t.held = false
	value, revision, err := t.values.Get(ctx, t.key)
	if err != nil || string(value) != t.holder {
		return err
	}
	err = t.values.Put(ctx, t.key, nil, revision)
	if errors.Is(err, bus.ErrConflict) {
		return nil
	}
	return err
}
