package main

import (
	"crypto/md5" //nolint:gosec // Description-md5
	"fmt"
	"slices"
	"strings"
)

// stanza is the fields of one package, by their names in small letters; a value is what stands after the colon,
// with its further lines as they are.
type stanza map[string]string

// key tells the stanzas of one index apart.
func (s stanza) key() string { return s["package"] + " " + s["version"] + " " + s["architecture"] }

// parse returns the stanzas of an index by their keys.
func parse(index string) (map[string]stanza, error) {
	all := map[string]stanza{}
	for text := range strings.SplitSeq(index, "\n\n") {
		text = strings.Trim(text, "\n")
		if text == "" {
			continue
		}
		s, last := stanza{}, ""
		for line := range strings.SplitSeq(text, "\n") {
			if line[0] == ' ' || line[0] == '\t' {
				s[last] += "\n" + line
				continue
			}
			name, value, ok := strings.Cut(line, ":")
			last = strings.ToLower(name)
			if _, twice := s[last]; !ok || twice {
				return nil, fmt.Errorf("read index: line %q", line)
			}
			s[last] = strings.TrimPrefix(value, " ")
		}
		if all[s.key()] != nil {
			return nil, fmt.Errorf("read index: %s is there twice", s.key())
		}
		all[s.key()] = s
	}
	return all, nil
}

// rejoin puts the long descriptions of the translation back into the stanzas, and says which it does not have
// or has with another sum.
func rejoin(stanzas map[string]stanza, translation string) (problems []string) {
	long := map[string]string{}
	for text := range strings.SplitSeq(translation, "\n\n") {
		var name, sum string
		for line := range strings.Lines(strings.Trim(text, "\n")) {
			switch {
			case strings.HasPrefix(line, "Package: "):
				name = strings.TrimSpace(line[len("Package: "):])
			case strings.HasPrefix(line, "Description-md5: "):
				sum = strings.TrimSpace(line[len("Description-md5: "):])
			}
		}
		if _, description, ok := strings.Cut(text, "\nDescription-en: "); ok {
			long[name+" "+sum] = strings.TrimRight(description, "\n")
		}
	}
	for key, s := range stanzas {
		sum := s["description-md5"]
		if sum == "" {
			continue
		}
		description, ok := long[s["package"]+" "+sum]
		switch short, _, _ := strings.Cut(description, "\n"); {
		case !ok:
			problems = append(problems, key+": its long description is in no Translation-en")
		case short != s["description"]:
			problems = append(problems, key+": its short description is not that of Translation-en")
		case fmt.Sprintf("%x", md5.Sum([]byte(description+"\n"))) != sum: //nolint:gosec // as above
			problems = append(problems, key+": Description-md5 is not that of the description")
		}
		s["description"] = description
		delete(s, "description-md5")
	}
	return problems
}

// lines returns the lines of Contents, one for each file and package, without the header that older ones have.
func lines(contents string) (all []string) {
	for line := range strings.Lines(contents) {
		line = strings.TrimRight(line, "\n")
		i := strings.LastIndexAny(line, " \t")
		if i < 0 {
			continue
		}
		path := strings.TrimRight(line[:i], " \t")
		if path == "FILE" && line[i+1:] == "LOCATION" {
			continue
		}
		for place := range strings.SplitSeq(line[i+1:], ",") {
			all = append(all, path+"\t"+place)
		}
	}
	slices.Sort(all)
	return all
}
