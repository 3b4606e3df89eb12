package aptly

import (
	"bufio"
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"foundry/pkg/debian"
	"foundry/pkg/publish/aptly/catalog"
	"foundry/pkg/publish/aptly/contents"
	"foundry/pkg/publish/aptly/ledger"
	"foundry/pkg/publish/aptly/metadata"
	"foundry/pkg/publish/aptly/stock"
)

// newEntry makes the entry of a package as it was read, and what indexes show of it.
func newEntry(p *contents.Package, component string) (*catalog.Entry, *ledger.Text, error) {
	e := &catalog.Entry{
		Key: string(p.Key("")), Name: p.Name, Version: p.Version, Arch: p.Architecture, Udeb: p.IsUdeb,
		Section: p.Section, Source: p.Name,
	}
	var err error
	if e.Parsed, err = debian.ParseVersion(p.Version); err != nil {
		return nil, nil, err
	}
	if e.SourceVersion = e.Parsed.String(); p.Source != "" {
		e.Source, e.SourceVersion = contents.SplitSource(p.Source, p.Version)
	}
	stanza := p.Stanza()
	for _, field := range []string{"Built-Using", "Static-Built-Using"} {
		e.UsedSources = append(e.UsedSources, contents.UsedSources(stanza[field])...)
	}
	e.UsedSources = slices.Compact(slices.Sorted(slices.Values(e.UsedSources)))
	for _, f := range p.Files() {
		e.Files = append(e.Files, catalog.File{Name: f.Filename, Pool: stock.PoolPath(f.Filename, f.Checksums.SHA256), Size: f.Checksums.Size, SHA256: f.Checksums.SHA256})
	}
	t := &ledger.Text{Paths: slices.DeleteFunc(slices.Clone(p.Paths), func(path string) bool {
		return path == "" || strings.ContainsAny(path, "\n\x00") // which no line of Contents can have
	})}
	for _, field := range []string{"SHA1", "SHA512", "Checksums-Sha1", "Checksums-Sha512"} {
		delete(stanza, field)
	}
	if !e.IsSource() && !e.Udeb {
		var short, sum string
		if short, sum, t.Translation = metadata.Describe(e.Name, stanza["Description"]); t.Translation != nil {
			stanza["Description"], stanza["Description-md5"] = " "+short+"\n", sum
		}
	}
	folder := "\nFilename: "
	if e.IsSource() {
		folder, stanza["Directory"] = "\nDirectory: ", ""
	} else {
		stanza["Filename"] = path.Base(e.Files[0].Name)
	}
	var text bytes.Buffer
	w := bufio.NewWriter(&text)
	if err := stanza.WriteTo(w, e.IsSource(), false, false); err != nil {
		return nil, nil, err
	}
	if err := w.Flush(); err != nil {
		return nil, nil, err
	}
	text.WriteByte('\n')
	t.Stanza = text.Bytes()
	i := bytes.Index(t.Stanza, []byte(folder))
	if i < 0 {
		return nil, nil, fmt.Errorf("write stanza of %s: no place for the folder", e.Name)
	}
	t.At = i + len(folder)
	return e.In(component), t, nil
}

// shown is what the indexes show of an entry.
func shown(e *catalog.Entry, t *ledger.Text) metadata.Package {
	dir, key := e.Dir(), e.Name+"\x00"+e.Version+"\x00"+e.Arch
	if !e.IsSource() {
		dir += "/"
	}
	if e.Udeb {
		key += "\x00udeb"
	}
	return metadata.Package{
		Key: key, Component: e.Component, Architecture: e.Arch, Udeb: e.Udeb, Name: e.Name, Section: e.Section,
		Stanza: t.In(dir), Translation: t.Translation, Paths: t.Paths,
	}
}
