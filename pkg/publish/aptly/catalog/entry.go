// Package catalog holds the packages that a suite lists, and decides which of them stay when others
// come: it knows versions, architectures and sources, and nothing of files or databases.
//
// Nothing here walks all packages: a Draft looks at those of the names that change.
package catalog

import (
	"cmp"
	"strings"

	"foundry/pkg/debian"
	"foundry/pkg/message"
	"foundry/pkg/publish"
)

// Source is the architecture of source packages.
const Source = "source"

// An Entry is a package as a suite lists it. Entries are shared and never changed.
type Entry struct {
	id            string // as ID returns it
	Key           string // in aptly's package database
	Component     string
	Name          string
	Version       string
	Parsed        debian.Version
	Arch          string // Source for a source package
	Udeb          bool
	Section       string   // as the package or its upload says
	Source        string   // name and version of the source package it was built from
	SourceVersion string   // of that
	UsedSources   []string // "name version" in Built-Using and Static-Built-Using
	Files         []File
}

// A File is one file of a package.
type File struct {
	Name   string // in the folder of its package
	Pool   string // in aptly's pool
	Size   int64
	SHA256 string
}

// ID identifies the entry in a suite: component and key.
func (e *Entry) ID() string {
	if e.id != "" {
		return e.id
	}
	return ID(e.Component, e.Key)
}

// ID is what Entry.ID returns for a component and a key.
func ID(component, key string) string { return component + " " + key }

// SplitID returns component and key of an ID.
func SplitID(id string) (component, key string) {
	component, key, _ = strings.Cut(id, " ")
	return component, key
}

// In returns the entry as it is in a component.
func (e *Entry) In(component string) *Entry {
	if e.Component == component && e.id != "" {
		return e
	}
	moved := *e
	moved.Component, moved.id = component, ID(component, e.Key)
	return &moved
}

// IsSource tells whether it is a source package.
func (e *Entry) IsSource() bool { return e.Arch == Source }

// Same tells whether two entries stand for the same place in a suite, whatever their versions.
func (e *Entry) Same(o *Entry) bool {
	return e.Name == o.Name && e.Arch == o.Arch && e.Udeb == o.Udeb
}

// Dir is the folder of its files below the output folder.
func (e *Entry) Dir() string { return debian.PoolDir(e.Component, e.Source) }

// Path is where a file of the entry is served, below the output folder.
func (e *Entry) Path(f File) string { return e.Dir() + "/" + f.Name }

// Main is the file by which the package is named: the .deb or the .dsc.
func (e *Entry) Main() File {
	for _, f := range e.Files {
		if e.IsSource() && strings.HasSuffix(f.Name, ".dsc") {
			return f
		}
	}
	return e.Files[0]
}

// Published describes the package by its main file.
func (e *Entry) Published() message.Published {
	f := e.Main()
	return message.Published{
		Package: e.Name, Version: e.Version, Architecture: e.Arch,
		Filename: e.Path(f), Size: f.Size, SHA256: message.Digest(f.SHA256),
	}
}

// Listed describes the package with its source.
func (e *Entry) Listed() publish.Listed {
	return publish.Listed{
		Published: e.Published(), Component: e.Component,
		Source: e.Source, SourceVersion: e.SourceVersion, Udeb: e.Udeb,
	}
}

// Compare sorts entries by name, version and architecture.
func Compare(a, b *Entry) int {
	return cmp.Or(
		cmp.Compare(a.Name, b.Name),
		a.Parsed.Compare(b.Parsed),
		cmp.Compare(a.Arch, b.Arch),
		cmp.Compare(a.ID(), b.ID()),
	)
}

// CompareSources sorts entries by the versions of the sources that they were built from.
func CompareSources(a, b *Entry) int {
	left, errA := debian.ParseVersion(a.SourceVersion)
	right, errB := debian.ParseVersion(b.SourceVersion)
	if errA != nil || errB != nil {
		return cmp.Compare(a.SourceVersion, b.SourceVersion)
	}
	return cmp.Or(left.Compare(right), cmp.Compare(a.Source, b.Source))
}
