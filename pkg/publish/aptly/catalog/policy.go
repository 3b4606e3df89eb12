package catalog

import (
	"slices"
	"strings"

	"foundry/pkg/debian"
)

func sourceName(need string) string {
	name, _, _ := strings.Cut(need, " ")
	return name
}

// Newer returns a package that e would be a step back from, or nil.
func (d *Draft) Newer(e *Entry) *Entry {
	for _, o := range d.group(placeOf(e)) {
		if d.meets(o, e) && o.Parsed.Compare(e.Parsed) > 0 {
			return o
		}
	}
	return nil
}

// meets tells whether there is an architecture that has both packages.
func (d *Draft) meets(a, b *Entry) bool {
	return a.Arch == b.Arch || a.Arch == "all" || b.Arch == "all"
}

// Add adds a package, and drops those that it leaves no room for: of each package as many versions
// stay in each architecture as the suite keeps. Where it is a step back, what is newer goes.
func (d *Draft) Add(e *Entry) {
	for _, o := range d.group(placeOf(e)) {
		if !e.IsSource() && d.meets(o, e) && o.Parsed.Compare(e.Parsed) > 0 {
			d.Drop(o)
		}
	}
	d.Put(e)
	if e.IsSource() {
		return
	}
	for _, o := range d.group(placeOf(e)) {
		if o.ID() != e.ID() && d.overtaken(o) {
			d.Drop(o)
		}
	}
}

// StepBack drops the sources that are newer than e and of which no package is left, so that e is what
// clients get.
func (d *Draft) StepBack(e *Entry) {
	version, err := debian.ParseVersion(e.SourceVersion)
	for _, o := range d.group(place{e.Source, true, false}) {
		if err == nil && o.Parsed.Compare(version) > 0 && !d.Needed(o) {
			d.Drop(o)
		}
	}
}

// overtaken tells whether a package has, in each architecture that it is for, as many newer ones as the
// suite keeps.
func (d *Draft) overtaken(e *Entry) bool {
	arches := []string{e.Arch}
	if e.Arch == "all" {
		arches = d.suite.Architectures
	}
	keep := max(d.suite.Keep, 1)
	for _, arch := range arches {
		newer := 0
		for _, o := range d.group(placeOf(e)) {
			if (o.Arch == arch || o.Arch == "all") && o.Parsed.Compare(e.Parsed) > 0 {
				newer++
			}
		}
		if newer < keep {
			return false
		}
	}
	return true
}

// Settle drops source packages that are neither among the newest of their name nor needed by a package
// that is there. Only those are looked at whose packages have changed.
func (d *Draft) Settle() {
	for len(d.check) > 0 {
		names := d.check
		d.check = map[string]bool{}
		for name := range names {
			group := slices.Clone(d.group(place{name, true, false}))
			slices.SortFunc(group, func(a, b *Entry) int { return b.Parsed.Compare(a.Parsed) })
			versions := 0
			for i, e := range group {
				if i == 0 || e.Parsed.Compare(group[i-1].Parsed) != 0 {
					versions++
				}
				if versions > max(d.suite.Keep, 1) && !d.Needed(e) {
					d.Drop(e)
				}
			}
		}
		for name := range d.check {
			if names[name] {
				delete(d.check, name)
			}
		}
	}
}
