package repository

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"foundry/pkg/bot"
	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly"
	"foundry/pkg/publish/describe"
	"foundry/pkg/publish/target"
)

// Repository is an open repository that is copied to its targets with each publish, and explains itself to who looks at
// it.
type Repository struct {
	publish.Archive
	describer   *describe.Describer
	state, name string
}

var _ publish.Archive = (*Repository)(nil)

// Open opens the repository; it waits while another process has it open. o is what Options has returned.
func (s *Settings) Open(ctx context.Context, b *bot.Bot, o publish.Options) (*Repository, error) {
	targets, err := s.targets()
	if err != nil {
		return nil, err
	}
	archive, err := open(ctx, o, targets)
	if err != nil {
		return nil, bot.Hint(err, "--output belongs to the state folder that it was made with; give that, or an empty folder")
	}
	describer := describe.New(describe.Options{
		Options: o, NextKeys: s.NextKeys, PackageKeys: s.PackageKeys, KeyringPackage: !s.NoKeyringPackage,
		KeyringSources: s.KeyringSources, Note: b.NoteError,
	}, archive)
	if err := describer.Keys(); err != nil {
		return nil, errors.Join(err, archive.Close())
	}
	return &Repository{archive, describer, b.Settings.State, s.Name}, nil
}

func open(ctx context.Context, o publish.Options, targets []target.Target) (publish.Archive, error) {
	repo, err := aptly.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	if len(targets) == 0 {
		return repo, nil
	}
	return target.Wrap(repo, o.Output, filepath.Join(o.Dir, "targets"), targets, o.Log), nil
}

// Explain keeps what the repository says of itself current until ctx ends.
func (r *Repository) Explain(ctx context.Context) { r.describer.Run(ctx) }

// ExplainOnce brings what the repository says of itself up to date.
func (r *Repository) ExplainOnce(ctx context.Context) error { return r.describer.Once(ctx) }

// told says that the repository has changed, unless it has not.
func (r *Repository) told(err error) error {
	if err == nil {
		r.describer.Published()
	}
	return err
}

// Include is that of publish.Repository.
func (r *Repository) Include(ctx context.Context, upload publish.Upload) (publish.Publication, error) {
	publication, err := r.Archive.Include(ctx, upload)
	return publication, r.told(err)
}

// Change is that of publish.History. What it is about is noted before it is made, so that a record of what is published
// can be set right also by who comes after a process that was killed, or that has no record (ReadUnrecorded).
func (r *Repository) Change(ctx context.Context, change publish.Change) ([]publish.Changed, error) {
	if !change.DryRun {
		preview := change
		preview.DryRun = true
		would, err := r.Archive.Change(ctx, preview)
		if err != nil {
			return nil, err
		}
		if err := noteChanged(r.state, r.name, would); err != nil {
			return nil, err
		}
	}
	changed, err := r.Archive.Change(ctx, change)
	if len(changed) > 0 && !change.DryRun {
		r.describer.Changed()
	}
	return changed, err
}

// Refresh is that of publish.Repository.
func (r *Repository) Refresh(ctx context.Context, within time.Duration) error {
	return r.told(r.Archive.Refresh(ctx, within))
}

// Resign is that of publish.History.
func (r *Repository) Resign(ctx context.Context, codename string) error {
	return r.told(r.Archive.Resign(ctx, codename))
}
