package catalog

import (
	"iter"
	"slices"

	"foundry/pkg/debian"
)

// place is what packages of one name share: source packages, packages and packages of the installer
// of the same name have nothing to do with each other.
type place struct {
	name         string
	source, udeb bool
}

func placeOf(e *Entry) place { return place{e.Name, e.IsSource(), e.Udeb} }

// A List is the packages of a suite. The zero List is empty.
type List struct {
	groups map[place][]*Entry
	needed map[string]int // "name version" of sources: how many packages were built from or with it
	count  int
}

// Len is the number of packages.
func (l *List) Len() int { return l.count }

// All yields the packages, in no order.
func (l *List) All() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for _, group := range l.groups {
			for _, e := range group {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// Apply adds and drops packages.
func (l *List) Apply(added, dropped []*Entry) {
	if l.groups == nil {
		l.groups, l.needed = map[place][]*Entry{}, map[string]int{}
	}
	for _, e := range dropped {
		group := l.groups[placeOf(e)]
		i := slices.IndexFunc(group, func(o *Entry) bool { return o.ID() == e.ID() })
		if i < 0 {
			continue
		}
		if group = slices.Concat(group[:i], group[i+1:]); len(group) > 0 {
			l.groups[placeOf(e)] = group
		} else {
			delete(l.groups, placeOf(e))
		}
		l.count--
		for _, source := range e.needs() {
			if l.needed[source]--; l.needed[source] == 0 {
				delete(l.needed, source)
			}
		}
	}
	for _, e := range added {
		l.groups[placeOf(e)] = append(slices.Clip(l.groups[placeOf(e)]), e)
		l.count++
		for _, source := range e.needs() {
			l.needed[source]++
		}
	}
}

// needs are the sources that must be there as long as the package is: "name version".
func (e *Entry) needs() []string {
	if e.IsSource() {
		return nil
	}
	return append([]string{e.Source + " " + e.SourceVersion}, e.UsedSources...)
}

// self is a source package as needs names it.
func (e *Entry) self() string { return e.Name + " " + e.Parsed.String() }

// Find returns the package in the place of e that has the version of e, or nil.
func (l *List) Find(e *Entry) *Entry { return find(l.groups[placeOf(e)], e) }

func find(group []*Entry, e *Entry) *Entry {
	for _, o := range group {
		if o.Same(e) && o.Parsed.Compare(e.Parsed) == 0 {
			return o
		}
	}
	return nil
}

// Sources returns the highest version of each source package. One of which there are binaries alone
// counts by the version that they were built from.
func (l *List) Sources() (map[string]string, error) {
	highest := map[string]debian.Version{}
	for e := range l.All() {
		version := e.Parsed
		if !e.IsSource() {
			var err error
			if version, err = debian.ParseVersion(e.SourceVersion); err != nil {
				return nil, err
			}
		}
		if known, ok := highest[e.Source]; !ok || version.Compare(known) > 0 {
			highest[e.Source] = version
		}
	}
	list := make(map[string]string, len(highest))
	for source, version := range highest {
		list[source] = version.String()
	}
	return list, nil
}

// Used returns the sources in the list that a package was built with.
func (l *List) Used(e *Entry) (list []*Entry) {
	for _, used := range e.UsedSources {
		for _, source := range l.groups[place{sourceName(used), true, false}] {
			if source.self() == used {
				list = append(list, source)
			}
		}
	}
	return list
}
