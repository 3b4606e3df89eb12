package importer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"foundry/pkg/aptrepo"
	"foundry/pkg/debian"
	"foundry/pkg/message"
)

// A pair is a suite and where it goes.
type pair struct {
	suite    *aptrepo.Suite
	codename string
}

// pairs finds the codename of each suite that is to be imported.
func (r *run) pairs() (list []pair, err error) {
	known := slices.Sorted(maps.Keys(r.Suites))
	var names []string
	for _, s := range r.origin.Suites() {
		names = append(names, s.Name)
		if len(r.From) > 0 && !slices.Contains(r.From, s.Name) {
			continue
		}
		codename, found := r.codename(s)
		if !found {
			return nil, &UnmappedError{s.Name, codename, known}
		}
		list = append(list, pair{s, codename})
	}
	for _, from := range r.From {
		if !slices.Contains(names, from) {
			return nil, fmt.Errorf("the origin has no suite %s, but %s", from, strings.Join(names, ", "))
		}
	}
	if len(list) == 0 {
		return nil, errors.New("the origin has no suite")
	}
	return list, nil
}

// codename finds where a suite goes, and whether the archive has that.
func (r *run) codename(s *aptrepo.Suite) (name string, found bool) {
	if name, said := r.Codename[s.Name]; said {
		_, found = r.Suites[name]
		return name, found
	}
	for _, name := range []string{s.Name, s.Release.Codename, s.Release.Suite} {
		if _, found := r.Suites[name]; found {
			return name, true
		}
	}
	return cmp.Or(s.Release.Codename, s.Name), false
}

// UnmappedError says that the archive has no codename for a suite of the origin.
type UnmappedError struct {
	Suite, Codename string
	Known           []string // codenames of the archive
}

func (e *UnmappedError) Error() string {
	return fmt.Sprintf("suite %s of the origin: this repository has no codename %s", e.Suite, e.Codename)
}

// Hint tells what can be done about it.
func (e *UnmappedError) Hint() string {
	return "say where it goes; there is " + strings.Join(e.Known, ", ")
}

// A group goes in at once: packages of one version of a source package and of one component, each name and
// architecture once.
type group struct {
	codename  string
	source    string
	version   debian.Version
	component string
	packages  []*aptrepo.Package
}

func (g *group) about() message.Package {
	return message.Package{Source: g.source, Version: g.version.String(), Codename: g.codename}
}

// in tells whether all packages of the group are there.
func (g *group) in(there map[string]bool) bool {
	for _, p := range g.packages {
		if !there[identity(p.Name, p.Version.String(), p.Architecture, p.Files[0].SHA256)] {
			return false
		}
	}
	return true
}

// slot is what a repository has one version of.
func slot(p *aptrepo.Package) string {
	return fmt.Sprintf("%s %s %t", p.Name, p.Architecture, p.Index.Udeb)
}

// plan reads what is to be imported: packages in groups. What is for other architectures is left out, which is
// told.
func (r *run) plan(ctx context.Context, s *aptrepo.Suite, codename string) (list []*group, err error) {
	architectures := append([]string{"all", aptrepo.Source}, r.Suites[codename].Architectures...)
	whole := map[string]*group{}
	left := map[string]*group{}
	seen := map[string]bool{}
	for p, err := range s.Packages(ctx) {
		if err != nil {
			return nil, err
		}
		id := p.Index.Component + " " + slot(p) + " " + p.Version.String() + " " + p.Files[0].SHA256
		if seen[id] {
			continue
		}
		seen[id] = true
		g := group{codename: codename, source: p.Source, version: p.SourceVersion, component: p.Index.Component}
		key := g.component + " " + g.source + " " + g.version.String()
		if !slices.Contains(architectures, p.Architecture) {
			if left[key] == nil {
				left[key] = &g
			}
			left[key].packages = append(left[key].packages, p)
			continue
		}
		if whole[key] == nil {
			whole[key] = &g
		}
		whole[key].packages = append(whole[key].packages, p)
	}
	for _, g := range left {
		r.progress.Total++
		r.done(g, Left, codename+" does not have their architecture", "serve it with --arch")
	}
	for _, key := range slices.Sorted(maps.Keys(whole)) {
		list = append(list, whole[key].split()...)
	}
	return list, nil
}

// split puts packages that were built again in groups of their own, which come later.
func (g *group) split() (list []*group) {
	slices.SortStableFunc(g.packages, func(a, b *aptrepo.Package) int { return a.Version.Compare(b.Version) })
	for _, p := range g.packages {
		i := slices.IndexFunc(list, func(g *group) bool {
			return !slices.ContainsFunc(g.packages, func(o *aptrepo.Package) bool { return slot(o) == slot(p) })
		})
		if i < 0 {
			i = len(list)
			next := *g
			next.packages = nil
			list = append(list, &next)
		}
		list[i].packages = append(list[i].packages, p)
	}
	return list
}

// rounds puts groups in the order that they go in: of each package the lower versions before the higher ones.
// What is in the same round can go in at once. Groups that wait for each other go by the version of their
// source.
func rounds(groups []*group) (list [][]*group) {
	before := order(groups)
	waiting := slices.Clone(groups)
	finished := map[*group]bool{}
	for len(waiting) > 0 {
		var ready, rest []*group
		for _, g := range waiting {
			free := true
			for b := range before[g] {
				free = free && finished[b]
			}
			if free {
				ready = append(ready, g)
			} else {
				rest = append(rest, g)
			}
		}
		if len(ready) == 0 {
			slices.SortStableFunc(rest, func(a, b *group) int { return a.version.Compare(b.version) })
			ready, rest = rest[:1:1], rest[1:]
		}
		for _, g := range ready {
			finished[g] = true
		}
		list, waiting = append(list, ready), rest
	}
	return list
}

// order returns the groups that must go in right before each.
func order(groups []*group) map[*group]map[*group]bool {
	type one struct {
		group   *group
		version debian.Version
	}
	slots := map[string][]one{}
	for _, g := range groups {
		slots["source "+g.source] = append(slots["source "+g.source], one{g, g.version})
		for _, p := range g.packages {
			slots[slot(p)] = append(slots[slot(p)], one{g, p.Version})
		}
	}
	before := map[*group]map[*group]bool{}
	for _, list := range slots {
		slices.SortStableFunc(list, func(a, b one) int { return a.version.Compare(b.version) })
		for i := 1; i < len(list); i++ {
			a, b := list[i-1].group, list[i].group
			if a == b {
				continue
			}
			if before[b] == nil {
				before[b] = map[*group]bool{}
			}
			before[b][a] = true
		}
	}
	return before
}
