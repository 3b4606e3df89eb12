package aptly

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"foundry/pkg/debian"
	"foundry/pkg/publish"
)

// judge decides about each candidate: one that the suite has, or had, with the same content is
// replaced by that; what may not go in is refused; what remains is fresh. It returns the suite's
// entries as they are to be, not sorted.
func (r *Repo) judge(s *suite, candidates []*candidate) (next []*entry, fresh []*candidate, err error) {
	next = slices.Clone(s.entries)
	binaries := 0
	for _, c := range candidates {
		known, err := r.known(s, c)
		if err != nil {
			return nil, nil, err
		}
		if known != nil {
			c.entry = known
			continue
		}
		fresh = append(fresh, c)
		if !c.isSource() {
			binaries++
		}
	}
	for _, c := range fresh {
		if err := r.checkPaths(c); err != nil {
			return nil, nil, err
		}
		newer := s.newer(c.entry)
		if newer != nil && (!c.isSource() || binaries == 0) {
			return nil, nil, &publish.RefusedError{
				File:   c.base(),
				Reason: fmt.Sprintf("%s has the higher version %s of %s for %s", s.Codename, newer.version, newer.name, newer.arch),
				Hint:   "raise the version; a repository never goes back",
			}
		}
		next = slices.DeleteFunc(next, func(e *entry) bool {
			return !e.isSource() && e.name == c.name && e.udeb == c.udeb && (e.arch == c.arch || c.arch == "all")
		})
		next = append(next, c.entry)
	}
	if binaries > 0 {
		next = withSources(dropOvertaken(s.Architectures, next, fresh), candidates)
	}
	return next, fresh, nil
}

// dropOvertaken removes packages for all architectures whose successors are built for each, once every
// architecture of the suite has one that is newer.
func dropOvertaken(architectures []string, entries []*entry, fresh []*candidate) []*entry {
	for _, c := range fresh {
		i := slices.IndexFunc(entries, func(e *entry) bool { return e.arch == "all" && e.name == c.name && e.udeb == c.udeb })
		if i < 0 || c.arch == "all" {
			continue
		}
		lags := func(arch string) bool {
			return !slices.ContainsFunc(entries, func(e *entry) bool {
				return e.arch == arch && e.name == c.name && e.udeb == c.udeb && e.parsed.Compare(entries[i].parsed) > 0
			})
		}
		if !slices.ContainsFunc(architectures, lags) {
			entries = slices.Delete(entries, i, i+1)
		}
	}
	return entries
}

// withSources adds the sources of an upload that are not among the entries: one that was dropped comes
// back with a package built from it that is late.
func withSources(entries []*entry, candidates []*candidate) []*entry {
	for _, c := range candidates {
		if c.isSource() && !slices.Contains(entries, c.entry) {
			entries = append(entries, c.entry)
		}
	}
	return entries
}

// newer returns an entry of the suite that e would be a step back from, or nil.
func (s *suite) newer(e *entry) *entry {
	for _, o := range s.entries {
		if o.name != e.name || o.udeb != e.udeb || o.isSource() != e.isSource() {
			continue
		}
		if o.arch != e.arch && o.arch != "all" && e.arch != "all" {
			continue
		}
		if o.parsed.Compare(e.parsed) > 0 {
			return o
		}
	}
	return nil
}

// dropSources removes source packages that are neither the newest of their name nor needed by a
// binary package that is there.
func dropSources(entries []*entry) []*entry {
	newest, needed := map[string]debian.Version{}, map[string]bool{}
	for _, e := range entries {
		if !e.isSource() {
			needed[e.source+" "+e.sourceVersion] = true
			for _, used := range e.usedSources {
				needed[used] = true
			}
			continue
		}
		if v, ok := newest[e.name]; !ok || e.parsed.Compare(v) > 0 {
			newest[e.name] = e.parsed
		}
	}
	return slices.DeleteFunc(entries, func(e *entry) bool {
		return e.isSource() && newest[e.name] != e.parsed && !needed[e.name+" "+e.parsed.String()]
	})
}

// Sources returns the highest version of each source package that the codename has.
func (r *Repo) Sources(codename string) (map[string]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.suites[codename]
	if s == nil {
		return nil, fmt.Errorf("list sources of %q: %w", codename, publish.ErrUnknownCodename)
	}
	highest := map[string]debian.Version{}
	for _, e := range s.entries {
		version, err := debian.ParseVersion(e.sourceVersion)
		if err != nil {
			return nil, fmt.Errorf("list sources of %s: %w", codename, err)
		}
		if known, ok := highest[e.source]; !ok || version.Compare(known) > 0 {
			highest[e.source] = version
		}
	}
	list := make(map[string]string, len(highest))
	for source, version := range highest {
		list[source] = version.String()
	}
	return list, nil
}

// Refresh signs the metadata of suites anew whose Valid-Until comes within the given time, and
// removes what has been dropped for long enough.
func (r *Repo) Refresh(ctx context.Context, within time.Duration) (err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer recovered(&err)
	if r.db == nil {
		return errors.New("refresh repository: it is closed")
	}
	for _, option := range r.opts.Suites {
		s := r.suites[option.Codename]
		if s.release.ValidUntil.Sub(r.now()) > within {
			continue
		}
		if err := r.publish(ctx, s, s.entries, nil); err != nil {
			return fmt.Errorf("refresh %s: %w", s.Codename, err)
		}
	}
	if err := r.sweep(); err != nil {
		return fmt.Errorf("refresh repository: sweep: %w", err)
	}
	return nil
}

// Rollback publishes the suite once more as it was so many publishes ago. Packages that came since
// then are dropped from it and can be included again.
func (r *Repo) Rollback(ctx context.Context, codename string, back uint64) (err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer recovered(&err)
	s := r.suites[codename]
	if s == nil || r.db == nil {
		return fmt.Errorf("roll back %s: %w", codename, publish.ErrUnknownCodename)
	}
	if back == 0 || back >= s.Serial {
		return fmt.Errorf("roll back %s by %d: there have been %d publishes", codename, back, s.Serial)
	}
	old, err := r.readRecord(codename, s.Serial-back)
	if err != nil {
		return fmt.Errorf("roll back %s by %d: %w", codename, back, err)
	}
	entries, err := r.resolve(s, old.Keys)
	if err != nil {
		return fmt.Errorf("roll back %s by %d: %w", codename, back, err)
	}
	if err := r.publish(ctx, s, entries, nil); err != nil {
		return fmt.Errorf("roll back %s by %d: %w", codename, back, err)
	}
	return nil
}
