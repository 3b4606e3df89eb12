package debian

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxControl is how many bytes a control file may have.
const maxControl = 4 << 20

// A Field is one field of a stanza. The value's continuation lines follow after newlines, without
// their first space, and " ." stands for an empty one.
type Field struct {
	Name  string
	Value string
	Line  int // counted from 1
}

// A Stanza is a block of fields (deb822(5)).
type Stanza []Field

// Get returns the value of the named field, "" when there is none. Case does not matter.
func (s Stanza) Get(name string) string {
	value, _ := s.Lookup(name)
	return value
}

// Lookup returns the value of the named field and whether there is one.
func (s Stanza) Lookup(name string) (string, bool) {
	for i := range s {
		if strings.EqualFold(s[i].Name, name) {
			return s[i].Value, true
		}
	}
	return "", false
}

// Words splits the named field at white space.
func (s Stanza) Words(name string) []string { return strings.Fields(s.Get(name)) }

// Line returns the line that the stanza begins on.
func (s Stanza) Line() int {
	if len(s) == 0 {
		return 0
	}
	return s[0].Line
}

// ParseControl reads the stanzas of a control file. Comments are dropped. A field that occurs twice
// in a stanza, a continuation of nothing and a line that is no field are errors.
func ParseControl(data []byte) ([]Stanza, error) {
	if len(data) > maxControl {
		return nil, fmt.Errorf("parse control file: %d bytes, more than %d", len(data), maxControl)
	}
	var stanzas []Stanza
	var current Stanza
	seen := map[string]bool{}
	number := 0
	for raw := range bytes.Lines(data) {
		number++
		line := strings.TrimRight(string(raw), " \t\r\n")
		switch {
		case strings.HasPrefix(line, "#"):
		case line == "":
			if current != nil {
				stanzas, current = append(stanzas, current), nil
				clear(seen)
			}
		default:
			var err error
			if current, err = current.add(line, number, seen); err != nil {
				return nil, fmt.Errorf("parse control file: line %d: %w", number, err)
			}
		}
	}
	if current != nil {
		stanzas = append(stanzas, current)
	}
	return stanzas, nil
}

// add takes one line that is neither empty nor a comment.
func (s Stanza) add(line string, number int, seen map[string]bool) (Stanza, error) {
	if strings.IndexByte(line, 0) >= 0 {
		return nil, errors.New("null byte")
	}
	if line[0] == ' ' || line[0] == '\t' {
		if len(s) == 0 {
			return nil, errors.New("continuation line without a field")
		}
		s[len(s)-1].more(line[1:])
		return s, nil
	}
	name, value, found := strings.Cut(line, ":")
	name = strings.TrimRight(name, " \t")
	if !found || !validFieldName(name) {
		return nil, errors.New("not a field: " + quote(line))
	}
	key := strings.ToLower(name)
	if seen[key] {
		return nil, fmt.Errorf("field %s is there twice", name)
	}
	seen[key] = true
	return append(s, Field{Name: name, Value: strings.TrimLeft(value, " \t"), Line: number}), nil
}

func (f *Field) more(line string) {
	if strings.Trim(line, ".") == "" {
		line = strings.TrimPrefix(line, ".")
	}
	f.Value += "\n" + line
}

func validFieldName(s string) bool {
	if s == "" || s[0] == '-' || s[0] == '#' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// A SourceControl is the content of debian/control (deb-src-control(5)).
type SourceControl struct {
	Source     string
	Maintainer string
	Fields     Stanza // of the source package
	Binaries   []Binary
}

// A Binary is one binary package of a debian/control.
type Binary struct {
	Package       string
	Architectures []string
	Type          string     // "deb" or "udeb"
	Profiles      [][]string // Build-Profiles, a formula as ProfilesHold takes it
	Fields        Stanza
}

// ParseSourceControl reads debian/control.
func ParseSourceControl(data []byte) (*SourceControl, error) {
	stanzas, err := ParseControl(data)
	if err != nil {
		return nil, err
	}
	if len(stanzas) == 0 {
		return nil, errors.New("parse control file: empty")
	}
	c := &SourceControl{Source: stanzas[0].Get("Source"), Maintainer: stanzas[0].Get("Maintainer"), Fields: stanzas[0]}
	if !ValidPackageName(c.Source) {
		return nil, fmt.Errorf("parse control file: line %d: invalid source package name %s in the first stanza",
			stanzas[0].Line(), quote(c.Source))
	}
	names := map[string]bool{}
	for _, s := range stanzas[1:] {
		b, err := parseBinary(s)
		if err != nil {
			return nil, fmt.Errorf("parse control file: stanza at line %d: %w", s.Line(), err)
		}
		if names[b.Package] {
			return nil, fmt.Errorf("parse control file: line %d: package %s is there twice", s.Line(), b.Package)
		}
		names[b.Package] = true
		c.Binaries = append(c.Binaries, b)
	}
	if len(c.Binaries) == 0 {
		return nil, errors.New("parse control file: no binary package")
	}
	return c, nil
}

func parseBinary(s Stanza) (Binary, error) {
	b := Binary{Package: s.Get("Package"), Architectures: s.Words("Architecture"), Type: "deb", Fields: s}
	if !ValidPackageName(b.Package) {
		return b, fmt.Errorf("invalid package name %s", quote(b.Package))
	}
	if len(b.Architectures) == 0 {
		return b, fmt.Errorf("package %s has no Architecture", b.Package)
	}
	if i := slices.IndexFunc(b.Architectures, func(a string) bool { return !Architecture(a).Valid() }); i >= 0 {
		return b, fmt.Errorf("package %s has an invalid architecture %s", b.Package, quote(b.Architectures[i]))
	}
	if t, ok := s.Lookup("Package-Type"); ok {
		b.Type = t
	} else if t, ok := s.Lookup("XC-Package-Type"); ok {
		b.Type = t
	}
	var r Relation
	rest := strings.Trim(s.Get("Build-Profiles"), space)
	for rest != "" {
		if rest[0] != '<' {
			return b, fmt.Errorf("package %s has invalid Build-Profiles", b.Package)
		}
		var err error
		if rest, err = r.parseProfiles(rest); err != nil {
			return b, fmt.Errorf("package %s has invalid Build-Profiles: %w", b.Package, err)
		}
	}
	b.Profiles = r.Profiles
	return b, nil
}
