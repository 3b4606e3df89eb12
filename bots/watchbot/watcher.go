package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"foundry/pkg/bot"
	"foundry/pkg/gitrepo/git"
)

const (
	// maxPolls is how many repositories are polled at a time.
	maxPolls = 16
	// maxDelay is how rarely a failing repository is tried, unless the interval is longer.
	maxDelay = 10 * time.Minute
)

// watcher polls all repositories.
type watcher struct {
	bot          *bot.Bot
	interval     time.Duration
	once         bool
	repositories []*repository
	slots        chan struct{}
}

func newWatcher(b *bot.Bot, o *options) *watcher {
	w := &watcher{bot: b, interval: o.Interval, once: o.Once, slots: make(chan struct{}, maxPolls)}
	byURL := make(map[string]*repository)
	for _, spec := range o.specs {
		r := byURL[spec.URL]
		if r == nil {
			r = newRepository(b, spec.URL, o.NewOnly)
			byURL[spec.URL] = r
			w.repositories = append(w.repositories, r)
		}
		if !slices.Contains(r.specs, spec) {
			r.specs = append(r.specs, spec)
		}
	}
	return w
}

// run polls until the bot is stopped, or once.
func (w *watcher) run(ctx context.Context) error {
	// Reading may be broken off at any time; what is being announced is finished.
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-w.bot.Stopping():
			cancel()
		case <-reading.Done():
		}
	}()
	if w.once {
		return w.pollOnce(ctx, reading)
	}
	var all sync.WaitGroup
	for _, r := range w.repositories {
		all.Go(func() { w.follow(ctx, reading, r) })
	}
	all.Wait()
	return nil
}

// pollOnce polls each repository once and returns what went wrong.
func (w *watcher) pollOnce(ctx, reading context.Context) error {
	errs := make([]error, len(w.repositories))
	var all sync.WaitGroup
	for i, r := range w.repositories {
		all.Go(func() { errs[i] = w.poll(ctx, reading, r) })
	}
	all.Wait()
	err := errors.Join(errs...)
	if err != nil && reading.Err() != nil {
		return errors.New("stopped before all repositories were polled")
	}
	return err
}

// follow polls one repository again and again.
func (w *watcher) follow(ctx, reading context.Context, r *repository) {
	health := health{log: w.bot.Log.With().Str("repository", r.name).Logger()}
	for {
		err := w.poll(ctx, reading, r)
		if reading.Err() != nil {
			return
		}
		if health.note(err); err != nil {
			w.bot.NoteError(fmt.Errorf("poll %s: %w", r.name, err))
		}
		timer := time.NewTimer(health.delay(w.interval))
		select {
		case <-reading.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// poll polls one repository when there is a slot for it.
func (w *watcher) poll(ctx, reading context.Context, r *repository) error {
	select {
	case w.slots <- struct{}{}:
	case <-reading.Done():
		return reading.Err()
	}
	defer func() { <-w.slots }()
	return r.poll(ctx, reading)
}

// health tells how a repository does, once for each change.
type health struct {
	log      zerolog.Logger
	problem  string
	failures int // in a row, of the whole repository
}

// note takes the result of a poll.
func (h *health) note(err error) {
	var missing *missingError
	if err == nil || errors.As(err, &missing) {
		h.failures = 0
	} else {
		h.failures++
	}
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	if problem == h.problem {
		return
	}
	h.problem = problem
	if err == nil {
		h.log.Info().Msg("repository works again")
		return
	}
	event := h.log.Warn().Err(err)
	if hint := git.Hint(err); hint != "" {
		event = event.Str("hint", hint)
	}
	event.Msg("repository fails")
}

// delay is the time until the next poll: the interval, twice that for each failure in a row, give
// or take a tenth, so that polls do not come in bursts.
func (h *health) delay(interval time.Duration) time.Duration {
	d := interval
	for n := h.failures; n > 0 && d < maxDelay; n-- {
		d = min(2*d, maxDelay)
	}
	d = max(d, interval)
	return d + time.Duration((rand.Float64()-0.5)*0.2*float64(d))
}

// missingError says that a repository is fine but lacks what is watched.
type missingError struct{ error }

func (e *missingError) Unwrap() error { return e.error }
