package debian

import (
	"fmt"
	"slices"
	"strings"
)

// The limits of a relation field. The largest build dependencies in Debian have some 400 entries.
const (
	maxRelations = 64 << 10 // bytes
	maxEntries   = 10_000
)

// Relations is the content of a field such as Build-Depends (Debian policy 7.1): each entry
// must hold, and one of its alternatives is enough for that.
type Relations [][]Relation

// A Relation is one alternative: a package, and what restricts it.
type Relation struct {
	Package       string
	Qualifier     string     // after the colon: "any", "native" or an architecture
	Operator      string     // "<<", "<=", "=", ">=", ">>", or empty
	Version       string     // set with Operator
	Architectures []string   // "amd64", "!i386"; empty for all
	Profiles      [][]string // one list must hold as a whole: {{"!nocheck", "!stage1"}, {"cross"}}
}

// ParseRelations reads a relation field. Empty entries, as a final comma leaves, are dropped.
func ParseRelations(field string) (Relations, error) {
	if len(field) > maxRelations {
		return nil, fmt.Errorf("parse relations: %d bytes, more than %d", len(field), maxRelations)
	}
	var relations Relations
	entries := 0
	for entry := range strings.SplitSeq(field, ",") {
		if strings.TrimSpace(entry) == "" {
			continue
		}
		var alternatives []Relation
		for text := range strings.SplitSeq(entry, "|") {
			r, err := parseRelation(text)
			if err != nil {
				return nil, fmt.Errorf("parse relation %s: %w", quote(strings.TrimSpace(text)), err)
			}
			if entries++; entries > maxEntries {
				return nil, fmt.Errorf("parse relations: more than %d entries", maxEntries)
			}
			alternatives = append(alternatives, r)
		}
		relations = append(relations, alternatives)
	}
	return relations, nil
}

// ReduceRelations returns what of a relation field counts on arch with the given build profiles,
// without the restrictions that said so. The result may be empty.
func ReduceRelations(field string, arch Architecture, profiles []string) (string, error) {
	relations, err := ParseRelations(field)
	if err != nil {
		return "", err
	}
	return relations.Reduce(arch, profiles).String(), nil
}

// Reduce keeps what counts on arch with the given build profiles and drops the restrictions.
func (r Relations) Reduce(arch Architecture, profiles []string) Relations {
	var reduced Relations
	for _, entry := range r {
		var alternatives []Relation
		for _, a := range entry {
			if a.counts(arch, profiles) {
				a.Architectures, a.Profiles = nil, nil
				alternatives = append(alternatives, a)
			}
		}
		if alternatives != nil {
			reduced = append(reduced, alternatives)
		}
	}
	return reduced
}

func (r Relation) counts(arch Architecture, profiles []string) bool {
	if r.Architectures != nil && !arch.Concerned(r.Architectures) {
		return false
	}
	return ProfilesHold(r.Profiles, profiles)
}

// ProfilesHold tells whether a restriction formula holds with the active build profiles: no
// formula always does, otherwise one of its lists must, and a list holds when all its terms do.
func ProfilesHold(formula [][]string, active []string) bool {
	if len(formula) == 0 {
		return true
	}
	return slices.ContainsFunc(formula, func(list []string) bool {
		for _, term := range list {
			name, negated := strings.CutPrefix(term, "!")
			if slices.Contains(active, name) == negated {
				return false
			}
		}
		return true
	})
}

// String returns the field in its usual spelling, on one line.
func (r Relations) String() string {
	entries := make([]string, len(r))
	for i, entry := range r {
		alternatives := make([]string, len(entry))
		for j, a := range entry {
			alternatives[j] = a.String()
		}
		entries[i] = strings.Join(alternatives, " | ")
	}
	return strings.Join(entries, ", ")
}

// String returns the alternative in its usual spelling.
func (r Relation) String() string {
	var b strings.Builder
	b.WriteString(r.Package)
	if r.Qualifier != "" {
		b.WriteString(":" + r.Qualifier)
	}
	if r.Operator != "" {
		b.WriteString(" (" + r.Operator + " " + r.Version + ")")
	}
	if r.Architectures != nil {
		b.WriteString(" [" + strings.Join(r.Architectures, " ") + "]")
	}
	for _, list := range r.Profiles {
		b.WriteString(" <" + strings.Join(list, " ") + ">")
	}
	return b.String()
}
