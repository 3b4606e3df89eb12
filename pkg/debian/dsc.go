package debian

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxFiles is how many files a .dsc or .changes may list.
const maxFiles = 10_000

// A File is one that a .dsc or .changes lists.
type File struct {
	Name     string
	Size     int64
	SHA256   string // 64 lower-case hexadecimal digits
	MD5      string // as Files has it; used by old archives only
	Section  string // of a .changes
	Priority string // of a .changes
}

// A Dsc is a Debian source control file (dsc(5)).
type Dsc struct {
	Fields        Stanza
	Format        string
	Source        string
	Version       Version
	Maintainer    string
	Binaries      []string
	Architectures []string
	Files         []File
}

// ParseDsc reads a .dsc, clearsigned or not; a signature is taken off and not checked. Format, Source,
// Version, Architecture and Checksums-Sha256 must be there.
func ParseDsc(data []byte) (*Dsc, error) {
	s, err := parseSigned(data)
	if err != nil {
		return nil, fmt.Errorf("parse .dsc: %w", err)
	}
	d := &Dsc{
		Fields: s, Format: s.Get("Format"), Source: s.Get("Source"), Maintainer: s.Get("Maintainer"),
		Binaries: splitComma(s.Get("Binary")), Architectures: s.Words("Architecture"),
	}
	if d.Version, err = ParseVersion(s.Get("Version")); err != nil {
		return nil, fmt.Errorf("parse .dsc: %w", err)
	}
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("parse .dsc: %w", err)
	}
	if d.Files, err = parseFiles(s); err != nil {
		return nil, fmt.Errorf("parse .dsc: %w", err)
	}
	return d, nil
}

func (d *Dsc) check() error {
	switch {
	case d.Format == "":
		return errors.New("no Format")
	case !ValidPackageName(d.Source):
		return fmt.Errorf("invalid source package name %s", quote(d.Source))
	case len(d.Architectures) == 0:
		return errors.New("no Architecture")
	}
	for _, a := range d.Architectures {
		if !Architecture(a).Valid() {
			return fmt.Errorf("invalid architecture %s", quote(a))
		}
	}
	for _, b := range d.Binaries {
		if !ValidPackageName(b) {
			return fmt.Errorf("invalid package name %s", quote(b))
		}
	}
	return nil
}

// parseSigned reads the one stanza of a .dsc or .changes.
func parseSigned(data []byte) (Stanza, error) {
	if len(data) > maxControl {
		return nil, fmt.Errorf("%d bytes, more than %d", len(data), maxControl)
	}
	plain, err := Unsign(data)
	if err != nil {
		return nil, err
	}
	stanzas, err := ParseControl(plain)
	if err != nil {
		return nil, err
	}
	if len(stanzas) != 1 {
		return nil, fmt.Errorf("%d stanzas instead of one", len(stanzas))
	}
	return stanzas[0], nil
}

// parseFiles reads Checksums-Sha256, which must be there, and Files, which must then agree with it.
func parseFiles(s Stanza) ([]File, error) {
	sums, found := s.Lookup("Checksums-Sha256")
	if !found {
		return nil, errors.New("no Checksums-Sha256")
	}
	files, err := parseFileList(sums, 3, 64)
	if err != nil {
		return nil, fmt.Errorf("field Checksums-Sha256: %w", err)
	}
	for i := range files {
		files[i].SHA256, files[i].MD5 = files[i].MD5, ""
	}
	field, found := s.Lookup("Files")
	if !found {
		return files, nil
	}
	columns := 3
	if s.Get("Distribution") != "" {
		columns = 5
	}
	others, err := parseFileList(field, columns, 32)
	if err != nil {
		return nil, fmt.Errorf("field Files: %w", err)
	}
	return mergeFiles(files, others)
}

func mergeFiles(files, others []File) ([]File, error) {
	if len(files) != len(others) {
		return nil, errors.New("the fields Files and Checksums-Sha256 list different files")
	}
	byName := make(map[string]File, len(others))
	for _, f := range others {
		byName[f.Name] = f
	}
	for i, f := range files {
		other, found := byName[f.Name]
		if !found || other.Size != f.Size {
			return nil, fmt.Errorf("the fields Files and Checksums-Sha256 do not agree on %s", f.Name)
		}
		files[i].MD5, files[i].Section, files[i].Priority = other.MD5, other.Section, other.Priority
	}
	return files, nil
}

// parseFileList reads lines of the given number of columns: digest, size, with five of them
// section and priority, and name. The digest is left in MD5.
func parseFileList(value string, columns, digits int) ([]File, error) {
	var files []File
	seen := map[string]bool{}
	for line := range strings.Lines(value) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if len(words) != columns {
			return nil, fmt.Errorf("line %s has not %d words", quote(strings.TrimSpace(line)), columns)
		}
		f := File{MD5: words[0], Name: words[columns-1]}
		if columns == 5 {
			f.Section, f.Priority = words[2], words[3]
		}
		if len(f.MD5) != digits || strings.Trim(f.MD5, "0123456789abcdef") != "" {
			return nil, fmt.Errorf("invalid digest %s", quote(f.MD5))
		}
		var err error
		if f.Size, err = strconv.ParseInt(words[1], 10, 64); err != nil || f.Size < 0 {
			return nil, fmt.Errorf("invalid size %s", quote(words[1]))
		}
		if !ValidFileName(f.Name) {
			return nil, fmt.Errorf("invalid file name %s", quote(f.Name))
		}
		if seen[f.Name] {
			return nil, fmt.Errorf("file %s is there twice", f.Name)
		}
		seen[f.Name] = true
		if files = append(files, f); len(files) > maxFiles {
			return nil, fmt.Errorf("more than %d files", maxFiles)
		}
	}
	if files == nil {
		return nil, errors.New("no files")
	}
	return files, nil
}

func splitComma(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) })
}
