package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/aptly-dev/aptly/database"

	"foundry/pkg/debian"
	"foundry/pkg/publish/aptly/catalog"
)

// A Text is what indexes show of a package.
type Text struct {
	Stanza      []byte // with the empty line that ends it, and without the folder of its files
	At          int    // where in the stanza the folder belongs
	Translation []byte
	Paths       []string // of Contents
}

// In returns the stanza with the folder.
func (t *Text) In(dir string) []byte {
	out := make([]byte, 0, len(t.Stanza)+len(dir))
	return append(append(append(out, t.Stanza[:t.At]...), dir...), t.Stanza[t.At:]...)
}

// Shown returns what is kept of the package with that key. ErrUnknown where nothing is.
func (l *Ledger) Shown(key string) (*catalog.Entry, *Text, error) {
	data, err := l.db.Get([]byte(shownPrefix + key))
	if errors.Is(err, database.ErrNotFound) {
		return nil, nil, fmt.Errorf("read package %s: %w", key, ErrUnknown)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read package %s: %w", key, err)
	}
	e, t, err := decode(key, data)
	if err != nil {
		return nil, nil, fmt.Errorf("read package %s: %w", key, err)
	}
	return e, t, nil
}

// Each calls do for what is kept of each package whose key is wanted, in no order.
func (l *Ledger) Each(wanted func(key string) bool, do func(*catalog.Entry, *Text) error) error {
	return l.db.ProcessByPrefix([]byte(shownPrefix), func(key, value []byte) error {
		name := string(key[len(shownPrefix):])
		if !wanted(name) {
			return nil
		}
		e, t, err := decode(name, value)
		if err != nil {
			return fmt.Errorf("read package %s: %w", name, err)
		}
		return do(e, t)
	})
}

// ErrUnknown says that a package is not kept.
var ErrUnknown = errors.New("unknown package")

// encode writes strings and lists with their lengths before them.
func encode(e *catalog.Entry, t *Text) []byte {
	out := make([]byte, 0, 256+len(t.Stanza)+len(t.Translation))
	number := func(n int) { out = binary.AppendUvarint(out, uint64(n)) }
	text := func(list ...string) {
		for _, s := range list {
			number(len(s))
			out = append(out, s...)
		}
	}
	udeb := ""
	if e.Udeb {
		udeb = "udeb"
	}
	text(e.Name, e.Version, e.Arch, udeb, e.Section, e.Source, e.SourceVersion)
	number(len(e.UsedSources))
	text(e.UsedSources...)
	number(len(e.Files))
	for _, f := range e.Files {
		text(f.Name, f.Pool, f.SHA256)
		number(int(f.Size))
	}
	text(string(t.Stanza), string(t.Translation))
	number(t.At)
	number(len(t.Paths))
	text(t.Paths...)
	return out
}

type decoder struct {
	data string
	bad  bool
}

func (d *decoder) number() int {
	n, size := binary.Uvarint([]byte(d.data[:min(len(d.data), binary.MaxVarintLen64)]))
	if size <= 0 || n > 1<<62 {
		d.bad, d.data = true, ""
		return 0
	}
	d.data = d.data[size:]
	return int(n)
}

func (d *decoder) text() string {
	n := d.number()
	if n > len(d.data) {
		d.bad, d.data = true, ""
		return ""
	}
	s := d.data[:n]
	d.data = d.data[n:]
	return s
}

// list reads a list, of which each element takes a byte at least.
func (d *decoder) list() []string {
	n := d.number()
	if n == 0 || n > len(d.data) {
		d.bad = d.bad || n > 0
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = d.text()
	}
	return list
}

func decode(key string, data []byte) (e *catalog.Entry, t *Text, err error) {
	d := &decoder{data: string(data)}
	// What stays in memory must not hold the rest.
	small := func() string { return strings.Clone(d.text()) }
	e = &catalog.Entry{Key: key, Name: small(), Version: small(), Arch: small(), Udeb: d.text() != "", Section: small(), Source: small(), SourceVersion: small()}
	for _, used := range d.list() {
		e.UsedSources = append(e.UsedSources, strings.Clone(used))
	}
	n := d.number()
	for range min(n, len(d.data)) {
		f := catalog.File{Name: small(), Pool: small(), SHA256: small()}
		f.Size = int64(d.number())
		e.Files = append(e.Files, f)
	}
	t = &Text{Stanza: []byte(d.text()), Translation: []byte(d.text()), At: d.number()}
	t.Paths = d.list()
	if len(t.Translation) == 0 {
		t.Translation = nil
	}
	if d.bad || len(e.Files) == 0 || t.At > len(t.Stanza) {
		return nil, nil, errors.New("the record is damaged")
	}
	e.Parsed, err = debian.ParseVersion(e.Version)
	return e, t, err
}
