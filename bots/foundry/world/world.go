// Package world tells from the messages of the bus what each codename has: which source packages, built from
// what and with what, and in which order to build those that need each other.
package world

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"foundry/pkg/bus"
	"foundry/pkg/debian"
	"foundry/pkg/message"
)

// Package is the newest source package of a name that a codename has, as the bus tells.
type Package struct {
	Source    *message.Source
	Commit    *message.Commit // nil for an upload, and where it is no longer kept
	announced uint64          // sequence of the message that began its transaction
	Out       uint64          // sequence of the last message that said it was published
	arches    []string        // on which it was built
	binaries  []string
	versions  map[string]string // of binary packages, as they were published last
	images    []builtIn
	needed    map[string]bool // see needs
}

// builtIn is an environment that a package was built in.
type builtIn struct {
	sequence uint64            // of the message that said it was ready
	versions map[string]string // of the build dependencies that were installed in it
}

// Name is that of the source package.
func (p *Package) Name() string { return p.Source.Package.Source }

// World is what a codename has: the newest published source package of each name.
type World map[string]*Package

// Read reads what is kept of every codename.
func Read(ctx context.Context, b bus.Bus, sealer *bus.Sealer) (map[string]World, error) {
	type begun struct {
		sequence uint64
		commit   *message.Commit
	}
	type way struct{ context, codename string }
	commits, ways := map[message.ID]begun{}, map[way]*Package{}
	worlds := map[string]World{}
	topics := []message.Topic{message.Commits, message.Sources, message.Provisions, message.Dists}
	err := b.Tail(ctx, bus.Filter{Topics: topics}, func(raw bus.Raw) error {
		m, body, err := sealer.Open(raw)
		if err != nil {
			return nil // what is not believed has no part in anything
		}
		switch said := body.(type) {
		case *message.Commit:
			commits[m.ID] = begun{raw.Sequence, said}
		case *message.Source:
			p := &Package{Source: said, announced: raw.Sequence, binaries: slices.Clone(said.Binaries), versions: map[string]string{}}
			if c, known := commits[m.Parent]; known {
				p.announced, p.Commit = c.sequence, c.commit
			}
			ways[way{m.Context, said.Codename}] = p
		case *message.Provision:
			if p := ways[way{m.Context, said.Codename}]; p != nil && said.Image != nil {
				p.images = append(p.images, newBuiltIn(raw.Sequence, said.Image))
			}
		case *message.Dist:
			p := ways[way{m.Context, said.Codename}]
			if p == nil {
				return nil
			}
			p.add(raw.Sequence, said)
			if worlds[said.Codename] == nil {
				worlds[said.Codename] = World{}
			}
			worlds[said.Codename].add(p)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what is published: %w", err)
	}
	return worlds, nil
}

func (p *Package) add(sequence uint64, b *message.Dist) {
	p.Out = sequence
	if !slices.Contains(p.arches, b.Architecture) {
		p.arches = append(p.arches, b.Architecture)
	}
	for _, f := range b.Packages {
		if f.Architecture == string(debian.Source) {
			continue
		}
		p.versions[f.Package] = f.Version
		if !slices.Contains(p.binaries, f.Package) {
			p.binaries = append(p.binaries, f.Package)
		}
	}
}

func newBuiltIn(sequence uint64, image *message.Image) builtIn {
	e := builtIn{sequence, map[string]string{}}
	for _, text := range image.Packages {
		if name, version, found := strings.Cut(text, "="); found {
			e.versions[name] = version
		}
	}
	return e
}

// Current tells whether p was built with what is published of maker.
func (p *Package) Current(maker *Package) bool {
	needs := p.needs()
	for _, e := range p.images {
		for name, version := range maker.versions {
			have, listed := e.versions[name]
			// What is not listed was in the base system.
			if needs[name] && (listed && have != version || !listed && e.sequence < maker.Out) {
				return false
			}
		}
	}
	return len(p.images) > 0 || p.announced > maker.Out
}

// add puts p in the place of an older version.
func (w World) add(p *Package) {
	old := w[p.Name()]
	if old == nil || old == p {
		w[p.Name()] = p
		return
	}
	have, err := debian.ParseVersion(old.Source.Version)
	if err != nil {
		have = debian.Version{}
	}
	if v, err := debian.ParseVersion(p.Source.Version); err == nil && v.Compare(have) >= 0 {
		w[p.Name()] = p
	}
}

// needs are the names of the packages that p build-depends on, on any of its architectures: of
// alternatives the first, which is the one that is installed.
func (p *Package) needs() map[string]bool {
	if p.needed != nil {
		return p.needed
	}
	names := map[string]bool{}
	r := p.Source.Relations
	for _, field := range []string{r.BuildDepends, r.BuildDependsArch, r.BuildDependsIndep} {
		relations, err := debian.ParseRelations(field)
		if err != nil {
			continue // it was published, so the field was not needed
		}
		for _, arch := range p.arches {
			for _, entry := range relations.Reduce(debian.Architecture(arch), p.Source.Profiles) {
				names[entry[0].Package] = true
			}
		}
	}
	p.needed = names
	return names
}

// Makers are the source packages among some that p build-depends on.
func (w World) Makers(p *Package, some map[string]bool) (names []string) {
	needs := p.needs()
	for _, name := range slices.Sorted(maps.Keys(some)) {
		if o := w[name]; o != p && slices.ContainsFunc(o.binaries, func(b string) bool { return needs[b] }) {
			names = append(names, name)
		}
	}
	return names
}
