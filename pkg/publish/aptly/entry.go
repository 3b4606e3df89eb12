package aptly

import (
	"bufio"
	"bytes"
	"cmp"
	"path"
	"strings"

	"github.com/aptly-dev/aptly/deb"

	"foundry/pkg/debian"
	"foundry/pkg/message"
	"foundry/pkg/publish/aptly/contents"
)

// entry is a package as a suite lists it. Entries are shared and never changed.
type entry struct {
	key           string // in aptly's package database
	name          string
	version       string
	parsed        debian.Version
	arch          string // "source" for a source package
	udeb          bool
	source        string // name and version of the source package it was built from
	sourceVersion string
	usedSources   []string // "name version" in Built-Using and Static-Built-Using
	files         []file
	paragraph     []byte // of the index, with the empty line that ends it
}

// file is one file of a package.
type file struct {
	path   string // below the output folder
	pool   string // in aptly's pool
	size   int64
	sha256 string
}

func (e *entry) isSource() bool { return e.arch == deb.ArchitectureSource }

// same tells whether two entries stand for the same place in a suite, whatever their versions.
func (e *entry) same(o *entry) bool {
	return e.name == o.name && e.arch == o.arch && e.udeb == o.udeb
}

// compareEntries sorts as the indexes are.
func compareEntries(a, b *entry) int {
	return cmp.Or(
		cmp.Compare(a.name, b.name),
		a.parsed.Compare(b.parsed),
		cmp.Compare(a.arch, b.arch),
		cmp.Compare(a.key, b.key),
	)
}

// published describes the file by which a package is named: the .deb or the .dsc.
func (e *entry) published() message.Published {
	main := e.files[0]
	for _, f := range e.files {
		if e.isSource() && strings.HasSuffix(f.path, ".dsc") {
			main = f
		}
	}
	return message.Published{
		Package: e.name, Version: e.version, Architecture: e.arch,
		Filename: main.path, Size: main.size, SHA256: message.Digest(main.sha256),
	}
}

// entry returns the entry of a package that the database has.
func (r *Repo) entry(component, key string) (*entry, error) {
	id := component + " " + key
	if e := r.entries[id]; e != nil {
		return e, nil
	}
	p, err := r.pkgs.ByKey([]byte(key))
	if err != nil {
		return nil, err
	}
	e, err := newEntry(component, p)
	if err != nil {
		return nil, err
	}
	r.remember(id, e)
	return e, nil
}

func (r *Repo) remember(id string, e *entry) {
	r.entries[id] = e
	for _, f := range e.files {
		r.paths[f.path] = f.sha256
	}
}

// newEntry makes the entry of an aptly package for a component.
func newEntry(component string, p *deb.Package) (*entry, error) {
	e := &entry{
		key: string(p.Key("")), name: p.Name, version: p.Version, arch: p.Architecture, udeb: p.IsUdeb,
		source: p.Name,
	}
	var err error
	if e.parsed, err = debian.ParseVersion(p.Version); err != nil {
		return nil, err
	}
	if e.sourceVersion = e.parsed.String(); p.Source != "" {
		e.source, e.sourceVersion = contents.SplitSource(p.Source, p.Version)
	}
	stanza := p.Stanza()
	for _, field := range []string{"Built-Using", "Static-Built-Using"} {
		e.usedSources = append(e.usedSources, contents.UsedSources(stanza[field])...)
	}
	dir := debian.PoolDir(component, e.source)
	for _, f := range p.Files() {
		e.files = append(e.files, file{path.Join(dir, f.Filename), f.PoolPath, f.Checksums.Size, f.Checksums.SHA256})
	}
	for _, field := range []string{"SHA1", "SHA512", "Checksums-Sha1", "Checksums-Sha512"} {
		delete(stanza, field)
	}
	if e.isSource() {
		stanza["Directory"] = dir
	} else {
		stanza["Filename"] = e.files[0].path
	}
	var text bytes.Buffer
	w := bufio.NewWriter(&text)
	if err := stanza.WriteTo(w, e.isSource(), false, false); err != nil {
		return nil, err
	}
	if err := w.Flush(); err != nil {
		return nil, err
	}
	text.WriteByte('\n')
	e.paragraph = text.Bytes()
	return e, nil
}
