package apt

import (
	"slices"
	"strings"

	"foundry/pkg/debian"
)

// Names are those of the packages in relations, each once.
func Names(relations string) []string {
	parsed, err := debian.ParseRelations(relations)
	if err != nil {
		return nil // apt says what is wrong with them
	}
	var all []string
	for _, entry := range parsed {
		for _, r := range entry {
			all = append(all, r.Package)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Absent returns those of depends for which nothing is available in a version that would do,
// provided that these are all that apt has complained of. available is what apt-cache showpkg says
// of their names.
func Absent(depends string, missing []string, available string) (all []string) {
	parsed, err := debian.ParseRelations(depends)
	if err != nil {
		return nil
	}
	there := parseAvailable(available)
	for _, entry := range parsed {
		if !slices.ContainsFunc(entry, there.mayHave) {
			all = append(all, debian.Relations{entry}.String())
		}
	}
	for _, m := range missing {
		if !slices.ContainsFunc(all, func(a string) bool { return aptSpelling(a) == m }) {
			return nil
		}
	}
	return all
}

// aptSpelling is how apt writes a relation.
func aptSpelling(relation string) string {
	return strings.NewReplacer("(<< ", "(< ", "(>> ", "(> ", ":native", "").Replace(relation)
}

// availability is what there is of packages, by name: their own versions and those that others
// provide, "" for one without a version.
type availability map[string]struct{ versions, provided []string }

// mayHave tells whether a package satisfies r, or nothing can be said of it.
func (a availability) mayHave(r debian.Relation) bool {
	if r.Qualifier != "" && r.Qualifier != "any" && r.Qualifier != "native" {
		return true // of another architecture
	}
	satisfies := func(text string) bool {
		v, err := debian.ParseVersion(text)
		return err == nil && r.SatisfiedBy(v)
	}
	if slices.ContainsFunc(a[r.Package].versions, satisfies) {
		return true
	}
	return slices.ContainsFunc(a[r.Package].provided, func(text string) bool {
		return r.Operator == "" || satisfies(text)
	})
}

// parseAvailable reads what apt-cache showpkg says.
func parseAvailable(said string) availability {
	all := availability{}
	name, section := "", ""
	for line := range strings.Lines(said) {
		line = strings.TrimRight(line, "\n")
		if pkg, found := strings.CutPrefix(line, "Package: "); found {
			name, section = pkg, ""
			continue
		}
		if heading := strings.TrimRight(line, ": "); strings.HasSuffix(strings.TrimRight(line, " "), ":") && !strings.HasPrefix(line, " ") {
			section = heading
			continue
		}
		entry := all[name]
		fields := strings.Fields(line)
		switch {
		case section == "Versions" && len(fields) > 1 && !strings.HasPrefix(line, " ") && strings.HasPrefix(fields[1], "("):
			entry.versions = append(entry.versions, fields[0])
		case section == "Reverse Provides" && len(fields) >= 3:
			// PROVIDER VERSION (= PROVIDED), nothing after the sign where it has no version
			provided := strings.TrimRight(fields[len(fields)-1], ")")
			entry.provided = append(entry.provided, strings.TrimPrefix(provided, "(="))
		default:
			continue
		}
		all[name] = entry
	}
	return all
}
