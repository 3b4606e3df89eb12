package describe

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"foundry/pkg/debian"
	"foundry/pkg/publish"
)

//go:embed page.html
var pageText string

// page is what index.html tells; all of it is text of other people, which the template escapes.
type page struct {
	Name, Title, Description string
	URI                      string // empty if not known
	Keyring, SourceList      string // paths on machines
	Package                  string // that brings it; empty for none
	Suites                   []pageSuite
	Keys                     []pageKey
	Policies                 []string // key ids
}

type pageSuite struct {
	Codename, Suite, Description, Version string
	Components, Architectures             []string
	Packages                              int
	Published, ValidUntil                 time.Time // zero if not known
	List                                  string    // file of its source list; empty for none
	Stanza                                string    // source list that names the keyring
	Manual                                string    // what apt does not do of itself; empty for nothing
}

type pageKey struct {
	Fingerprint, Name, Use string
	Expires                time.Time // zero for never
}

// page returns index.html.
func (d *Describer) page(ctx context.Context, k keys) ([]byte, error) {
	p := page{
		Name: d.opts.Archive, Title: d.title(), URI: strings.TrimSuffix(d.opts.URI, "/"), Keys: pageKeys(k),
		Keyring: keyringPath(d.opts.Archive), SourceList: listPath(d.opts.Archive),
	}
	if d.opts.KeyringPackage {
		p.Package = PackageName(d.opts.Archive)
	}
	for _, policy := range d.policies(k.packages) {
		p.Policies = append(p.Policies, policy.id)
	}
	for _, s := range d.opts.Suites {
		suite, err := d.pageSuite(ctx, s)
		if err != nil {
			return nil, err
		}
		p.Suites = append(p.Suites, suite)
		if p.Description == "" {
			p.Description = s.Description
		}
	}
	t, err := template.New("page").Funcs(template.FuncMap{
		"day":    func(t time.Time) string { return t.UTC().Format(time.DateOnly) },
		"moment": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") },
		"join":   strings.Join,
		"groups": groups,
	}).Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("read page: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, p); err != nil {
		return nil, fmt.Errorf("write page: %w", err)
	}
	return out.Bytes(), nil
}

// pageSuite tells of one codename as it is published.
func (d *Describer) pageSuite(ctx context.Context, s publish.Suite) (pageSuite, error) {
	p := pageSuite{
		Codename: s.Codename, Suite: s.Suite, Description: s.Description, Version: s.Version,
		Components: components(s), Architectures: s.Architectures,
		Stanza: string(d.sources(s, " "+keyringPath(d.opts.Archive))),
	}
	if d.opts.URI != "" {
		p.List = d.opts.Archive + "-" + s.Codename + ".sources"
	}
	switch {
	case s.ButAutomaticUpgrades:
		p.Manual = "apt installs packages from here when asked to, and upgrades them then"
	case s.NotAutomatic:
		p.Manual = "apt installs and upgrades packages from here when asked to only"
	}
	text, err := os.ReadFile(filepath.Join(d.opts.Output, "dists", s.Codename, "Release"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return p, fmt.Errorf("read Release: %w", err)
	}
	if release, err := debian.ParseControl(text); err == nil && len(release) == 1 {
		p.ValidUntil = moment(release[0].Get("Valid-Until"))
	}
	snapshots, err := d.archive.Snapshots(ctx, s.Codename)
	if err != nil {
		return p, fmt.Errorf("list snapshots of %s: %w", s.Codename, err)
	}
	for _, snapshot := range snapshots {
		if snapshot.Current {
			p.Packages, p.Published = snapshot.Packages, snapshot.Time
		}
	}
	return p, nil
}

// moment reads a date of a Release file; zero for what is none.
func moment(s string) time.Time {
	t, err := time.Parse("Mon, 02 Jan 2006 15:04:05 MST", s)
	if err != nil {
		return time.Time{}
	}
	return t
}

func pageKeys(k keys) (all []pageKey) {
	for _, t := range k.terms {
		use := "signs the repository"
		if t.Expired(time.Now()) {
			use = "has signed the repository, and has expired"
		}
		all = append(all, pageKey{t.Fingerprint, t.Name, use, t.Expires})
	}
	for _, i := range k.next.Keys() {
		all = append(all, pageKey{i.Fingerprint, i.Name, "will sign the repository", i.Expires})
	}
	if k.packages != nil {
		for _, i := range k.packages.Keys() {
			all = append(all, pageKey{i.Fingerprint, i.Name, "signs packages", i.Expires})
		}
	}
	return all
}

// groups writes a fingerprint so that people can compare it.
func groups(print string) string {
	var b strings.Builder
	for i, c := range print {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
	}
	return b.String()
}
