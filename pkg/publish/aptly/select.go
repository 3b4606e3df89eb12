package aptly

import (
	"errors"
	"fmt"
	"strings"

	"foundry/pkg/debian"
	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly/catalog"
)

// choose returns the packages that are selected, each once. A selection that finds none is
// publish.ErrUnknownPackage.
func choose(s *suite, list []publish.Select) (chosen []*catalog.Entry, err error) {
	if len(list) == 0 {
		return nil, errors.New("no package is named")
	}
	seen := map[string]bool{}
	for _, one := range list {
		found := false
		for e := range s.list.All() {
			if !selects(one, e) {
				continue
			}
			if found = true; !seen[e.ID()] {
				seen[e.ID()] = true
				chosen = append(chosen, e)
			}
		}
		if !found {
			return nil, fmt.Errorf("%s in %s: %w", describe([]publish.Select{one}), s.Codename, publish.ErrUnknownPackage)
		}
	}
	return chosen, nil
}

func selects(one publish.Select, e *catalog.Entry) bool {
	name, version := e.Source, e.SourceVersion
	if one.Binary {
		name, version = e.Name, e.Parsed.String()
	}
	return name == one.Name && !(one.Binary && e.IsSource()) && sameText(one.Version, version) &&
		(one.Architecture == "" || one.Architecture == e.Arch)
}

// sameText tells whether a version that a person gave means this one.
func sameText(given, version string) bool {
	if given == "" || given == version {
		return true
	}
	v, err := debian.ParseVersion(given)
	return err == nil && v.String() == version
}

// describe names what is selected.
func describe(list []publish.Select) string {
	var names []string
	for _, one := range list {
		names = append(names, strings.Join(strings.Fields(one.Name+" "+one.Version+" "+one.Architecture), " "))
	}
	return strings.Join(names, ", ")
}
