package aptly

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly/catalog"
	"foundry/pkg/publish/aptly/dists"
	"foundry/pkg/publish/aptly/ledger"
	"foundry/pkg/publish/aptly/metadata"
)

// plan is what a publish changes.
type plan struct {
	reason         string
	added, dropped []*catalog.Entry
	fresh          map[string]*candidate // by ID: those of added that came as candidates
	uploads        []publish.Upload      // that are published, whose .buildinfo files are kept
	set            *metadata.Set         // with added and without dropped; nil if it is to be made
}

// generation is what a publish makes.
type generation struct {
	plan
	now      time.Time
	snapshot ledger.Snapshot
	set      *metadata.Set
	indexes  []metadata.Index
	release  metadata.Release
	texts    map[string]*ledger.Text // by ID, of added and dropped
}

// publish makes the suite show what it has, less what the plan drops, and what the plan adds.
func (r *Repo) publish(ctx context.Context, s *suite, p plan) (err error) {
	if s.unfinished {
		// After an error the database takes no more until it is opened again.
		if err := errors.Join(r.db.Close(), r.db.Open(), r.undo(s)); err != nil {
			return fmt.Errorf("remove what the publish before left: %w", err)
		}
	}
	g := &generation{plan: p, now: r.now().UTC(), texts: map[string]*ledger.Text{}}
	g.snapshot = ledger.Snapshot{
		Serial: s.snapshot.Serial + 1, Time: g.now, Reason: p.reason, Setting: r.setting(s.Suite),
		Added: len(p.added), Removed: len(p.dropped), Packages: s.list.Len() + len(p.added) - len(p.dropped),
	}
	s.unfinished = true
	if err := r.make(ctx, s, g); err != nil {
		return errors.Join(err, r.undo(s))
	}
	if err := r.sync(); err != nil {
		return errors.Join(err, r.undo(s))
	}
	if err := s.folder.Switch(g.snapshot.Serial, s.Suite.Suite); err != nil {
		if serial, _ := s.folder.Served(); serial != g.snapshot.Serial {
			return errors.Join(fmt.Errorf("switch to serial %d: %w", g.snapshot.Serial, err), r.undo(s))
		}
		// Clients see it, though a power failure might still take it back.
		r.settle(s, g)
		return fmt.Errorf("switch to serial %d: %w", g.snapshot.Serial, err)
	}
	r.settle(s, g)
	return nil
}

// sync makes what has been written outlast a power failure, the journal of the database too.
func (r *Repo) sync() error {
	journals, err := filepath.Glob(filepath.Join(r.opts.Dir, "db", "*.log"))
	if err != nil {
		return err
	}
	for _, path := range journals {
		r.dirty.Wrote(path)
	}
	return r.dirty.Sync(r.opts.Output, r.opts.Dir)
}

// make makes all of a generation. Nothing of it shows.
func (r *Repo) make(ctx context.Context, s *suite, g *generation) error {
	if err := r.intend(s, g); err != nil {
		return fmt.Errorf("note what is to come: %w", err)
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.bring(s, g) })
	group.Go(func() (err error) {
		if g.set, err = r.draw(s, g); err == nil {
			g.indexes, err = g.set.Build(groupCtx)
		}
		if err != nil {
			return fmt.Errorf("make indexes: %w", err)
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	if err := r.write(ctx, s, g); err != nil {
		return fmt.Errorf("write metadata: %w", err)
	}
	if err := r.commit(s, g); err != nil {
		return fmt.Errorf("save packages: %w", err)
	}
	return nil
}

// intend notes the files that the publish is about to make.
func (r *Repo) intend(s *suite, g *generation) error {
	intent := ledger.Intent{Serial: g.snapshot.Serial}
	for _, e := range g.added {
		served, pooled := r.stock.Missing(e)
		intent.Served, intent.Pooled = append(intent.Served, served...), append(intent.Pooled, pooled...)
		intent.Keys = append(intent.Keys, e.Key)
	}
	for _, u := range g.uploads {
		for _, file := range u.Buildinfo {
			if path := r.buildinfo(s, u, file); !r.has(path) {
				intent.Served = append(intent.Served, path)
			}
		}
	}
	if len(intent.Served)+len(intent.Pooled)+len(intent.Keys) == 0 {
		return nil
	}
	r.step("intend")
	return r.ledger.Intend(s.Codename, intent)
}

// bring puts the files of added packages into the pool and below the output folder.
func (r *Repo) bring(s *suite, g *generation) error {
	for _, e := range g.added {
		if c := g.fresh[e.ID()]; c != nil && c.pkg != nil {
			if err := r.stock.Import(e, c.pkg.Sources, c.owned); err != nil {
				return fmt.Errorf("import packages: %w", err)
			}
		}
		if err := r.stock.Link(e); err != nil {
			return fmt.Errorf("link packages: %w", err)
		}
	}
	for _, u := range g.uploads {
		if err := r.keepBuildinfo(s, u); err != nil {
			return err
		}
	}
	return nil
}

// draw returns the indexes as they are to be.
func (r *Repo) draw(s *suite, g *generation) (*metadata.Set, error) {
	if g.plan.set != nil {
		return g.plan.set, nil
	}
	add, err := r.show(g, g.added)
	if err != nil {
		return nil, err
	}
	drop, err := r.show(g, g.dropped)
	if err != nil {
		return nil, err
	}
	return s.set.With(add, drop)
}

func (r *Repo) show(g *generation, list []*catalog.Entry) ([]metadata.Package, error) {
	packages := make([]metadata.Package, 0, len(list))
	for _, e := range list {
		var text *ledger.Text
		if c := g.fresh[e.ID()]; c != nil && c.text != nil {
			text = c.text
		} else {
			var err error
			if _, text, err = r.ledger.Shown(e.Key); err != nil {
				return nil, err
			}
		}
		packages = append(packages, shown(e, text))
	}
	return packages, nil
}

// write writes index files and Release files. Signing takes its time with a smartcard, so the files are
// written meanwhile.
func (r *Repo) write(ctx context.Context, s *suite, g *generation) error {
	g.release.Follow(s.release, g.now, r.opts.ValidFor)
	g.release.Files = make(map[string]metadata.File, len(g.indexes))
	for _, i := range g.indexes {
		g.release.Files[i.Path] = metadata.File{Size: i.Size, SHA256: i.SHA256}
	}
	text := g.release.Text(s.Suite)
	g.release.SHA256 = metadata.Digest(text)
	g.snapshot.Release = g.release.SHA256
	group, groupCtx := errgroup.WithContext(ctx)
	var signed dists.Signed
	group.Go(func() (err error) { signed, err = dists.Sign(groupCtx, r.opts.Signer, text); return err })
	group.Go(func() error { return s.folder.Write(g.snapshot.Serial, g.indexes, s.release) })
	if err := group.Wait(); err != nil {
		return err
	}
	return s.folder.WriteRelease(g.snapshot.Serial, signed, g.release.Modified)
}

// commit saves fresh packages and the list under its new serial, which counts only once the link
// has been switched.
func (r *Repo) commit(s *suite, g *generation) error {
	r.step("commit")
	tx := r.ledger.Begin()
	serial := g.snapshot.Serial
	added, dropped := make([]string, 0, len(g.added)), make([]string, 0, len(g.dropped))
	for _, e := range g.added {
		added = append(added, e.ID())
		c := g.fresh[e.ID()]
		if c == nil {
			continue
		}
		var err error
		if c.pkg != nil {
			err = r.pkgs.UpdateInTransaction(c.pkg.Package, tx)
		}
		if c.text != nil {
			err = errors.Join(err, tx.Show(e, c.text))
		}
		if c.built != "" {
			err = errors.Join(err, tx.Had(s.Codename, identity(e), c.built, e.ID(), serial))
		}
		if err != nil {
			return err
		}
	}
	for _, e := range g.dropped {
		dropped = append(dropped, e.ID())
		if err := tx.Left(s.Codename, e.ID(), ledger.Gone{Serial: serial}); err != nil {
			return err
		}
	}
	var err error
	g.snapshot, err = tx.Snapshot(s.Codename, g.snapshot, s.snapshot, added, dropped, func() []string { return ids(s, g) })
	if err != nil {
		return err
	}
	return tx.Commit()
}

// ids are those of all packages after the publish.
func ids(s *suite, g *generation) []string {
	without := make(map[string]bool, len(g.dropped))
	for _, e := range g.dropped {
		without[e.ID()] = true
	}
	list := make([]string, 0, g.snapshot.Packages)
	for e := range s.list.All() {
		if !without[e.ID()] {
			list = append(list, e.ID())
		}
	}
	for _, e := range g.added {
		list = append(list, e.ID())
	}
	return list
}

// settle takes note that the generation is what clients see, and removes what that makes superfluous. What
// cannot be removed now is by the next Open.
func (r *Repo) settle(s *suite, g *generation) {
	previous, before := s.snapshot.Serial, s.release
	for _, e := range g.dropped {
		s.gone[e.ID()] = ledger.Gone{Serial: g.snapshot.Serial}
	}
	for _, e := range g.added {
		if _, back := s.gone[e.ID()]; back {
			delete(s.gone, e.ID())
		} else {
			r.stock.Hold(e)
		}
	}
	s.list.Apply(g.added, g.dropped)
	s.set, s.release, s.snapshot = g.set, g.release, g.snapshot
	s.stale, s.unfinished = false, false
	err := errors.Join(
		r.ledger.Settled(s.Codename),
		s.folder.Listed(g.now, r.opts.KeepIndexes, s.release.Files, before.Files),
		s.folder.Forget(s.snapshot.Serial, previous), // clients may still be reading the one before
		r.prune(s, g.now),
	)
	if err != nil {
		r.opts.Log.Warn().Err(err).Str("codename", s.Codename).Msg("old metadata is left behind")
	}
}
