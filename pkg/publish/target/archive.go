package target

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"foundry/pkg/publish"
)

// Archive is a repository that is copied to targets after each publish.
type Archive struct {
	publish.Archive
	mirrors []*mirror
	log     zerolog.Logger

	turn chan struct{} // held by the push that is under way
	mu   sync.Mutex
	next *flight // that has not begun: those who come share it
}

// flight is a push that several wait for.
type flight struct {
	done chan struct{}
	err  error
}

var _ publish.Archive = (*Archive)(nil)

// Wrap returns the archive, whose folder is output, with targets that have what it has when Include, Change, Resign
// and Refresh return. Calls that come while a push is under way share the next one. An error of a target is
// returned though the repository itself has changed: given again, the call finds that done and pushes what is
// missing. In the folder state stays what each target has.
func Wrap(archive publish.Archive, output, state string, targets []Target, log zerolog.Logger) *Archive {
	a := &Archive{Archive: archive, log: log, turn: make(chan struct{}, 1)}
	for _, t := range targets {
		sum := sha256.Sum256([]byte(t.String()))
		a.mirrors = append(a.mirrors, &mirror{root: output, list: newList(filepath.Join(state, hex.EncodeToString(sum[:8])+".json")), target: t})
	}
	return a
}

// Include includes the upload and pushes.
func (a *Archive) Include(ctx context.Context, upload publish.Upload) (publish.Publication, error) {
	publication, err := a.Archive.Include(ctx, upload)
	if err != nil {
		return publication, err
	}
	return publication, a.Push(ctx)
}

// Refresh signs metadata anew where that is due and pushes. It also mends targets that were out of reach.
func (a *Archive) Refresh(ctx context.Context, within time.Duration) error {
	return errors.Join(a.Archive.Refresh(ctx, within), a.Push(ctx))
}

// Change makes a change and pushes.
func (a *Archive) Change(ctx context.Context, change publish.Change) ([]publish.Changed, error) {
	changed, err := a.Archive.Change(ctx, change)
	if err != nil || change.DryRun {
		return changed, err
	}
	return changed, a.Push(ctx)
}

// Resign signs metadata anew and pushes.
func (a *Archive) Resign(ctx context.Context, codename string) error {
	if err := a.Archive.Resign(ctx, codename); err != nil {
		return err
	}
	return a.Push(ctx)
}

// Push returns when every target has what the folder had when it was called.
func (a *Archive) Push(ctx context.Context) error {
	for {
		f, first := a.board()
		if first {
			a.fly(ctx, f)
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if ctx.Err() == nil && errors.Is(f.err, context.Canceled) {
			continue // only the one who pushed for all has gone
		}
		return f.err
	}
}

// board returns the next push, and whether the caller is the one to do it.
func (a *Archive) board() (f *flight, first bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next == nil {
		a.next, first = &flight{done: make(chan struct{})}, true
	}
	return a.next, first
}

// fly does a push as soon as the one before has ended.
func (a *Archive) fly(ctx context.Context, f *flight) {
	defer close(f.done)
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		f.err = context.Canceled
	}
	a.mu.Lock()
	a.next = nil
	a.mu.Unlock()
	if f.err != nil {
		return
	}
	var group errgroup.Group
	errs := make([]error, len(a.mirrors))
	for i, m := range a.mirrors {
		group.Go(func() error {
			begun := time.Now()
			if err := m.push(ctx); err != nil {
				errs[i] = fmt.Errorf("push to %s: %w", m.target, err)
				return nil
			}
			a.log.Debug().Str("target", m.target.String()).Dur("took_ms", time.Since(begun)).Msg("target is up to date")
			return nil
		})
	}
	_ = group.Wait() // the errors are in errs
	f.err = errors.Join(errs...)
}
