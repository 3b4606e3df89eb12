package debian

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
)

// Changes is what a .changes file says (deb-changes(5)).
type Changes struct {
	Fields        Stanza
	Source        string
	SourceVersion Version // differs from Version for a binNMU, "Source: hello (1.0-1)"
	Version       Version
	Distribution  string // exactly one
	Architectures []string
	Maintainer    string
	ChangedBy     string
	Files         []File
}

// ParseChanges reads a .changes, clearsigned or not; a signature is taken off and not checked. Source,
// Version, Architecture, one Distribution, and Files and Checksums-Sha256 that agree must be there.
func ParseChanges(data []byte) (*Changes, error) {
	c, err := parseChanges(data)
	if err != nil {
		return nil, fmt.Errorf("parse .changes: %w", err)
	}
	return c, nil
}

func parseChanges(data []byte) (*Changes, error) {
	s, err := parseSigned(data)
	if err != nil {
		return nil, err
	}
	c := &Changes{
		Fields: s, Architectures: s.Words("Architecture"),
		Maintainer: s.Get("Maintainer"), ChangedBy: s.Get("Changed-By"),
	}
	if c.Version, err = ParseVersion(s.Get("Version")); err != nil {
		return nil, err
	}
	if c.Source, c.SourceVersion, err = parseSource(s.Get("Source"), c.Version); err != nil {
		return nil, err
	}
	distributions := s.Words("Distribution")
	if len(distributions) != 1 {
		return nil, fmt.Errorf("%d distributions instead of one", len(distributions))
	}
	c.Distribution = distributions[0]
	if !Codename(c.Distribution).Valid() {
		return nil, fmt.Errorf("invalid distribution %s", quote(c.Distribution))
	}
	if len(c.Architectures) == 0 {
		return nil, errors.New("no Architecture")
	}
	for _, a := range c.Architectures {
		if !Architecture(a).Valid() {
			return nil, fmt.Errorf("invalid architecture %s", quote(a))
		}
	}
	if _, found := s.Lookup("Files"); !found {
		return nil, errors.New("no Files")
	}
	c.Files, err = parseFiles(s)
	return c, err
}

// parseSource reads "hello" or "hello (1.0-1)".
func parseSource(field string, v Version) (string, Version, error) {
	name, rest, found := strings.Cut(field, " ")
	if !ValidPackageName(name) {
		return "", v, fmt.Errorf("invalid source package name %s", quote(name))
	}
	if !found {
		return name, v, nil
	}
	inside, ok := strings.CutPrefix(strings.TrimSpace(rest), "(")
	inside, ok2 := strings.CutSuffix(inside, ")")
	if !ok || !ok2 {
		return "", v, fmt.Errorf("invalid Source %s", quote(field))
	}
	v, err := ParseVersion(inside)
	return name, v, err
}

// File returns the listed file of that name.
func (c *Changes) File(name string) (File, bool) {
	for _, f := range c.Files {
		if f.Name == name {
			return f, true
		}
	}
	return File{}, false
}

// Unsign takes the OpenPGP clear signature off a text, or returns a text that has none as it is.
// The signature is not checked. Text outside of the signed part is an error, since a reader might
// take it for signed.
func Unsign(data []byte) ([]byte, error) {
	const begin = "-----BEGIN PGP SIGNED MESSAGE-----"
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	if !bytes.HasPrefix(trimmed, []byte(begin)) {
		if bytes.Contains(data, []byte(begin)) {
			return nil, errors.New("text before the signed message")
		}
		return data, nil
	}
	block, rest := clearsign.Decode(trimmed)
	if block == nil {
		return nil, errors.New("broken OpenPGP clear signature")
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("text after the signature")
	}
	return block.Plaintext, nil
}
