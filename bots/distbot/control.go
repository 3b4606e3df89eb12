package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"foundry/bots/internal/published"
	"foundry/bots/internal/repoctl"
	"foundry/bots/internal/repository"
	"foundry/pkg/bot"
	"foundry/pkg/publish"
)

// control lets people work on the repository through a socket until ctx ends.
func (d *dist) control(ctx context.Context) error {
	listener, err := repoctl.Listen(ctx, repoctl.Path(d.Settings.State, d.name))
	if err != nil {
		return bot.Hint(err, "the state folder has to be one that this user may write")
	}
	return repoctl.Serve(ctx, listener, recorder{d.repo, d}, repository.About(d.options))
}

// recorder keeps the record of what is published up to date with what people do.
type recorder struct {
	publish.Archive
	d *dist
}

// Include puts an upload in, and notes it.
func (r recorder) Include(ctx context.Context, upload publish.Upload) (publish.Publication, error) {
	publication, err := r.Archive.Include(ctx, upload)
	if err != nil {
		return publication, err
	}
	return publication, r.d.note(ctx, upload)
}

// Change makes a change, and notes what has come and gone.
func (r recorder) Change(ctx context.Context, change publish.Change) ([]publish.Changed, error) {
	changed, err := r.Archive.Change(ctx, change)
	if change.DryRun {
		return changed, err
	}
	// There may be both: the repository has changed, and a target of it is out of reach.
	for _, c := range changed {
		r.d.Log.Info().Str("kind", change.Kind).Str("suite", c.Codename).Uint64("serial", c.Serial).
			Int("added", len(c.Added)).Int("removed", len(c.Removed)).Msg("changed by hand")
		if noted := r.renote(ctx, c); noted != nil {
			err = errors.Join(err, bot.Hint(fmt.Errorf("changed, but not put on record: %w", noted), "restart distbot, which sets the record right"))
		}
	}
	return changed, err
}

// renote sets the record of the source packages right that a change is about, also where builds of them are
// published meanwhile.
func (r recorder) renote(ctx context.Context, c publish.Changed) error {
	for noted := map[string]string(nil); ; {
		sources, err := r.Sources(c.Codename)
		if err != nil {
			return err
		}
		now := map[string]string{}
		for _, p := range slices.Concat(c.Added, c.Removed) {
			now[p.Source] = sources[p.Source] // "" for one that is there no more
		}
		if maps.Equal(now, noted) {
			return nil
		}
		if err := published.Sync(ctx, r.d.Values, r.d.name, c.Codename, now); err != nil {
			return err
		}
		noted = now
	}
}

var _ publish.Archive = recorder{}
