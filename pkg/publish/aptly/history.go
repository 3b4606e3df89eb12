package aptly

import (
	"context"
	"fmt"
	"slices"
	"time"

	"foundry/pkg/message"
	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly/catalog"
	"foundry/pkg/publish/aptly/ledger"
)

// suite returns the suite of a codename.
func (r *Repo) suite(codename string) (*suite, error) {
	if s := r.suites[codename]; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("codename %q: %w", codename, publish.ErrUnknownCodename)
}

// Sources returns the highest version of each source package that the codename has.
func (r *Repo) Sources(codename string) (map[string]string, error) {
	done, err := r.use()
	if err != nil {
		return nil, fmt.Errorf("list sources: %w", err)
	}
	defer done()
	s, err := r.suite(codename)
	if err != nil {
		return nil, fmt.Errorf("list sources: %w", err)
	}
	list, err := s.list.Sources()
	if err != nil {
		return nil, fmt.Errorf("list sources of %s: %w", codename, err)
	}
	return list, nil
}

// Snapshots returns the snapshots of the codename that are kept, the newest first.
func (r *Repo) Snapshots(_ context.Context, codename string) (list []publish.Snapshot, err error) {
	done, err := r.use()
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	defer done()
	s, err := r.suite(codename)
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	kept, err := r.ledger.Snapshots(codename)
	if err != nil {
		return nil, fmt.Errorf("list snapshots of %s: %w", codename, err)
	}
	for _, k := range kept {
		if k.Serial > s.snapshot.Serial || k.Serial < s.oldest {
			continue
		}
		list = append(list, publish.Snapshot{
			Codename: codename, Serial: k.Serial, Time: k.Time, Reason: k.Reason, Added: k.Added, Removed: k.Removed,
			Packages: k.Packages, Release: message.Digest(k.Release), Current: k.Serial == s.snapshot.Serial,
		})
	}
	slices.Reverse(list)
	return list, nil
}

// Packages returns what a snapshot lists; serial 0 is the one that clients see.
func (r *Repo) Packages(_ context.Context, codename string, serial uint64) (list []publish.Listed, err error) {
	done, err := r.use()
	if err != nil {
		return nil, fmt.Errorf("list packages: %w", err)
	}
	defer done()
	s, err := r.suite(codename)
	if err != nil {
		return nil, fmt.Errorf("list packages: %w", err)
	}
	var entries []*catalog.Entry
	if serial == 0 || serial == s.snapshot.Serial {
		entries = slices.Collect(s.list.All())
	} else if entries, err = r.entries(s, serial); err != nil {
		return nil, fmt.Errorf("list packages of %s: %w", codename, err)
	}
	return listed(entries), nil
}

func listed(entries []*catalog.Entry) []publish.Listed {
	slices.SortFunc(entries, catalog.Compare)
	list := make([]publish.Listed, 0, len(entries))
	for _, e := range entries {
		list = append(list, e.Listed())
	}
	return list
}

// snapshotOf returns the record of a snapshot that is kept.
func (r *Repo) snapshotOf(s *suite, serial uint64) (ledger.Snapshot, error) {
	if serial >= s.oldest && serial <= s.snapshot.Serial {
		k, ok, err := r.ledger.Snapshot(s.Codename, serial)
		if ok || err != nil {
			return k, err
		}
	}
	return ledger.Snapshot{}, fmt.Errorf("snapshot %d of %s: %w", serial, s.Codename, publish.ErrUnknownSnapshot)
}

// entries returns the packages of a snapshot.
func (r *Repo) entries(s *suite, serial uint64) ([]*catalog.Entry, error) {
	k, err := r.snapshotOf(s, serial)
	if err != nil {
		return nil, err
	}
	ids, err := r.ledger.List(s.Codename, k)
	if err != nil {
		return nil, err
	}
	list := make([]*catalog.Entry, 0, len(ids))
	for id := range ids {
		e, err := r.entry(id)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

// Refresh signs the metadata of suites anew whose Valid-Until comes within the given time, and
// removes what has been dropped for long enough.
func (r *Repo) Refresh(ctx context.Context, within time.Duration) (err error) {
	done, err := r.use()
	if err != nil {
		return fmt.Errorf("refresh repository: %w", err)
	}
	defer done()
	defer recovered(&err)
	for _, option := range r.opts.Suites {
		s := r.suites[option.Codename]
		if s.release.ValidUntil.Sub(r.now()) > within {
			continue
		}
		if err := r.publish(ctx, s, plan{reason: "sign anew", set: s.set}); err != nil {
			return fmt.Errorf("refresh %s: %w", s.Codename, err)
		}
	}
	if err := r.sweep(); err != nil {
		return fmt.Errorf("refresh repository: sweep: %w", err)
	}
	return nil
}

// Resign signs the metadata of the codename anew, or that of all for "".
func (r *Repo) Resign(ctx context.Context, codename string) (err error) {
	done, err := r.use()
	if err != nil {
		return fmt.Errorf("sign anew: %w", err)
	}
	defer done()
	defer recovered(&err)
	if _, err := r.suite(codename); codename != "" && err != nil {
		return fmt.Errorf("sign anew: %w", err)
	}
	for _, option := range r.opts.Suites {
		if codename != "" && codename != option.Codename {
			continue
		}
		s := r.suites[option.Codename]
		if err := r.publish(ctx, s, plan{reason: "sign anew", set: s.set}); err != nil {
			return fmt.Errorf("sign %s anew: %w", s.Codename, err)
		}
	}
	return nil
}
