package aptly

import (
	"errors"
	"time"

	"foundry/pkg/publish/aptly/ledger"
	"foundry/pkg/publish/aptly/stock"
)

// undo removes what publishes of the suite that did not come to their end have left.
func (r *Repo) undo(s *suite) error {
	if err := s.folder.Forget(s.snapshot.Serial, s.snapshot.Serial-1); err != nil {
		return err
	}
	intents, err := r.ledger.Intents()
	if err != nil {
		return err
	}
	if intent, ok := intents[s.Codename]; ok && intent.Serial > s.snapshot.Serial {
		if err := r.remove(stock.Loose{Served: intent.Served, Pooled: intent.Pooled, Keys: intent.Keys}); err != nil {
			return err
		}
	}
	if err := errors.Join(r.ledger.Undo(s.Codename, s.snapshot.Serial), r.ledger.Settled(s.Codename)); err != nil {
		return err
	}
	s.unfinished = false
	return nil
}

// remove removes files and records that nobody holds.
func (r *Repo) remove(loose stock.Loose) error {
	if err := r.stock.Remove(loose); err != nil {
		return err
	}
	keys := r.stock.Unheld(loose.Keys)
	for _, key := range keys {
		if err := r.pkgs.DeleteByKey([]byte(key), r.db); err != nil {
			return err
		}
	}
	return r.ledger.Hide(keys)
}

// prune gives up snapshots beyond those that are kept. What only they had is kept for Options.Retain
// from now.
func (r *Repo) prune(s *suite, now time.Time) error {
	keep := uint64(r.opts.Snapshots)
	if s.snapshot.Serial < s.oldest+keep {
		return nil
	}
	oldest := s.snapshot.Serial - keep + 1
	if err := r.ledger.Prune(s.Codename, s.oldest, oldest); err != nil {
		return err
	}
	s.oldest = oldest
	left := map[string]ledger.Gone{}
	for id, g := range s.gone {
		if g.Since.IsZero() && g.Serial <= oldest {
			g.Since = now
			left[id], s.gone[id] = g, g
		}
	}
	return r.ledger.Expire(s.Codename, left)
}

// sweep removes packages that no kept snapshot has had for longer than Options.Retain.
func (r *Repo) sweep() (err error) {
	var loose stock.Loose
	expired := map[string][]string{}
	for codename, s := range r.suites {
		for id, g := range s.gone {
			if g.Since.IsZero() || r.now().Sub(g.Since) < r.opts.Retain {
				continue
			}
			delete(s.gone, id)
			r.stock.Release(id, &loose)
			expired[codename] = append(expired[codename], id)
		}
	}
	// The notes go last: whoever comes after a kill finds in them what remains to be done.
	if err := r.remove(loose); err != nil {
		return err
	}
	for codename, list := range expired {
		err = errors.Join(err, r.ledger.Back(codename, list))
	}
	return err
}
