package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// lockstep holds signed builds back until all architectures of their source are in, and publishes them
// together, since packages that are "Multi-Arch: same" can be installed side by side in one version only.
//
// To come are all architectures of the repository but those of which a message says otherwise: that the
// package is skipped there, or has failed. An architecture that comes after its failure was tried again,
// or after the limit, is published when it comes.
//
// What is held has a note on disk before its message is acknowledged, and the message itself stays on
// the bus; so a bot that is killed goes on where it was.
type lockstep struct {
	*dist
	dir    string        // of the notes
	limit  time.Duration // how long builds wait for others
	kicked chan struct{} // holds something when there may be something to publish

	mu     sync.Mutex
	groups map[group]*builds
}

// group is what is published together: the builds of one source package in one transaction.
type group struct {
	context string
	message.Package
}

// builds are those of a group.
type builds struct {
	settled map[string]bool // architectures that have been published, skipped, or have failed
	held    map[message.ID]*held
	tries   int
	next    time.Time // not to be tried before
}

// held is a signed build that waits.
type held struct {
	message *message.Message
	sign    *message.Sign
	since   time.Time
	done    func() // ends its being shown in --list
}

func newLockstep(d *dist, dir string, limit time.Duration) (*lockstep, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make folder of held builds: %w", err)
	}
	if err := sweepNotes(dir); err != nil {
		return nil, fmt.Errorf("sweep folder of held builds: %w", err)
	}
	return &lockstep{dist: d, dir: dir, limit: limit, kicked: make(chan struct{}, 1), groups: map[group]*builds{}}, nil
}

// builds returns those of the group; l.mu is held.
func (l *lockstep) builds(g group) *builds {
	if l.groups[g] == nil {
		l.groups[g] = &builds{settled: map[string]bool{}, held: map[message.ID]*held{}}
	}
	return l.groups[g]
}

// hold takes over a signed build: once it returns nil the message can be acknowledged.
func (l *lockstep) hold(m *message.Message, sign *message.Sign) error {
	path := filepath.Join(l.dir, string(m.ID))
	n, err := readNote(path)
	if errors.Is(err, os.ErrNotExist) {
		err = writeNote(path, n)
	}
	if err != nil {
		return fmt.Errorf("hold back build: %w", err)
	}
	l.add(m, sign, n.Since)
	l.kick()
	return nil
}

func (l *lockstep) add(m *message.Message, sign *message.Sign, since time.Time) {
	g := group{m.Context, sign.Package}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.builds(g)
	if b.held[m.ID] != nil {
		return
	}
	b.held[m.ID] = &held{m, sign, since, l.Busy(bus.Job{Context: m.Context, ID: string(m.ID), Since: since})}
	if missing := l.missing(b); len(missing) > 0 {
		l.tell(m, sign, missing)
	}
}

// tell says in the log of the bot and in that of the transaction what a build waits for.
func (l *lockstep) tell(m *message.Message, sign *message.Sign, missing []string) {
	l.Log.Info().Str("context", m.Context).Str("source", sign.Source).Str("version", sign.Version).Str("arch", sign.Architecture).
		Strs("waits_for", missing).Msg("build is held back")
	if l.Logs == nil {
		return
	}
	w := l.Logs.Writer(m.Context, l.Self.Name, sign.Architecture)
	_, err := fmt.Fprintf(w, "%s %s for %s is held back until it is there for %s\n", sign.Source, sign.Version, sign.Architecture, strings.Join(missing, ", "))
	if err := errors.Join(err, w.Close()); err != nil {
		l.Log.Debug().Err(err).Msg("log line was lost")
	}
}

// missing returns the architectures that are still to come; l.mu is held.
func (l *lockstep) missing(b *builds) (list []string) {
	there := map[string]bool{}
	for _, h := range b.held {
		if time.Since(h.since) >= l.limit {
			return nil
		}
		there[h.sign.Architecture] = true
	}
	for _, a := range l.architectures {
		if !there[a] && !b.settled[a] {
			list = append(list, a)
		}
	}
	return list
}

// settle notes that an architecture of the group is not waited for any more.
func (l *lockstep) settle(g group, architecture string) {
	l.mu.Lock()
	l.builds(g).settled[architecture] = true
	l.mu.Unlock()
	l.kick()
}

// kick has the groups looked at.
func (l *lockstep) kick() {
	select {
	case l.kicked <- struct{}{}:
	default:
	}
}

// ready returns the groups that are to be published now.
func (l *lockstep) ready() (list []group) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for g, b := range l.groups {
		if len(b.held) > 0 && len(l.missing(b)) == 0 && time.Now().After(b.next) {
			list = append(list, g)
		}
	}
	return list
}

// of returns the held builds of a group, by architecture.
func (l *lockstep) of(g group) (list []*held) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.groups[g].held {
		list = append(list, h)
	}
	slices.SortFunc(list, func(a, b *held) int {
		return cmp.Or(cmp.Compare(a.sign.Architecture, b.sign.Architecture), cmp.Compare(a.message.ID, b.message.ID))
	})
	return list
}

// let ends the holding of a build that has been answered.
func (l *lockstep) let(g group, h *held) error {
	if err := os.Remove(filepath.Join(l.dir, string(h.message.ID))); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.builds(g)
	delete(b.held, h.message.ID)
	b.settled[h.sign.Architecture] = true
	b.tries, b.next = 0, time.Time{}
	h.done()
	return nil
}

// hide ends the showing of held builds in --list, where the next start shows them again.
func (l *lockstep) hide() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.groups {
		for _, h := range b.held {
			h.done()
		}
	}
}
