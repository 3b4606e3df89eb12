package describe

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"foundry/pkg/debian"
	"foundry/pkg/message"
	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly/disk"
	"foundry/pkg/publish/describe/deb"
)

// PackageName is the name of the package that brings the keys of the repository named archive.
func PackageName(archive string) string {
	return strings.NewReplacer("_", "-", "~", "-").Replace(strings.ToLower(archive)) + "-archive-keyring"
}

// record is what the state folder remembers of the last keyring package.
type record struct {
	Sum     string    `json:"sum"` // of what it holds, as if it had no version
	Version string    `json:"version"`
	Time    time.Time `json:"time"` // when the keys changed
}

// includeKeyring puts the keyring package into each codename that does not have it. There is a new version when
// what it brings has changed. The package of a version is built once and kept: the same version must never
// have other bytes.
func (d *Describer) includeKeyring(ctx context.Context, k keys) error {
	dir := filepath.Join(d.opts.Dir, "keyring")
	last, err := d.keyringRecord(dir, k)
	if err != nil {
		return fmt.Errorf("build keyring package: %w", err)
	}
	var problems []error
	for _, s := range d.opts.Suites {
		name, version := PackageName(d.opts.Archive), d.keyringVersion(last, s)
		sources, err := d.archive.Sources(s.Codename)
		if err != nil {
			return fmt.Errorf("look for keyring package: %w", err)
		}
		if sources[name] == version {
			continue
		}
		file := filepath.Join(dir, name+"_"+version+"_all.deb")
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			data, err := d.keyringPackage(k, s, last).Build()
			if err != nil {
				return err
			}
			if _, err := put(file, data); err != nil {
				return err
			}
		}
		_, err = d.archive.Include(ctx, publish.Upload{
			Package:      message.Package{Source: name, Version: version, Codename: s.Codename},
			Architecture: "all", Files: []string{file},
		})
		if err != nil {
			problems = append(problems, fmt.Errorf("include keyring package in %s: %w", s.Codename, err))
			continue
		}
		d.opts.Log.Info().Str("package", name).Str("version", version).Str("suite", s.Codename).Msg("keyring package published")
	}
	return errors.Join(problems...)
}

// keyringRecord returns the record of the package of the keys, and writes it when they have changed.
func (d *Describer) keyringRecord(dir string, k keys) (last record, err error) {
	path := filepath.Join(dir, "record.json")
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &last)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return last, fmt.Errorf("read %s: %w", path, err)
	}
	var sums []string
	for _, s := range d.opts.Suites {
		sum, err := d.keyringPackage(k, s, record{Time: time.Unix(0, 0)}).Sum()
		if err != nil {
			return last, err
		}
		if len(sums) == 0 || sums[0] != sum {
			sums = append(sums, sum)
		}
	}
	sum := strings.Join(sums, " ")
	if sum == last.Sum {
		return last, nil
	}
	now := time.Now().UTC().Truncate(time.Second)
	if !now.After(last.Time) { // the clock was set back
		now = last.Time.Add(time.Second)
	}
	last = record{sum, now.Format("2006.01.02.150405"), now}
	if text, err = json.Marshal(last); err != nil {
		return last, fmt.Errorf("encode record: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return last, fmt.Errorf("make folder: %w", err)
	}
	return last, disk.WriteFile(path, append(text, '\n'))
}

// keyringVersion is the version of the package for a suite. With a source list in it the packages of codenames
// differ, and so do their versions.
func (d *Describer) keyringVersion(r record, s publish.Suite) string {
	if !d.opts.KeyringSources {
		return r.Version
	}
	return r.Version + "+" + strings.NewReplacer("-", ".+", "_", "..").Replace(s.Codename)
}

// keyringPackage is the package for a suite.
func (d *Describer) keyringPackage(k keys, s publish.Suite, r record) deb.Package {
	name, archive := PackageName(d.opts.Archive), d.opts.Archive
	doc := "usr/share/doc/" + name + "/"
	files := []deb.File{
		{Path: keyringPath(archive)[1:], Content: k.binary},
		{Path: doc + "copyright", Content: []byte(copyright(name, d.title()))},
	}
	for _, p := range d.policies(k.packages) {
		files = append(files,
			deb.File{Path: "etc/debsig/policies/" + p.id + "/" + archive + ".pol", Content: p.policy, Conffile: true},
			deb.File{Path: "usr/share/debsig/keyrings/" + p.id + "/" + debsigKeyring, Content: p.keyring})
	}
	switch {
	case d.opts.URI == "":
	case d.opts.KeyringSources:
		files = append(files, deb.File{
			Path: listPath(archive)[1:], Content: d.sources(s, " "+keyringPath(archive)), Conffile: true,
		})
	default:
		for _, s := range d.opts.Suites {
			files = append(files, deb.File{
				Path: doc + "examples/" + archive + "-" + s.Codename + ".sources", Content: d.sources(s, " "+keyringPath(archive)),
			})
		}
	}
	version := cmp.Or(d.keyringVersion(r, s), "0")
	files = append(files, deb.File{Path: doc + "changelog.gz", Content: changelog(name, version, d.maintainer(k), r.Time)})
	control := debian.Stanza{
		{Name: "Package", Value: name},
		{Name: "Version", Value: version},
		{Name: "Architecture", Value: "all"},
		{Name: "Multi-Arch", Value: "foreign"},
		{Name: "Maintainer", Value: d.maintainer(k)},
		{Name: "Section", Value: "misc"},
		{Name: "Priority", Value: "optional"},
		{Name: "Description", Value: "OpenPGP keys of the repository " + archive +
			"\nThis package brings the keys by which apt believes the repository, and follows\ntheir changes." +
			"\n.\nWhere packages are signed, it also brings what debsig-verify needs to check\nthem."},
	}
	return deb.Package{Control: control, Files: files, Time: r.Time}
}

// keyringPath is where machines have the keyring.
func keyringPath(archive string) string {
	return "/usr/share/keyrings/" + PackageName(archive) + ".gpg"
}

// maintainer is whoever has the key that signs, when its user id has an address of a domain.
func (d *Describer) maintainer(k keys) string {
	for _, t := range k.terms {
		address, err := mail.ParseAddress(t.Name)
		if err != nil || address.Name == "" || strings.ContainsAny(t.Name, "\n\r") {
			continue
		}
		if _, host, _ := strings.Cut(address.Address, "@"); strings.Contains(host, ".") {
			return t.Name
		}
	}
	host := "localhost"
	if uri, err := url.Parse(d.opts.URI); err == nil && strings.Contains(uri.Hostname(), ".") {
		host = uri.Hostname()
	}
	return d.opts.Archive + " repository <repository@" + host + ">"
}

// copyright says what keys are under (machine-readable debian/copyright, version 1.0).
func copyright(name, title string) string {
	return "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: " + name +
		"\n\nFiles: *\nCopyright: " + title + "\nLicense: public-domain\n Keys and lists of keys are facts, and not under copyright.\n"
}

// changelog returns the compressed changelog of a version.
func changelog(name, version, maintainer string, at time.Time) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // a level that there is
	fmt.Fprintf(w, "%s (%s) unstable; urgency=medium\n\n  * Keys of %s.\n\n -- %s  %s\n",
		name, version, at.UTC().Format(time.DateOnly), maintainer, at.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	_ = w.Close() // a bytes.Buffer takes all
	return out.Bytes()
}
