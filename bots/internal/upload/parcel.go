package upload

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"foundry/pkg/debian"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

// A Parcel is one upload.
type Parcel struct {
	Dir, Name string          // folder and name of the file given
	Changes   *debian.Changes // nil where a .dsc was given
	Dsc       *debian.Dsc     // nil before Gather where a .changes was given
	Signer    string          // fingerprint of the uploader's key; empty where none is known
	Codename  string          // for which it is built
	Date      time.Time       // of the newest entry of the changelog
	Uploader  string          // who made that entry

	text    []byte      // of the file given, as it is
	given   os.FileInfo // of it, as it was read
	dscText []byte
	dsc     found   // where Gather has found the .dsc that a .changes lists
	files   []found // and what that lists, then what else the .changes does
}

// Open reads a .changes or .dsc and checks who has signed it and what it says of itself. The files that
// it lists are not looked at. With an error the parcel holds what was read.
func (d *Desk) Open(path string) (*Parcel, error) {
	p := &Parcel{Dir: filepath.Dir(path), Name: filepath.Base(path)}
	var err error
	if p.text, p.given, err = readText(path, d.Links); err != nil {
		return p, err
	}
	plain, signer, err := d.verify(p)
	if err != nil {
		return p, err
	}
	p.Signer = signer
	switch filepath.Ext(p.Name) {
	case ".changes":
		if p.Changes, err = debian.ParseChanges(plain); err != nil {
			return p, broken("see deb-changes(5)", "%s: %v", p.Name, err)
		}
		err = p.checkChanges()
	case ".dsc":
		p.dscText = p.text
		if p.Dsc, err = debian.ParseDsc(plain); err != nil {
			return p, broken("see dsc(5)", "%s: %v", p.Name, err)
		}
		err = p.checkDsc()
	default:
		err = broken("give a .dsc, or a .changes as dpkg-buildpackage -S makes it", "%s is neither a .dsc nor a .changes", p.Name)
	}
	if err != nil {
		return p, err
	}
	p.Codename, err = d.target(p)
	return p, err
}

// verify returns what was signed, without the signature, and the key. Only that is ever parsed, so that
// no two readers of the file can see different things in it.
func (d *Desk) verify(p *Parcel) (plain []byte, signer string, err error) {
	ring, err := trust.ReadKeyring(d.Uploaders)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return nil, "", err
	}
	if !missing {
		plain, signer, err = ring.VerifyClearsigned(p.text)
	}
	var untrusted *trust.UntrustedError
	switch {
	case err == nil:
		return plain, signer, nil
	case !missing && !errors.As(err, &untrusted):
		return nil, "", fmt.Errorf("verify %s: %w", p.Name, err)
	case d.AllowUnsigned:
		plain, err := debian.Unsign(p.text)
		if err != nil {
			return nil, "", broken("sign it again: debsign", "%s: %v", p.Name, err)
		}
		return plain, "", nil
	case missing:
		return nil, "", refuse("say who may upload: foundry trust add FILE.asc uploaders", "%s: there is no keyring %s of those who may upload", p.Name, d.Uploaders)
	}
	return nil, "", refuse("sign it with debsign; if that key may upload: foundry trust add FILE.asc uploaders", "%s: %v", p.Name, err)
}

// checkChanges checks what a .changes says by itself.
func (p *Parcel) checkChanges() error {
	const sourceOnly = "upload the source only, as dpkg-buildpackage -S makes it: packages are built here"
	c := p.Changes
	for _, f := range c.Files {
		switch filepath.Ext(f.Name) {
		case ".deb", ".udeb", ".ddeb":
			return refuse(sourceOnly, "%s has a binary package, %s", p.Name, f.Name)
		}
	}
	if !slices.Equal(c.Architectures, []string{"source"}) {
		return refuse(sourceOnly, "%s is for the architectures %s, not for source alone", p.Name, strings.Join(c.Architectures, " "))
	}
	if c.Version != c.SourceVersion {
		return refuse(sourceOnly, "%s is of version %s of the source package of version %s", p.Name, c.Version, c.SourceVersion)
	}
	if _, listed := c.File(debian.DscName(c.Source, c.Version)); !listed {
		return broken("make it again with dpkg-buildpackage -S", "%s lists no %s", p.Name, debian.DscName(c.Source, c.Version))
	}
	date, err := debian.ParseDate(c.Fields.Get("Date"))
	if err != nil {
		return broken("see deb-changes(5)", "%s: %v", p.Name, err)
	}
	p.Date, p.Uploader = date, c.ChangedBy
	if p.Uploader == "" {
		p.Uploader = c.Maintainer
	}
	return nil
}

// checkDsc checks what a .dsc says by itself, and that a .changes says the same.
func (p *Parcel) checkDsc() error {
	dsc, name := p.Dsc, p.dscName()
	if name != debian.DscName(dsc.Source, dsc.Version) {
		return broken("call it as dpkg-source does", "%s is the .dsc of %s %s", name, dsc.Source, dsc.Version)
	}
	if c := p.Changes; c != nil && (c.Source != dsc.Source || c.Version != dsc.Version) {
		return broken("make them again with dpkg-buildpackage -S", "%s is about %s %s, %s about %s %s", p.Name, c.Source, c.Version, name, dsc.Source, dsc.Version)
	}
	if _, err := debian.ParseFormat([]byte(dsc.Format)); err != nil {
		return broken("use 3.0 (quilt), 3.0 (native) or 1.0", "%s: %v", name, err)
	}
	prefix := dsc.Source + "_" + dsc.Version.Upstream
	for _, f := range dsc.Files {
		if rest, ok := strings.CutPrefix(f.Name, prefix); !ok || !strings.HasPrefix(rest, ".") && !strings.HasPrefix(rest, "-") {
			return broken("make it again with dpkg-source", "%s lists %s, which is no file of %s %s", name, f.Name, dsc.Source, dsc.Version)
		}
		if listed, twice := p.listed(f.Name); twice && (listed.Size != f.Size || listed.SHA256 != f.SHA256) {
			return broken("make them again with dpkg-buildpackage -S", "%s and %s list different files %s", p.Name, name, f.Name)
		}
	}
	return p.checkOthers()
}

// checkOthers refuses files that a .changes lists and its .dsc does not, but for the .buildinfo.
func (p *Parcel) checkOthers() error {
	if p.Changes == nil {
		return nil
	}
	for _, f := range p.Changes.Files {
		isOurs := func(own debian.File) bool { return own.Name == f.Name }
		if f.Name != p.dscName() && filepath.Ext(f.Name) != ".buildinfo" && !slices.ContainsFunc(p.Dsc.Files, isOurs) {
			return refuse("upload the source package alone", "%s lists %s, which is no file of the source package", p.Name, f.Name)
		}
	}
	return nil
}

// dscName is the name of the .dsc.
func (p *Parcel) dscName() string {
	if p.Changes == nil {
		return p.Name
	}
	return debian.DscName(p.Changes.Source, p.Changes.Version)
}

// listed returns the file of that name that the .changes lists.
func (p *Parcel) listed(name string) (debian.File, bool) {
	if p.Changes == nil {
		return debian.File{}, false
	}
	return p.Changes.File(name)
}

// Package is the source package, for its codename.
func (p *Parcel) Package() message.Package {
	if p.Changes != nil {
		return message.Package{Source: p.Changes.Source, Version: p.Changes.Version.String(), Codename: p.Codename}
	}
	return message.Package{Source: p.Dsc.Source, Version: p.Dsc.Version.String(), Codename: p.Codename}
}
