package main

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"foundry/pkg/bus"
	"foundry/pkg/debian"
	"foundry/pkg/message"
)

// A ledger is what has been said on the bus of packages that are on their way: which wait, and what
// may bring what they wait for. It is filled in the order of the bus. Its methods may be called
// concurrently.
type ledger struct {
	mu      sync.Mutex
	last    uint64                   // sequence of the last message taken
	settled uint64                   // sequence of the last commit that something has come of
	commits map[message.ID]commit    // those that no source package has come of yet
	sources map[message.ID]*sourceOn // by the id of their message
	ways    map[way]*sourceOn        // the same by transaction and codename
	names   map[binary][]*sourceOn   // the same by the binary packages they make
}

type commit struct {
	repository string
	sequence   uint64
	stored     time.Time
}

// commitPatience is how long a commit is counted on that later ones have overtaken: a sourcebot passes
// over some without a word.
const commitPatience = 15 * time.Minute

type way struct{ context, codename string }

type binary struct{ codename, name string }

// A sourceOn is a source package on its way into the repository.
type sourceOn struct {
	*message.Source
	id      message.ID
	context string
	stored  time.Time
	failed  bool // as a whole
	parts   map[string]*part
}

// A part is what becomes of a source package on one architecture.
type part struct {
	over     bool               // published, skipped or failed: nothing more comes of it
	answered bool               // provisioning is over
	waits    []debian.Relations // what it waits for, one entry each
	met      []bool             // which of them has been published since
	since    time.Time          // when it was said to wait
	sequence uint64             // of the message that said so
	circle   uint64             // sequence of the failure that told of a circle that it is in
	brought  uint64             // sequence of the last message that brought what it waits for
}

func newLedger() *ledger {
	return &ledger{
		commits: map[message.ID]commit{}, sources: map[message.ID]*sourceOn{},
		ways: map[way]*sourceOn{}, names: map[binary][]*sourceOn{},
	}
}

// topics are those that a ledger is made of.
func (*ledger) topics() []message.Topic {
	return []message.Topic{message.Commits, message.Sources, message.Provisions, message.Dists, message.Failures, message.Rejects}
}

// take notes a message.
func (l *ledger) take(raw bus.Raw, m *message.Message, body message.Body) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if raw.Sequence <= l.last {
		return
	}
	l.last = raw.Sequence
	switch b := body.(type) {
	case *message.Commit:
		l.commits[m.ID] = commit{b.Repository, raw.Sequence, raw.Stored}
	case *message.Source:
		l.settle(m.Parent)
		l.source(raw, m, b)
	case *message.Provision:
		if s := l.ways[way{m.Context, b.Codename}]; s != nil {
			s.provision(raw, m, b)
		}
	case *message.Dist:
		if s := l.ways[way{m.Context, b.Codename}]; s != nil {
			s.part(b.Architecture).over = true
		}
		l.brought(raw, b)
	case *message.Reject: // nothing comes of a commit that is not believed
		l.settle(message.ID(b.Subject[strings.LastIndexByte(b.Subject, '.')+1:]))
	case *message.Failure:
		l.settle(m.Parent)
		if s := l.ways[way{m.Context, b.Codename}]; s != nil {
			s.failure(raw, b)
		}
	}
}

// settle notes that something, or nothing ever, has come of a commit.
func (l *ledger) settle(id message.ID) {
	if c, found := l.commits[id]; found {
		l.settled = max(l.settled, c.sequence)
		delete(l.commits, id)
	}
}

// expects tells whether something is to come of a commit of the repository, "" for any.
func (l *ledger) expects(repository string, now time.Time) bool {
	for _, c := range l.commits {
		if (repository == "" || c.repository == repository) && (c.sequence > l.settled || now.Sub(c.stored) < commitPatience) {
			return true
		}
	}
	return false
}

func (l *ledger) source(raw bus.Raw, m *message.Message, b *message.Source) {
	b.Files = nil // of no use here, and long
	s := &sourceOn{Source: b, id: m.ID, context: m.Context, stored: raw.Stored, parts: map[string]*part{}}
	l.sources[m.ID] = s
	l.ways[way{m.Context, b.Codename}] = s
	for _, name := range b.Binaries {
		at := binary{b.Codename, name}
		l.names[at] = append(l.names[at], s)
	}
}

func (s *sourceOn) part(arch string) *part {
	if s.parts[arch] == nil {
		s.parts[arch] = new(part)
	}
	return s.parts[arch]
}

func (s *sourceOn) provision(raw bus.Raw, m *message.Message, b *message.Provision) {
	p := s.part(b.Architecture)
	switch b.Outcome {
	case message.Waiting:
		p.since, p.sequence, p.waits = m.Time, raw.Sequence, nil
		for _, text := range b.WaitsFor {
			if r, err := debian.ParseRelations(text); err == nil && len(r) == 1 {
				p.waits = append(p.waits, r)
			}
		}
		p.met = make([]bool, len(p.waits))
	case message.Skipped:
		p.answered, p.over = true, true
	default:
		p.answered = true
	}
}

func (s *sourceOn) failure(raw bus.Raw, b *message.Failure) {
	if b.Architecture == "" {
		s.failed = true
		return
	}
	p := s.part(b.Architecture)
	p.answered, p.over = true, true
	if strings.HasPrefix(b.Reason, circleReason) {
		p.circle = raw.Sequence
	}
}

// brought notes which packages wait for what has been published.
func (l *ledger) brought(raw bus.Raw, b *message.Dist) {
	for _, s := range l.sources {
		if s.Codename != b.Codename {
			continue
		}
		for arch, p := range s.parts {
			if !p.waiting() {
				continue
			}
			for _, f := range b.Packages {
				if (f.Architecture == arch || f.Architecture == string(debian.All)) && p.meet(f.Package, f.Version) {
					p.brought = raw.Sequence
				}
			}
		}
	}
}

// waiting tells whether the part waits, as far as its own messages say.
func (p *part) waiting() bool { return p.sequence > 0 && !p.answered }

// meet notes that a package was published, and tells whether the part waits for one of this name.
func (p *part) meet(name, version string) (wanted bool) {
	v, err := debian.ParseVersion(version)
	for i, relation := range p.waits {
		for _, r := range relation[0] {
			if r.Package == name {
				wanted = true
				p.met[i] = p.met[i] || err == nil && r.SatisfiedBy(v)
			}
		}
	}
	return wanted
}

// packages are the names in relations.
func packages(relations debian.Relations) (names []string) {
	for _, entry := range relations {
		for _, r := range entry {
			names = append(names, r.Package)
		}
	}
	return names
}

// A waiter is a source package that waits on one architecture.
type waiter struct {
	*sourceOn
	*part
	arch string
}

// waiters lists what waits on arch, those first that wait longest.
func (l *ledger) waiters(arch string) (all []waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.sources {
		if p := s.parts[arch]; p != nil && p.waiting() && !s.failed {
			snapshot := *p
			all = append(all, waiter{s, &snapshot, arch})
		}
	}
	slices.SortFunc(all, func(a, b waiter) int { return cmp.Compare(a.sequence, b.sequence) })
	return all
}

// providers are the architectures on which s makes packages for arch, where it is on its way
// still.
func (s *sourceOn) providers(arch string) (arches []string) {
	if s.failed {
		return nil
	}
	dep, indep, _ := parts(s.Source, arch)
	if dep || indep {
		arches = append(arches, arch)
	}
	if _, indep, _ := parts(s.Source, s.IndepArchitecture); indep && arch != s.IndepArchitecture {
		arches = append(arches, s.IndepArchitecture)
	}
	return slices.DeleteFunc(arches, func(a string) bool { return s.parts[a] != nil && s.parts[a].over })
}

// hope tells whether all that w waits for may still be brought by what is on its way.
func (l *ledger) hope(w waiter, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.expects("", now) {
		return true // nobody knows yet what they bring
	}
	return !slices.ContainsFunc(w.waits, func(r debian.Relations) bool {
		for _, name := range packages(r) {
			for _, s := range l.names[binary{w.Codename, name}] {
				if len(s.providers(w.arch)) > 0 {
					return false
				}
			}
		}
		return true
	})
}

// forget drops what the bus has dropped too.
func (l *ledger) forget(before time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, c := range l.commits {
		if c.stored.Before(before) {
			delete(l.commits, id)
		}
	}
	for id, s := range l.sources {
		if !s.stored.Before(before) {
			continue
		}
		delete(l.sources, id)
		delete(l.ways, way{s.context, s.Codename})
		for _, name := range s.Binaries {
			at := binary{s.Codename, name}
			if l.names[at] = slices.DeleteFunc(l.names[at], func(o *sourceOn) bool { return o == s }); len(l.names[at]) == 0 {
				delete(l.names, at)
			}
		}
	}
}
