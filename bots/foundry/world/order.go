package world

import (
	"maps"
	"slices"
)

// Dependents are the source packages that build-depend on binary packages of the roots and, with
// transitive, on those of each other. The roots are none of them.
func (w World) Dependents(roots []string, transitive bool) map[string]bool {
	found, from := map[string]bool{}, map[string]bool{}
	for _, name := range roots {
		from[name] = true
	}
	for {
		more := map[string]bool{}
		for name, p := range w {
			if !slices.Contains(roots, name) && !found[name] && len(w.Makers(p, from)) > 0 {
				more[name] = true
			}
		}
		maps.Copy(found, more)
		if !transitive || len(more) == 0 {
			return found
		}
		from = more
	}
}

// Levels puts some source packages in the order in which to build them: each level needs nothing but
// what is before it. Those that need each other are in one level: each is built with what is
// published of the others.
func (w World) Levels(some map[string]bool) (all [][]string) {
	direct := map[string][]string{}
	for name := range some {
		direct[name] = w.Makers(w[name], some)
	}
	needs := map[string]map[string]bool{} // directly or not
	for name := range some {
		needs[name] = map[string]bool{}
		reach(name, direct, needs[name])
	}
	left := maps.Clone(some)
	for len(left) > 0 {
		var level []string
		for name := range left {
			ready := true
			for other := range needs[name] {
				ready = ready && (!left[other] || needs[other][name])
			}
			if ready {
				level = append(level, name)
			}
		}
		slices.Sort(level)
		for _, name := range level {
			delete(left, name)
		}
		all = append(all, level)
	}
	return all
}

// reach notes what name needs, directly or not.
func reach(name string, direct map[string][]string, seen map[string]bool) {
	for _, other := range direct[name] {
		if !seen[other] {
			seen[other] = true
			reach(other, direct, seen)
		}
	}
}
