package main

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

// published is the newest source package of a name that a codename has, as the bus tells.
type published struct {
	source    *message.Source
	commit    *message.Commit // nil for an upload, and where it is no longer kept
	announced uint64          // sequence of the message that began its transaction
	out       uint64          // sequence of the last message that said it was published
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

func (p *published) name() string { return p.source.Package.Source }

// world is what a codename has: the newest published source package of each name.
type world map[string]*published

// readWorlds reads what is kept of every codename.
func (s *session) readWorlds(ctx context.Context) (map[string]world, error) {
	type begun struct {
		sequence uint64
		commit   *message.Commit
	}
	type way struct{ context, codename string }
	commits, ways := map[message.ID]begun{}, map[way]*published{}
	worlds := map[string]world{}
	topics := []message.Topic{message.Commits, message.Sources, message.Provisions, message.Dists}
	err := s.Bus.Tail(ctx, bus.Filter{Topics: topics}, func(raw bus.Raw) error {
		m, body, err := s.sealer.Open(raw)
		if err != nil {
			return nil // what is not believed has no part in anything
		}
		switch b := body.(type) {
		case *message.Commit:
			commits[m.ID] = begun{raw.Sequence, b}
		case *message.Source:
			p := &published{source: b, announced: raw.Sequence, binaries: slices.Clone(b.Binaries), versions: map[string]string{}}
			if c, known := commits[m.Parent]; known {
				p.announced, p.commit = c.sequence, c.commit
			}
			ways[way{m.Context, b.Codename}] = p
		case *message.Provision:
			if p := ways[way{m.Context, b.Codename}]; p != nil && b.Image != nil {
				p.images = append(p.images, newBuiltIn(raw.Sequence, b.Image))
			}
		case *message.Dist:
			p := ways[way{m.Context, b.Codename}]
			if p == nil {
				return nil
			}
			p.add(raw.Sequence, b)
			if worlds[b.Codename] == nil {
				worlds[b.Codename] = world{}
			}
			worlds[b.Codename].add(p)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what is published: %w", err)
	}
	return worlds, nil
}

func (p *published) add(sequence uint64, b *message.Dist) {
	p.out = sequence
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

// current tells whether p was built with what is published of maker.
func (p *published) current(maker *published) bool {
	needs := p.needs()
	for _, e := range p.images {
		for name, version := range maker.versions {
			have, listed := e.versions[name]
			// What is not listed was in the base system.
			if needs[name] && (listed && have != version || !listed && e.sequence < maker.out) {
				return false
			}
		}
	}
	return len(p.images) > 0 || p.announced > maker.out
}

// add puts p in the place of an older version.
func (w world) add(p *published) {
	old := w[p.name()]
	if old == nil || old == p {
		w[p.name()] = p
		return
	}
	have, err := debian.ParseVersion(old.source.Version)
	if err != nil {
		have = debian.Version{}
	}
	if v, err := debian.ParseVersion(p.source.Version); err == nil && v.Compare(have) >= 0 {
		w[p.name()] = p
	}
}

// needs are the names of the packages that p build-depends on, on any of its architectures: of
// alternatives the first, which is the one that is installed.
func (p *published) needs() map[string]bool {
	if p.needed != nil {
		return p.needed
	}
	names := map[string]bool{}
	r := p.source.Relations
	for _, field := range []string{r.BuildDepends, r.BuildDependsArch, r.BuildDependsIndep} {
		relations, err := debian.ParseRelations(field)
		if err != nil {
			continue // it was published, so the field was not needed
		}
		for _, arch := range p.arches {
			for _, entry := range relations.Reduce(debian.Architecture(arch), p.source.Profiles) {
				names[entry[0].Package] = true
			}
		}
	}
	p.needed = names
	return names
}

// makers are the source packages among some that p build-depends on.
func (w world) makers(p *published, some map[string]bool) (names []string) {
	needs := p.needs()
	for _, name := range slices.Sorted(maps.Keys(some)) {
		if o := w[name]; o != p && slices.ContainsFunc(o.binaries, func(b string) bool { return needs[b] }) {
			names = append(names, name)
		}
	}
	return names
}
