package main

import (
	"context"
	"errors"
	"maps"
	"slices"

	"foundry/pkg/bus"
	"foundry/pkg/gitrepo/remote"
)

// memory knows which commit of each branch of a repository was announced last. What it knows is
// kept on the bus, where other watchbots see it; the copy here spares asking for what has not changed.
//
// Two that announce at the same time both succeed, as they say the same; the first to put wins.
type memory struct {
	values     bus.Values
	repository string
	heads      map[string]known // by branch
	seen       map[string]bool  // by pattern
}

// known is what is known of one branch. Its value on the bus is the commit, empty for a branch that is
// gone.
type known struct {
	commit   string
	revision uint64
}

func newMemory(values bus.Values, repository string) memory {
	return memory{values: values, repository: repository, heads: make(map[string]known), seen: make(map[string]bool)}
}

func (m *memory) key(branch string) string { return "head " + m.repository + "#" + branch }

// load reads what the bus knows of a branch.
func (m *memory) load(ctx context.Context, branch string) (known, error) {
	value, revision, err := m.values.Get(ctx, m.key(branch))
	if err != nil && !errors.Is(err, bus.ErrNotFound) {
		return known{}, err
	}
	k := known{string(value), revision}
	m.heads[branch] = k
	return k, nil
}

// is tells whether commit was announced last.
func (m *memory) is(ctx context.Context, branch, commit string) (bool, error) {
	if m.heads[branch].commit == commit {
		return true, nil
	}
	k, err := m.load(ctx, branch)
	return k.commit == commit, err
}

// put keeps that announced is what was announced last, after is has said that the bus knows
// another. When another watchbot was faster, its word counts: the next poll looks again.
func (m *memory) put(ctx context.Context, branch, announced string) error {
	err := m.values.Put(ctx, m.key(branch), []byte(announced), m.heads[branch].revision)
	if err == nil || errors.Is(err, bus.ErrConflict) {
		_, err = m.load(ctx, branch)
	}
	return err
}

// note keeps commit for a branch of which nothing is known.
func (m *memory) note(ctx context.Context, branch, commit string) error {
	k, err := m.load(ctx, branch)
	if err != nil || k.commit != "" {
		return err
	}
	return m.put(ctx, branch, commit)
}

// forget keeps that a branch is gone.
func (m *memory) forget(ctx context.Context, branch string) error {
	k, err := m.load(ctx, branch)
	if err == nil && k.commit != "" {
		err = m.put(ctx, branch, "")
	}
	delete(m.heads, branch)
	return err
}

// names lists the branches that this process has met.
func (m *memory) names() []string { return slices.Sorted(maps.Keys(m.heads)) }

func (m *memory) seenKey(spec remote.Spec) string { return "seen " + spec.String() }

// isSeen tells whether see was called for spec, by whatever watchbot.
func (m *memory) isSeen(ctx context.Context, spec remote.Spec) (bool, error) {
	if m.seen[spec.Pattern] {
		return true, nil
	}
	_, _, err := m.values.Get(ctx, m.seenKey(spec))
	if errors.Is(err, bus.ErrNotFound) {
		return false, nil
	}
	m.seen[spec.Pattern] = err == nil
	return err == nil, err
}

// see keeps that the heads of spec were seen.
func (m *memory) see(ctx context.Context, spec remote.Spec) error {
	err := m.values.Put(ctx, m.seenKey(spec), []byte("1"), 0)
	if errors.Is(err, bus.ErrConflict) {
		err = nil
	}
	m.seen[spec.Pattern] = err == nil
	return err
}
