// Package metadata makes the index files and the Release file of a suite (Debian repository format).
// The same packages give the same bytes, whatever was there before, and what a publish does not change is
// neither made nor compressed again.
package metadata

import (
	"crypto/md5" //nolint:gosec // part of the format of Translation files
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"foundry/pkg/publish"
)

// A Package is what indexes show of a package.
type Package struct {
	Key          string // sorts and identifies: name NUL version NUL architecture, and NUL "udeb" of an udeb
	Component    string
	Architecture string // "source" for a source package
	Udeb         bool
	Name         string
	Section      string
	Stanza       []byte   // of Packages or Sources, with the empty line that ends it
	Translation  []byte   // stanza of Translation-en, nil for none; several packages may have the same
	Paths        []string // of the files in it, without leading "./"; nil for a source package
}

// Digest is the SHA-256 of data as Release lists it.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Describe splits the value of a Description field as archives do whose Packages have the first line alone:
// into that, the Description-md5 that apt computes of the whole, and the stanza of Translation-en (Debian
// repository format, "Translation indices"). A package without description has none of them.
func Describe(name, description string) (short, sum string, translation []byte) {
	description = strings.Trim(description, " \t\r\n\v\f") // as apt does; a space of Unicode is text
	if description == "" {
		return "", "", nil
	}
	short, _, _ = strings.Cut(description, "\n")
	sum = fmt.Sprintf("%x", md5.Sum([]byte(description+"\n"))) //nolint:gosec // as above
	return short, sum, fmt.Appendf(nil, "Package: %s\nDescription-md5: %s\nDescription-en: %s\n\n", name, sum, description)
}

// Components returns the components of a suite, that of most packages first.
func Components(s publish.Suite) (list []string) {
	for _, c := range append([]string{s.Component, s.DebugComponent}, s.Components...) {
		if c != "" && !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	return list
}

// qualified is the package as Contents names it: SECTION/NAME.
func (p Package) qualified() string {
	if p.Section == "" || strings.ContainsAny(p.Section, ", \t\r\n") {
		return p.Name
	}
	return p.Section + "/" + p.Name
}

// String names the package in errors.
func (p Package) String() string { return strings.ReplaceAll(p.Key, "\x00", " ") }
