package debian

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
)

// An Architecture is a Debian architecture ("amd64"), a wildcard that stands for several
// ("any", "linux-any", "any-arm"), or "all".
type Architecture string

// The architectures that are none of a machine.
const (
	All    Architecture = "all"    // packages that run anywhere
	Any    Architecture = "any"    // wildcard for every machine
	Source Architecture = "source" // in .changes: the source package
)

// A tuple is what dpkg tells architectures apart by: ABI, C library, operating system, CPU.
type tuple [4]string

// The tables are dpkg's own, so that wildcards mean here what they mean to it.
var (
	//go:embed dpkg/cputable
	cpuTable string
	//go:embed dpkg/tupletable
	tupleTable string

	tuples = sync.OnceValue(loadTuples)
)

// Valid tells whether a is spelled as an architecture or wildcard may be: small letters, digits and
// hyphens.
func (a Architecture) Valid() bool {
	return a != "" && len(a) <= 64 && alphanumeric(a[0]) && only(string(a), "-") && strings.ToLower(string(a)) == string(a)
}

// Known tells whether dpkg knows a as an architecture of a machine: not "all", not a wildcard.
func (a Architecture) Known() bool {
	_, ok := tuples()[string(a)]
	return ok
}

// Architectures lists those of machines that dpkg knows, sorted.
func Architectures() []Architecture {
	var all []Architecture
	for name := range tuples() {
		all = append(all, Architecture(name))
	}
	slices.Sort(all)
	return all
}

// Is tells whether a is what alias says: the same architecture, or one of those a wildcard stands
// for (dpkg-architecture -i).
func (a Architecture) Is(alias Architecture) bool {
	if alias == a || alias == Any {
		return true
	}
	real, ok := a.tuple()
	if !ok {
		return false
	}
	pattern, ok := alias.pattern()
	if !ok {
		return false
	}
	for i := range real {
		if pattern[i] != real[i] && pattern[i] != "any" {
			return false
		}
	}
	return true
}

// Builds tells whether a package whose Architecture field is list has something to build on a
// beside packages for "all".
func (a Architecture) Builds(list []string) bool {
	for _, alias := range list {
		if alias != string(All) && a.Is(Architecture(alias)) {
			return true
		}
	}
	return false
}

// Concerned tells whether an architecture restriction, "[amd64 linux-any]" or "[!i386 !arm64]"
// without its brackets, lets a relation count on a (Dpkg::Arch debarch_is_concerned).
func (a Architecture) Concerned(list []string) bool {
	seen := false
	for _, entry := range list {
		entry = strings.ToLower(entry)
		if alias, negated := strings.CutPrefix(entry, "!"); negated {
			if a.Is(Architecture(alias)) {
				return false
			}
			seen = true
		} else if a.Is(Architecture(entry)) {
			return true
		}
	}
	return seen
}

func (a Architecture) tuple() (tuple, bool) {
	name := string(a)
	if rest, ok := strings.CutPrefix(name, "linux-"); ok {
		name, _, _ = strings.Cut(rest, "-")
	}
	t, ok := tuples()[name]
	return t, ok
}

// pattern is the tuple of a wildcard, shorter ones filled up with "any" at the front, or that of
// an architecture.
func (a Architecture) pattern() (tuple, bool) {
	parts := strings.SplitN(string(a), "-", 4)
	for _, part := range parts {
		if part == "any" {
			t := tuple{"any", "any", "any", "any"}
			if len(parts) > 1 {
				copy(t[4-len(parts):], parts)
			}
			return t, true
		}
	}
	return a.tuple()
}

// loadTuples reads the tables as Dpkg::Arch does: the first line that names an architecture or
// a tuple through "<cpu>" holds, and lines without it always do.
func loadTuples() map[string]tuple {
	var cpus []string
	for _, fields := range tableLines(cpuTable) {
		cpus = append(cpus, fields[0])
	}
	byName, taken := map[string]tuple{}, map[string]bool{}
	add := func(spec, name string) {
		var t tuple
		copy(t[:], strings.SplitN(spec, "-", 4))
		byName[name], taken[spec] = t, true
	}
	for _, fields := range tableLines(tupleTable) {
		spec, name := fields[0], fields[1]
		if !strings.Contains(spec, "<cpu>") {
			add(spec, name)
			continue
		}
		for _, cpu := range cpus {
			s, n := strings.Replace(spec, "<cpu>", cpu, 1), strings.Replace(name, "<cpu>", cpu, 1)
			if _, known := byName[n]; !known && !taken[s] {
				add(s, n)
			}
		}
	}
	return byName
}

func tableLines(table string) [][]string {
	var lines [][]string
	for line := range strings.Lines(table) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0][0] != '#' {
			lines = append(lines, fields)
		}
	}
	return lines
}
