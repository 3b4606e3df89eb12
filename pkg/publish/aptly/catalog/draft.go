package catalog

import (
	"slices"

	"foundry/pkg/publish"
)

// A Draft is a list with changes that can be taken back.
type Draft struct {
	suite  publish.Suite
	list   *List
	groups map[place][]*Entry // those that have been looked at
	needed map[string]int     // differences to those of the list
	steps  []step
	state  map[string]int  // by ID: how often added less how often dropped
	fresh  map[string]int  // by ID: how often added
	check  map[string]bool // names of sources that Settle is to look at
}

type step struct {
	entry *Entry
	added bool
}

// Draft begins changes of the list, which stays as it is.
func (l *List) Draft(s publish.Suite) *Draft {
	return &Draft{suite: s, list: l, groups: map[place][]*Entry{}, needed: map[string]int{}, state: map[string]int{}, fresh: map[string]int{}, check: map[string]bool{}}
}

// Mark returns where Revert goes back to.
func (d *Draft) Mark() int { return len(d.steps) }

// Revert takes back what has been done since the mark.
func (d *Draft) Revert(mark int) {
	for i := len(d.steps) - 1; i >= mark; i-- {
		s := d.steps[i]
		if d.apply(step{s.entry, !s.added}); s.added {
			d.fresh[s.entry.ID()]--
		}
	}
	d.steps = d.steps[:mark]
	clear(d.check)
}

// Delta returns what the draft adds to the list, and drops from it, in order.
func (d *Draft) Delta() (added, dropped []*Entry) {
	seen := map[string]bool{}
	for _, s := range d.steps {
		id := s.entry.ID()
		if seen[id] {
			continue
		}
		seen[id] = true
		switch n := d.state[id]; {
		case n > 0:
			added = append(added, s.entry)
		case n < 0:
			dropped = append(dropped, s.entry)
		}
	}
	slices.SortFunc(added, Compare)
	slices.SortFunc(dropped, Compare)
	return added, dropped
}

// Dropped tells whether a package that the draft had added has been dropped since the mark.
func (d *Draft) Dropped(mark int) bool {
	return slices.ContainsFunc(d.steps[mark:], func(s step) bool { return !s.added && d.fresh[s.entry.ID()] > 0 })
}

func (d *Draft) group(p place) []*Entry {
	group, ok := d.groups[p]
	if !ok {
		group = d.list.groups[p]
		d.groups[p] = group
	}
	return group
}

// Find returns the package in the place of e that has the version of e, or nil.
func (d *Draft) Find(e *Entry) *Entry { return find(d.group(placeOf(e)), e) }

// Has tells whether this very package is there.
func (d *Draft) Has(e *Entry) bool {
	return slices.ContainsFunc(d.group(placeOf(e)), func(o *Entry) bool { return o.ID() == e.ID() })
}

// Put adds a package and drops nothing for it.
func (d *Draft) Put(e *Entry) {
	if !d.Has(e) {
		d.do(step{e, true})
	}
}

// Drop drops a package.
func (d *Draft) Drop(e *Entry) {
	if d.Has(e) {
		d.do(step{e, false})
	}
}

func (d *Draft) do(s step) {
	d.apply(s)
	d.steps = append(d.steps, s)
	if s.added {
		d.fresh[s.entry.ID()]++
	}
	if s.entry.IsSource() {
		d.check[s.entry.Name] = true
	}
	for _, source := range s.entry.needs() {
		d.check[sourceName(source)] = true
	}
}

func (d *Draft) apply(s step) {
	p, id := placeOf(s.entry), s.entry.ID()
	n := 1
	if s.added {
		d.groups[p] = append(slices.Clip(d.group(p)), s.entry)
	} else {
		n = -1
		d.groups[p] = slices.DeleteFunc(slices.Clone(d.group(p)), func(o *Entry) bool { return o.ID() == id })
	}
	d.state[id] += n
	for _, source := range s.entry.needs() {
		d.needed[source] += n
	}
}

// Needed tells whether packages that are there were built from the source, or with it.
func (d *Draft) Needed(source *Entry) bool {
	return d.list.needed[source.self()]+d.needed[source.self()] > 0
}
