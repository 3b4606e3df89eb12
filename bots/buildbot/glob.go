package main

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// A wish is one entry of a package's outputs: a glob for paths relative to the source tree after a
// sign, "=" for files that have to be there and the same whenever the source is built, "%" for those
// that need not, "!" for those to leave out.
type wish struct {
	sign byte
	glob string
}

// wishes reads the entries. A part of a glob is as path.Match has it, or "**" for any number of
// folders.
func wishes(entries []string) (all []wish, err error) {
	for _, entry := range entries {
		if len(entry) < 2 || !strings.Contains("=%!", entry[:1]) {
			return nil, fmt.Errorf("output %q: no glob after =, %% or ! at its beginning", entry)
		}
		w := wish{entry[0], entry[1:]}
		parts := strings.Split(w.glob, "/")
		if path.IsAbs(w.glob) || slices.Contains(parts, "..") || strings.Contains(w.glob, "\x00") {
			return nil, fmt.Errorf("output %q: leads out of the source tree", entry)
		}
		for _, part := range parts {
			if _, err := path.Match(part, ""); err != nil {
				return nil, fmt.Errorf("output %q: %w", entry, err)
			}
		}
		all = append(all, w)
	}
	return all, nil
}

// matches tells whether the path, relative and clean, is one that the glob means.
func (w wish) matches(name string) bool {
	return matchParts(strings.Split(path.Clean(w.glob), "/"), strings.Split(name, "/"))
}

func matchParts(glob, name []string) bool {
	at := make([]bool, len(name)+1) // at[i]: the first i parts of the name match the glob so far
	at[0] = true
	for g, part := range glob {
		next := make([]bool, len(name)+1)
		for i := range at {
			switch {
			case !at[i]:
			case part != "**":
				if i < len(name) {
					ok, err := path.Match(part, name[i])
					next[i+1] = next[i+1] || ok && err == nil
				}
			case g == len(glob)-1: // what is in a folder, not the folder
				fill(next[i+1:])
			default:
				fill(next[i:])
			}
		}
		at = next
	}
	return at[len(name)]
}

func fill(flags []bool) {
	for i := range flags {
		flags[i] = true
	}
}

// decide tells whether a file is wanted and whether it may change. What is to be left out is, and
// otherwise the last entry counts that matches.
func decide(all []wish, name string) (wanted, mayChange bool) {
	for _, w := range all {
		switch {
		case !w.matches(name):
		case w.sign == '!':
			return false, false
		default:
			wanted, mayChange = true, w.sign == '%'
		}
	}
	return wanted, mayChange
}

// pattern is an extended regular expression, as find(1) has them, for the paths that are wanted
// perhaps: it keeps most others from being copied out of a build, decide has the last word. It is
// empty where nothing is wanted.
func pattern(all []wish) string {
	var choices []string
	for _, w := range all {
		if w.sign != '!' {
			choices = append(choices, globPattern(path.Clean(w.glob)))
		}
	}
	if len(choices) == 0 {
		return ""
	}
	return `\./(` + strings.Join(choices, "|") + ")"
}

func globPattern(glob string) string {
	var b strings.Builder
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; {
		case strings.HasPrefix(glob[i:], "**/"):
			b.WriteString("(.*/)?")
			i += 2
		case c == '*' && i+1 < len(glob) && glob[i+1] == '*':
			b.WriteString(".*")
			i++
		case c == '*':
			b.WriteString("[^/]*")
		case c == '?':
			b.WriteString("[^/]+") // a letter is several bytes
		case c == '[':
			for i++; i < len(glob) && glob[i] != ']'; i++ {
				if glob[i] == '\\' {
					i++
				}
			}
			b.WriteString("[^/]+")
		case c == '\\' && i+1 < len(glob):
			i++
			b.WriteString(literal(glob[i]))
		default:
			b.WriteString(literal(c))
		}
	}
	return b.String()
}

// literal is a byte that means itself.
func literal(c byte) string {
	if strings.IndexByte(`.+()|{}^$*?[]\`, c) >= 0 {
		return `\` + string(c)
	}
	return string([]byte{c})
}
