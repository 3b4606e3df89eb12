package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// most is how many differences of one index are told.
const most = 50

const ftparchive = "apt-ftparchive"

// report is what was compared and what differs.
type report struct {
	rows      []row
	explained map[string]int // by peer, field and reason
	problems  []string
}

// row is one index of foundry beside that of a peer.
type row struct {
	peer, index       string
	stanzas, fields   int // lines of Contents are stanzas of one field
	allowed, problems int
}

// compare publishes with all and compares.
func (e *equality) compare(ctx context.Context) (*report, error) {
	served, ours, err := e.foundry(ctx)
	if err != nil {
		return nil, fmt.Errorf("publish with foundry: %w", err)
	}
	aptly, err := e.byAptly(ctx)
	if err != nil {
		return nil, fmt.Errorf("publish with aptly: %w", err)
	}
	byFtparchive, err := e.byFtparchive(ctx, served)
	if err != nil {
		return nil, fmt.Errorf("index with apt-ftparchive: %w", err)
	}
	r := &report{explained: map[string]int{}}
	for _, peer := range []struct {
		name string
		indexes
	}{{"aptly", aptly}, {ftparchive, byFtparchive}} {
		for _, name := range slices.Sorted(maps.Keys(peer.indexes)) {
			if !strings.Contains(name, "/") {
				continue // aptly has Contents beside the components too, as Debian had once
			}
			if err := r.add(peer.name, name, ours, peer.indexes[name]); err != nil {
				return nil, fmt.Errorf("%s of %s: %w", name, peer.name, err)
			}
		}
		for name := range ours {
			if _, ok := peer.indexes[name]; !ok && !strings.Contains(name, "i18n/") && strings.TrimSpace(ours[name]) != "" {
				r.problems = append(r.problems, fmt.Sprintf("%s: %s has no %s", peer.name, peer.name, name))
			}
		}
	}
	return r, nil
}

// add compares one index.
func (r *report) add(peer, name string, ours indexes, theirs string) error {
	x := &row{peer: peer, index: name}
	var err error
	if strings.HasPrefix(filepath.Base(name), "Contents-") {
		r.contents(x, lines(ours[name]), lines(theirs))
	} else {
		err = r.stanzas(x, ours, theirs)
	}
	r.rows = append(r.rows, *x)
	return err
}

// problem notes what nothing explains.
func (r *report) problem(x *row, format string, args ...any) {
	if x.problems++; x.problems <= most {
		r.problems = append(r.problems, x.peer+": "+x.index+": "+fmt.Sprintf(format, args...))
	}
}

// contents compares the lines of Contents.
func (r *report) contents(x *row, us, them []string) {
	x.stanzas, x.fields = len(us), len(us)
	if x.peer == ftparchive {
		x.allowed = withoutSections(us)
		withoutSections(them)
		r.explained[x.peer+"\tContents\tapt-ftparchive knows sections from override files only"] += x.allowed
	}
	for _, line := range without(us, them) {
		r.problem(x, "only foundry has %q", line)
	}
	for _, line := range without(them, us) {
		r.problem(x, "foundry lacks %q", line)
	}
}

// stanzas compares those of Packages and Sources.
func (r *report) stanzas(x *row, ours indexes, theirs string) error {
	us, err := parse(ours[x.index])
	if err != nil {
		return fmt.Errorf("foundry: %w", err)
	}
	for _, p := range rejoin(us, ours["main/i18n/Translation-en"]) {
		r.problem(x, "%s", p)
	}
	them, err := parse(theirs)
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(them)) {
		if us[key] == nil {
			r.problem(x, "foundry lacks %s", key)
			continue
		}
		x.stanzas++
		for _, field := range slices.Sorted(maps.Keys(union(us[key], them[key]))) {
			x.fields++
			a, b := us[key][field], them[key][field]
			if a == b {
				continue
			}
			if reason := explain(field, a, b); reason != "" {
				x.allowed++
				r.explained[x.peer+"\t"+field+"\t"+reason]++
				continue
			}
			r.problem(x, "%s, %s: foundry %q, not %q", key, field, a, b)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(us)) {
		if them[key] == nil {
			r.problem(x, "only foundry has %s", key)
		}
	}
	return nil
}

// withoutSections leaves of each place the package alone, and returns in how many lines that changed something.
func withoutSections(lines []string) (n int) {
	for i, line := range lines {
		tab := strings.LastIndexByte(line, '\t') // lines has put it there
		if at := strings.LastIndexByte(line[tab:], '/'); at >= 0 {
			lines[i] = line[:tab+1] + line[tab+at+1:]
			n++
		}
	}
	slices.Sort(lines)
	return n
}

func union(a, b stanza) stanza {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// without returns what is in a and not in b; both are sorted.
func without(a, b []string) (rest []string) {
	for _, line := range a {
		if _, ok := slices.BinarySearch(b, line); !ok {
			rest = append(rest, line)
		}
	}
	return rest
}

func (r *report) unexplained() int { return len(r.problems) }

// print writes the tables, and what nothing explains.
func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "| foundry beside | index | stanzas or lines | fields | differ as allowed | differ otherwise |\n|---|---|---:|---:|---:|---:|\n")
	for _, x := range r.rows {
		fmt.Fprintf(w, "| %s | %s | %d | %d | %d | %d |\n", x.peer, x.index, x.stanzas, x.fields, x.allowed, x.problems)
	}
	fmt.Fprintf(w, "\n| beside | field | times | why |\n|---|---|---:|---|\n")
	for _, key := range slices.Sorted(maps.Keys(r.explained)) {
		parts := strings.Split(key, "\t")
		fmt.Fprintf(w, "| %s | %s | %d | %s |\n", parts[0], parts[1], r.explained[key], parts[2])
	}
	for _, p := range r.problems {
		fmt.Fprintln(w, p)
	}
}
