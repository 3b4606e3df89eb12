package aptly

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly/catalog"
	"foundry/pkg/publish/aptly/metadata"
)

// component returns the component that an entry belongs in: that for packages with debugging symbols,
// that of the first rule for its source, that before the slash of its Section, or that of all others.
func component(s publish.Suite, e *catalog.Entry) string {
	if s.DebugComponent != "" && strings.HasSuffix(e.Name, "-dbgsym") {
		return s.DebugComponent
	}
	for _, rule := range s.Rules {
		if ok, err := path.Match(rule.Source, e.Source); err == nil && ok {
			return rule.Component
		}
	}
	if prefix, _, found := strings.Cut(e.Section, "/"); found && len(s.Components) > 0 {
		return prefix
	}
	return s.Component
}

// relocate returns the component of an entry that the suite had when it was described as then: where it has been
// put in the way that applied then it follows the rules of now. Otherwise, as after an import, it stays as
// long as its component is served.
func relocate(then, now publish.Suite, e *catalog.Entry) string {
	if e.Component != component(then, e) && slices.Contains(metadata.Components(now), e.Component) {
		return e.Component
	}
	return served(now, e)
}

// restore returns the component that an entry of an earlier snapshot goes to: its own, if that is served.
func restore(s publish.Suite, e *catalog.Entry) string {
	if slices.Contains(metadata.Components(s), e.Component) {
		return e.Component
	}
	return served(s, e)
}

// served is component, or the first of the suite where that is not served any more.
func served(s publish.Suite, e *catalog.Entry) string {
	if name := component(s, e); slices.Contains(metadata.Components(s), name) {
		return name
	}
	return s.Component
}

// place puts candidates in their components. A source whose upload does not say a Section goes where the
// packages built from it go. A forced component counts before all rules, where the suite serves it.
func place(s publish.Suite, forced string, candidates []*candidate) error {
	var section string
	for _, c := range candidates {
		if c.IsSource() && c.Section == "" {
			sectioned := *c.Entry
			sectioned.Section = section
			c.Entry = &sectioned
		}
		if section == "" {
			section = c.Section
		}
		name := component(s, c.Entry)
		if forced != "" && slices.Contains(metadata.Components(s), forced) {
			name = forced
		}
		if !slices.Contains(metadata.Components(s), name) {
			return &publish.RefusedError{
				File:   c.Main().Name,
				Reason: fmt.Sprintf("%s has no component %s", s.Codename, name),
				Hint:   fmt.Sprintf("serve it with --component %s, or give the package another with --component-rule %s=COMPONENT", name, c.Source),
			}
		}
		c.Entry = c.In(name)
	}
	return nil
}
