package debian

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// The ar format as deb(5) restricts it: a magic line, then members, each a header of 60 bytes and
// its content, padded to an even length.
const (
	arMagic      = "!<arch>\n"
	arHeaderSize = 60
	// maxMembers is far above what a package has: three members and a few signatures.
	maxMembers = 16
)

// A Deb is a binary package file whose outline has been read and checked (deb(5)).
type Deb struct {
	Members []DebMember
	r       io.ReaderAt
	size    int64
	file    *os.File // nil unless it is this package's to close
}

// OpenDeb reads the outline of the binary package at path, which is open until Close. An error of
// the file itself is an *fs.PathError, any other is about what is in it.
func OpenDeb(path string) (*Deb, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	d, err := ReadDeb(f, info.Size())
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	d.file = f
	return d, nil
}

// Close closes the file of a package that OpenDeb has opened.
func (d *Deb) Close() error {
	if d.file == nil {
		return nil
	}
	return d.file.Close()
}

// DebMember is one member of a package file's ar archive.
type DebMember struct {
	Name   string
	Offset int64 // of the content
	Size   int64 // of the content
}

func (m DebMember) isSignature() bool { return strings.HasPrefix(m.Name, "_gpg") }

// Content yields what a member holds.
func (d *Deb) Content(m DebMember) io.Reader { return io.NewSectionReader(d.r, m.Offset, m.Size) }

// ReadDeb reads the outline of a binary package of size bytes: debian-binary, control.tar.*,
// data.tar.* in this order, then signatures and nothing else. It keeps r and reads little of it.
func ReadDeb(r io.ReaderAt, size int64) (*Deb, error) {
	magic := make([]byte, len(arMagic))
	if _, err := r.ReadAt(magic, 0); err != nil || string(magic) != arMagic {
		return nil, errors.New("read package: not an ar archive")
	}
	d := &Deb{r: r, size: size}
	for offset := int64(len(arMagic)); offset < size; {
		if len(d.Members) == maxMembers {
			return nil, fmt.Errorf("read package: more than %d members", maxMembers)
		}
		m, err := readMember(r, offset, size)
		if err != nil {
			return nil, fmt.Errorf("read package: member %d: %w", len(d.Members)+1, err)
		}
		d.Members = append(d.Members, m)
		offset = m.Offset + m.Size + m.Size%2
	}
	if size%2 == 1 {
		return nil, errors.New("read package: the last member is not padded to an even length")
	}
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("read package: %w", err)
	}
	return d, nil
}

// readMember reads the header at offset. Numbers must be plain decimals, since whoever reads a
// lenient parser's archive with another may see other members.
func readMember(r io.ReaderAt, offset, size int64) (DebMember, error) {
	if size-offset < arHeaderSize {
		return DebMember{}, errors.New("header cut short")
	}
	header := make([]byte, arHeaderSize)
	if _, err := r.ReadAt(header, offset); err != nil {
		return DebMember{}, fmt.Errorf("read header: %w", err)
	}
	if string(header[58:]) != "`\n" {
		return DebMember{}, errors.New("header without end mark")
	}
	name := strings.TrimSuffix(strings.TrimRight(string(header[:16]), " "), "/")
	if name == "" || strings.ContainsAny(name, "/\x00 \n") {
		return DebMember{}, fmt.Errorf("bad name %q", name)
	}
	digits := strings.TrimRight(string(header[48:58]), " ")
	length, err := strconv.ParseUint(digits, 10, 40)
	if err != nil {
		return DebMember{}, fmt.Errorf("bad size %q of %s", digits, name)
	}
	m := DebMember{Name: name, Offset: offset + arHeaderSize, Size: int64(length)}
	if m.Size > size-m.Offset {
		return DebMember{}, fmt.Errorf("%s has %d bytes, but %d are left", name, m.Size, size-m.Offset)
	}
	return m, nil
}

// check tells whether the members are those of a package.
func (d *Deb) check() error {
	if len(d.Members) < 3 {
		return fmt.Errorf("%d members, a package has 3", len(d.Members))
	}
	for i, m := range d.Members {
		switch {
		case i == 0 && m.Name == "debian-binary":
		case i == 1 && isTar(m.Name, "control.tar"):
		case i == 2 && isTar(m.Name, "data.tar"):
		case i > 2 && m.isSignature():
		default:
			return fmt.Errorf("unexpected member %q at place %d", m.Name, i+1)
		}
	}
	format := make([]byte, min(d.Members[0].Size, 8))
	if _, err := d.r.ReadAt(format, d.Members[0].Offset); err != nil {
		return fmt.Errorf("read debian-binary: %w", err)
	}
	if !strings.HasPrefix(string(format), "2.") {
		return fmt.Errorf("package format %q is not 2.x", strings.TrimSpace(string(format)))
	}
	return nil
}

func isTar(name, base string) bool {
	extension, ok := strings.CutPrefix(name, base)
	return ok && (extension == "" || extension[0] == '.')
}
