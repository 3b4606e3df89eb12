// Package apt reads what apt-get and apt-cache say: what a simulation would install, and what of build
// dependencies cannot be satisfied or is absent.
package apt

import (
	"regexp"
	"slices"
	"strings"

	"foundry/pkg/environment"
)

var (
	// Inst name[:arch] [old version] (version origin, origin [arch]) …
	instPattern = regexp.MustCompile(`^Inst (\S+?)(?::(\S+))? (?:\[\S+\] )?\((\S+) .*?\[(\S+)\]\)`)
	// Remv name[:arch] [version] …
	remvPattern = regexp.MustCompile(`^Remv (\S+?)(?::(\S+))? \[`)
)

// Foresee tells from apt's simulation which packages ("name:arch=version", sorted) will be there
// after it, and which ("name=version", sorted) it installs.
func Foresee(before []string, simulation, native string) (after, installs []string) {
	there := make(map[string]string, len(before))
	for _, p := range before {
		if name, version, found := strings.Cut(p, "="); found {
			there[name] = version
		}
	}
	for line := range strings.Lines(simulation) {
		if m := remvPattern.FindStringSubmatch(line); m != nil {
			forget(there, m[1], m[2], native)
		}
		if m := instPattern.FindStringSubmatch(line); m != nil {
			forget(there, m[1], m[2], native)
			there[m[1]+":"+m[4]] = m[3]
			name := m[1]
			if m[2] != "" && m[2] != native {
				name += ":" + m[2]
			}
			installs = append(installs, name+"="+m[3])
		}
	}
	for name, version := range there {
		after = append(after, name+"="+version)
	}
	slices.Sort(after)
	slices.Sort(installs)
	return after, installs
}

func forget(there map[string]string, name, arch, native string) {
	if arch != "" && arch != native {
		delete(there, name+":"+arch)
		return
	}
	delete(there, name+":"+native)
	delete(there, name+":all")
}

// The lines in which apt says what cannot be satisfied, after a heading.
var (
	unmetHeading = "The following packages have unmet dependencies:"
	unmetPattern = regexp.MustCompile(`^\s+(?:(\S+) : )?(?:(?:Pre)?Depends|(Conflicts|Breaks)): (.+)$`)
	reasonTail   = regexp.MustCompile(` but .*$`)
)

// Unsatisfiable makes the error of what apt-get build-dep said, or returns nil when it failed for
// another reason.
func Unsatisfiable(said string) *environment.UnsatisfiableError {
	_, detail, found := strings.Cut(said, unmetHeading)
	if !found {
		if strings.Contains(said, "Problem parsing dependency") || strings.Contains(said, "Unable to satisfy dependencies") {
			return &environment.UnsatisfiableError{Missing: []string{LastError(said)}, Detail: strings.TrimSpace(said)}
		}
		return nil
	}
	var own, others []string
	mine := false
	for _, line := range joinAlternatives(detail) {
		m := unmetPattern.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if m[1] != "" {
			mine = strings.HasPrefix(m[1], "builddeps:")
		}
		relation := strings.TrimSpace(reasonTail.ReplaceAllString(m[3], ""))
		if m[2] != "" {
			relation = strings.ToLower(m[2]) + " " + relation
		}
		if mine {
			own = append(own, relation)
		} else {
			others = append(others, relation)
		}
	}
	missing := own
	if len(missing) == 0 {
		missing = others
	}
	slices.Sort(missing)
	return &environment.UnsatisfiableError{
		Missing: slices.Compact(missing), Detail: unmetHeading + strings.TrimRight(detail, "\n"),
	}
}

// joinAlternatives puts each relation on one line, "a | b", where apt writes "a but … or" and goes
// on with the next alternative on the next line.
func joinAlternatives(detail string) []string {
	var lines []string
	open := false
	for line := range strings.Lines(detail) {
		line = strings.TrimRight(line, "\n")
		next := strings.HasSuffix(line, " or")
		line = strings.TrimSuffix(line, " or")
		if open {
			alternative := strings.TrimSpace(reasonTail.ReplaceAllString(line, ""))
			last := len(lines) - 1
			lines[last] = reasonTail.ReplaceAllString(lines[last], "") + " | " + alternative
		} else {
			lines = append(lines, line)
		}
		open = next
	}
	return lines
}

// LastError is the last line that apt marks as an error.
func LastError(said string) string {
	last := "unknown"
	for line := range strings.Lines(said) {
		if text, found := strings.CutPrefix(line, "E: "); found {
			last = strings.TrimSpace(text)
		}
	}
	return last
}
