package aptrepo

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"foundry/pkg/debian"
)

// Release is what a Release file says.
type Release struct {
	Fields        debian.Stanza
	Suite         string
	Codename      string
	Date          time.Time
	ValidUntil    time.Time // zero for none
	Components    []string
	Architectures []string
	ByHash        bool
	Files         []File // indexes and what else it lists, in the order of the file; Path is below the suite's folder
}

// A File is one that is listed with its size and hash.
type File struct {
	Path   string
	Size   int64
	SHA256 string // lower-case hexadecimal
}

// maxListed is how many files a Release may list.
const maxListed = 200_000

// ParseRelease reads the text of a Release file, without its signature.
func ParseRelease(data []byte) (*Release, error) {
	stanza, err := parseStanza(data)
	if err != nil {
		return nil, fmt.Errorf("parse Release: %w", err)
	}
	r := &Release{
		Fields: stanza, Suite: stanza.Get("Suite"), Codename: stanza.Get("Codename"),
		Components: stanza.Words("Components"), Architectures: stanza.Words("Architectures"),
		ByHash: strings.EqualFold(stanza.Get("Acquire-By-Hash"), "yes"),
	}
	for name, into := range map[string]*time.Time{"Date": &r.Date, "Valid-Until": &r.ValidUntil} {
		text, found := stanza.Lookup(name)
		if !found {
			continue
		}
		if *into, err = parseTime(text); err != nil {
			return nil, fmt.Errorf("parse Release: %s: %w", name, err)
		}
	}
	list, found := stanza.Lookup("SHA256")
	if !found {
		return nil, errors.New("parse Release: it has no SHA256, and weaker hashes are not believed")
	}
	if r.Files, err = parseFiles(list); err != nil {
		return nil, fmt.Errorf("parse Release: SHA256: %w", err)
	}
	return r, nil
}

// parseTime reads a date as apt takes it: of RFC 1123, and in no zone but UTC.
func parseTime(text string) (time.Time, error) {
	day, zone := text, ""
	if i := strings.LastIndexByte(text, ' '); i >= 0 {
		day, zone = text[:i], text[i+1:]
	}
	t, err := time.Parse("Mon, 2 Jan 2006 15:04:05", day)
	if err != nil || !slices.Contains([]string{"UTC", "GMT", "Z", "+0000"}, zone) {
		return time.Time{}, fmt.Errorf("%q is not a date in UTC", text)
	}
	return t, nil
}

// parseStanza reads text that is one stanza.
func parseStanza(data []byte) (debian.Stanza, error) {
	stanzas, err := debian.ParseControl(data)
	if err != nil {
		return nil, err
	}
	if len(stanzas) != 1 {
		return nil, fmt.Errorf("%d stanzas, not one", len(stanzas))
	}
	return stanzas[0], nil
}

// parseFiles reads a list of hash, size and path.
func parseFiles(list string) (files []File, err error) {
	seen := map[string]bool{}
	for line := range strings.Lines(list) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if len(fields) != 3 {
			return nil, fmt.Errorf("line %q: not hash, size and name", strings.TrimSpace(line))
		}
		f := File{SHA256: strings.ToLower(fields[0])}
		if !isSHA256(f.SHA256) {
			return nil, fmt.Errorf("%q is not a SHA-256", fields[0])
		}
		if f.Size, err = strconv.ParseInt(fields[1], 10, 64); err != nil || f.Size < 0 {
			return nil, fmt.Errorf("%q is not a size", fields[1])
		}
		if f.Path, err = checkPath(fields[2]); err != nil {
			return nil, err
		}
		if seen[f.Path] {
			return nil, fmt.Errorf("%s is listed twice", f.Path)
		}
		if len(files) == maxListed {
			return nil, fmt.Errorf("more than %d files", maxListed)
		}
		seen[f.Path], files = true, append(files, f)
	}
	return files, nil
}

func isSHA256(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// Kind is what an index lists.
type Kind string

// Kinds of indexes.
const (
	Packages    Kind = "Packages"
	Sources     Kind = "Sources"
	Contents    Kind = "Contents"
	Translation Kind = "Translation"
)

// An Index is one index of a suite, in all forms that Release lists.
type Index struct {
	Path         string // of the plain form, below the suite's folder
	Kind         Kind
	Component    string // empty in a flat repository
	Architecture string // empty for Sources and Translation
	Udeb         bool
	Forms        []File // best compressed first, the plain one last
}

// extensions of compressed indexes, in the order of preference.
var extensions = [...]string{".xz", ".zst", ".bz2", ".gz"}

// Indexes returns the indexes that Release lists, in its order.
func (r *Release) Indexes() []*Index {
	byPath := map[string]*Index{}
	var list []*Index
	for _, f := range r.Files {
		plain := f.Path
		if ext := path.Ext(plain); slices.Contains(extensions[:], ext) {
			plain = strings.TrimSuffix(plain, ext)
		}
		x := byPath[plain]
		if x == nil {
			if x = newIndex(plain); x == nil {
				continue
			}
			byPath[plain], list = x, append(list, x)
		}
		x.Forms = append(x.Forms, f)
	}
	for _, x := range list {
		slices.SortStableFunc(x.Forms, func(a, b File) int { return rank(a.Path) - rank(b.Path) })
	}
	return list
}

func rank(name string) int {
	if i := slices.Index(extensions[:], path.Ext(name)); i >= 0 {
		return i
	}
	return len(extensions)
}

// newIndex tells from its path what an index is; nil where it is none.
func newIndex(plain string) *Index {
	dir, base := path.Split(plain)
	dir = strings.TrimSuffix(dir, "/")
	x := &Index{Path: plain}
	switch {
	case base == "Packages":
		x.Kind = Packages
		last := path.Base(dir)
		arch, found := strings.CutPrefix(last, "binary-")
		if !found {
			return x
		}
		x.Architecture, x.Component = arch, strings.TrimSuffix(strings.TrimSuffix(dir, last), "/")
		x.Component, x.Udeb = strings.CutSuffix(x.Component, "/debian-installer")
	case base == "Sources":
		x.Kind, x.Component = Sources, strings.TrimSuffix(strings.TrimSuffix(dir, "source"), "/")
	case strings.HasPrefix(base, "Contents-"):
		x.Kind, x.Component, x.Architecture = Contents, dir, strings.TrimPrefix(base, "Contents-")
		x.Architecture, x.Udeb = strings.CutPrefix(x.Architecture, "udeb-")
	case strings.HasPrefix(base, "Translation-"):
		x.Kind, x.Component = Translation, strings.TrimSuffix(strings.TrimSuffix(dir, "i18n"), "/")
	default:
		return nil
	}
	return x
}
