package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"foundry/pkg/message"
)

// circleReason begins the reason of a failure that tells of a circle.
const circleReason = "circular build dependencies: "

// A node is a source package on an architecture where it waits, or failed because of a circle.
type node struct {
	id   message.ID
	arch string
}

// A link says that a package waits for a relation that another is to bring.
type link struct {
	from     node
	relation string
	to       node
}

// circle tells of the circle of packages that w is in, each waiting for the next, or returns "". It
// is none while anything else on its way may bring what one of them waits for.
func (l *ledger) circle(w waiter, now time.Time) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	blocked := l.blocked(w.Codename)
	begin := node{w.id, w.arch}
	if _, found := blocked[begin]; !found {
		return ""
	}
	path := shortest(blocked, begin)
	if path == nil {
		return ""
	}
	for _, k := range path {
		if l.expects(l.sources[k.from.id].Repository, now) {
			return "" // a new commit of a package may have other dependencies
		}
	}
	return circleReason + l.describe(path)
}

// blocked are the nodes of a codename that wait for nothing but each other, with what links them.
func (l *ledger) blocked(codename string) map[node][]link {
	all := map[node]bool{}
	for id, s := range l.sources {
		for arch, p := range s.parts {
			if s.Codename == codename && (p.waiting() && !s.failed || p.circle > 0) {
				all[node{id, arch}] = true
			}
		}
	}
	for {
		links := map[node][]link{}
		for n := range all {
			for _, candidates := range l.links(n) {
				if len(candidates) > 0 && !slices.ContainsFunc(candidates, func(k link) bool { return !all[k.to] }) {
					links[n] = append(links[n], candidates...)
				}
			}
		}
		if len(links) == len(all) {
			return links
		}
		for n := range all {
			if links[n] == nil {
				delete(all, n)
			}
		}
	}
}

// links are what may bring each relation that n waits for and that nothing published meets.
func (l *ledger) links(n node) (all [][]link) {
	waits := l.sources[n.id]
	for i, r := range waits.parts[n.arch].waits {
		if waits.parts[n.arch].met[i] {
			continue // it is about to be tried again
		}
		var some []link
		for _, name := range packages(r) {
			for _, s := range l.names[binary{waits.Codename, name}] {
				for _, arch := range s.providers(n.arch) {
					some = append(some, link{n, r.String(), node{s.id, arch}})
				}
				// One that was told of the circle before still counts for the others who are in it.
				for arch, p := range s.parts {
					if p.circle > waits.parts[n.arch].sequence {
						some = append(some, link{n, r.String(), node{s.id, arch}})
					}
				}
			}
		}
		all = append(all, some)
	}
	return all
}

// shortest is a shortest way through links that leads from begin to begin again.
func shortest(links map[node][]link, begin node) []link {
	came := map[node]link{}
	for edge := []node{begin}; len(edge) > 0; {
		n := edge[0]
		edge = edge[1:]
		for _, k := range links[n] {
			if _, seen := came[k.to]; seen {
				continue
			}
			came[k.to] = k
			if k.to != begin {
				edge = append(edge, k.to)
				continue
			}
			path := []link{k}
			for at := k.from; at != begin; at = came[at].from {
				path = append(path, came[at])
			}
			slices.Reverse(path)
			return path
		}
	}
	return nil
}

// describe names the packages of a circle in order, beginning with the one whose name is first, so
// that all of them fail with the same words.
func (l *ledger) describe(path []link) string {
	name := func(n node) string { return l.sources[n.id].Package.Source }
	first := 0
	for i := range path {
		if name(path[i].from) < name(path[first].from) {
			first = i
		}
	}
	parts := make([]string, len(path))
	for i := range path {
		k := path[(first+i)%len(path)]
		parts[i] = fmt.Sprintf("%s waits for %s of %s", name(k.from), k.relation, name(k.to))
	}
	return strings.Join(parts, ", ")
}
