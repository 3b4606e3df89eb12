package aptly

import (
	"encoding/json"
	"fmt"

	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly/catalog"
	"foundry/pkg/publish/aptly/ledger"
	"foundry/pkg/publish/aptly/metadata"
)

// loading is what is to be read of the packages that the database has, all in one go.
type loading struct {
	wants map[string][]want // by package key
	lists map[*suite]*loaded
}

// want is a place in which a package is.
type want struct {
	suite     *suite // nil for a codename that is not among the options
	component string
	gone      bool // it has left the suite, and is kept still
}

// loaded is what has been read of a suite.
type loaded struct {
	then     *publish.Suite // what the snapshot was published with, if components may have changed since
	entries  []*catalog.Entry
	packages []metadata.Package
}

// loadPackages reads the packages of all suites, and those that have left them and are kept still.
func (r *Repo) loadPackages() error {
	l := &loading{map[string][]want{}, map[*suite]*loaded{}}
	for _, codename := range r.ledger.Codenames() {
		if err := r.want(l, codename); err != nil {
			return fmt.Errorf("load suite %s: %w", codename, err)
		}
	}
	err := r.ledger.Each(func(key string) bool { return l.wants[key] != nil }, func(e *catalog.Entry, t *ledger.Text) error {
		for _, w := range l.wants[e.Key] {
			r.loaded(l, w, e, t)
		}
		delete(l.wants, e.Key)
		return nil
	})
	if err != nil {
		return err
	}
	for key, places := range l.wants {
		for _, w := range places {
			if w.suite != nil && !w.gone {
				return fmt.Errorf("load suite %s: package %s is listed and not there", w.suite.Codename, key)
			}
			if w.suite != nil {
				delete(w.suite.gone, catalog.ID(w.component, key))
			}
		}
	}
	for s, read := range l.lists {
		s.list.Apply(read.entries, nil)
		if s.set, err = s.set.With(read.packages, nil); err != nil {
			return fmt.Errorf("load suite %s: %w", s.Codename, err)
		}
		r.adopt(s)
	}
	return nil
}

// want notes the packages of a codename. One that is not among the options keeps what it has: it may come
// back.
func (r *Repo) want(l *loading, codename string) error {
	s := r.suites[codename]
	var snapshot ledger.Snapshot
	gone := map[string]ledger.Gone{}
	if s != nil {
		snapshot, gone = s.snapshot, s.gone
		l.lists[s] = &loaded{}
		if s.snapshot.Setting != r.setting(s.Suite) {
			l.lists[s].then = &publish.Suite{}
			if err := json.Unmarshal([]byte(s.snapshot.Setting), l.lists[s].then); err != nil {
				return fmt.Errorf("decode setting of publish %d: %w", s.snapshot.Serial, err)
			}
		}
	} else {
		kept, err := r.ledger.Snapshots(codename)
		if err != nil {
			return err
		}
		if snapshot = kept[len(kept)-1]; err == nil {
			gone, err = r.ledger.Gone(codename)
		}
		if err != nil {
			return err
		}
	}
	ids, err := r.ledger.List(codename, snapshot)
	if err != nil {
		return err
	}
	for id := range ids {
		delete(gone, id)
		component, key := catalog.SplitID(id)
		l.wants[key] = append(l.wants[key], want{s, component, false})
	}
	for id := range gone {
		component, key := catalog.SplitID(id)
		l.wants[key] = append(l.wants[key], want{s, component, true})
	}
	return nil
}

// loaded takes note of a package that has been read.
func (r *Repo) loaded(l *loading, w want, e *catalog.Entry, t *ledger.Text) {
	e = e.In(w.component)
	r.stock.Hold(e)
	if w.suite == nil || w.gone {
		return
	}
	read, to := l.lists[w.suite], e
	if read.then != nil {
		to = e.In(relocate(*read.then, w.suite.Suite, e))
	}
	if to != e {
		w.suite.moves = append(w.suite.moves, move{e, to})
	}
	read.entries, read.packages = append(read.entries, e), append(read.packages, shown(to, t))
}
