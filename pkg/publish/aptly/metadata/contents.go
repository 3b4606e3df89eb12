package metadata

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"foundry/pkg/publish/index"
)

// pathWidth is how many characters the path has at least in a line of Contents, as in Debian's.
const pathWidth = 55

// A use is one package more, or one less, that has a path.
type use struct {
	path, by string
	more     int
}

// appendUses appends those of a package.
func appendUses(uses []use, p Package, more int) ([]use, error) {
	by := p.qualified()
	if p.Name == "" || strings.ContainsAny(by, ", \t\r\n") {
		return nil, fmt.Errorf("bad package name %q", p.Name)
	}
	uses = slices.Grow(uses, len(p.Paths))
	for _, path := range p.Paths {
		if path == "" || strings.ContainsAny(path, "\n\x00") {
			return nil, fmt.Errorf("no line of Contents can have the path %q", path)
		}
		uses = append(uses, use{path, by, more})
	}
	return uses, nil
}

// line is that of a path in Contents (Debian repository format, "Contents indices").
func line(path string, packages []string) []byte {
	pad := max(pathWidth-utf8.RuneCountInString(path), 0) + 1
	text := make([]byte, 0, len(path)+pad+len(packages)*24)
	text = append(text, path...)
	text = append(text, strings.Repeat(" ", pad)...)
	for i, p := range packages {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, p...)
	}
	return append(text, '\n')
}

// packagesOf reads the line of a path.
func packagesOf(path string, text []byte) []string {
	text = bytes.TrimSpace(text[len(path):])
	return strings.Split(string(text), ",")
}

// use changes an index of Contents.
func (x *Set) use(name string, uses []use) error {
	slices.SortFunc(uses, func(a, b use) int {
		return cmp.Or(strings.Compare(a.path, b.path), strings.Compare(a.by, b.by))
	})
	var changed, counts []index.Change
	for len(uses) > 0 {
		path := uses[0].path
		n := slices.IndexFunc(uses, func(u use) bool { return u.path != path })
		if n < 0 {
			n = len(uses)
		}
		var packages []string
		if f := x.files[name]; f != nil {
			if text, ok := f.Get(path); ok {
				packages = packagesOf(path, text)
			}
		}
		packages, count, err := x.reckon(name, packages, uses[:n])
		if err != nil {
			return err
		}
		c := index.Change{Key: path}
		if len(packages) > 0 {
			c.Text = line(path, packages)
		}
		changed, counts = append(changed, c), append(counts, count...)
		uses = uses[n:]
	}
	x.apply(x.files, name, lines, changed)
	x.apply(x.more, name, lines, counts)
	return nil
}

// reckon returns the packages of a path after its uses, and the counts that change.
func (x *Set) reckon(name string, packages []string, uses []use) (after []string, counts []index.Change, err error) {
	for len(uses) > 0 {
		path, by, n := uses[0].path, uses[0].by, 0
		for len(uses) > 0 && uses[0].by == by {
			n += uses[0].more
			uses = uses[1:]
		}
		if n == 0 {
			continue
		}
		key, before := path+"\x00"+by, 0
		i, there := slices.BinarySearch(packages, by)
		if there {
			before = x.counted(name, key)
		}
		n += before
		switch {
		case n < 0:
			return nil, nil, fmt.Errorf("fewer than no packages %s have %q", by, path)
		case n == 0 && there:
			packages = slices.Delete(packages, i, i+1)
		case n > 0 && !there:
			packages = slices.Insert(packages, i, by)
		}
		if n > 1 || before > 1 {
			counts = append(counts, counted(key, n))
		}
	}
	return packages, counts, nil
}
