package aptly

import (
	"context"
	"fmt"
	"path"
	"path/filepath"

	"github.com/aptly-dev/aptly/utils"

	"foundry/pkg/debian"
	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly/catalog"
	"foundry/pkg/publish/aptly/contents"
	"foundry/pkg/publish/aptly/ledger"
)

// candidate is a package that is to go into a suite.
type candidate struct {
	*catalog.Entry
	text  *ledger.Text
	built string            // digest of the content without signatures
	pkg   *contents.Package // nil for one that the repository has already
	owned bool              // the files of pkg may be linked
	given *candidate        // as it came
}

// begin makes the candidate what it was when it came, however it was judged before.
func (c *candidate) begin() {
	if c.given == nil {
		given := *c
		c.given = &given
	}
	given := c.given
	*c = *given
	c.given = given
}

// identity is what a version of a package is remembered by.
func identity(e *catalog.Entry) string {
	arch := e.Arch
	if e.Udeb {
		arch = "udeb:" + arch
	}
	return arch + " " + e.Name + " " + e.Parsed.String()
}

// read reads the files of an upload and checks each by itself.
func read(ctx context.Context, s publish.Suite, upload publish.Upload) (list []*candidate, err error) {
	packages, err := contents.ReadAll(ctx, s, upload)
	if err != nil {
		return nil, err
	}
	for _, p := range packages {
		c, err := newCandidate(s, p)
		if err != nil {
			return nil, err
		}
		for _, o := range list {
			if o.Same(c.Entry) {
				return nil, contents.Refuse(c.Main().Name, "%s for %s is in the upload twice", c.Name, c.Arch)
			}
		}
		c.owned = upload.Owned
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, contents.Refuse(upload.Changes, "nothing to include")
	}
	for _, file := range upload.Buildinfo {
		if base := path.Base(file); path.Ext(base) != ".buildinfo" || !debian.ValidFileName(base) {
			return nil, contents.Refuse(file, "not the name of a .buildinfo")
		}
	}
	return list, place(s, upload.Component, list)
}

func newCandidate(s publish.Suite, p *contents.Package) (*candidate, error) {
	e, t, err := newEntry(p, s.Component)
	if err != nil {
		return nil, err
	}
	return &candidate{Entry: e, text: t, built: string(p.Built), pkg: p}, nil
}

func sameVersion(file string, e *catalog.Entry, there string) error {
	hint := "raise the version, or set codenames apart by a suffix such as ~deb12u0"
	if e.Arch == "all" {
		hint += "; where two architectures have built it, let one alone build packages for all"
	}
	return &publish.RefusedError{
		File:   file,
		Reason: fmt.Sprintf("%s %s %s in the repository with other content", e.Name, e.Version, there),
		Hint:   hint,
	}
}

// checkPaths refuses a fresh package of which a file's place is taken by other bytes, such as an
// orig tarball that differs from that of an earlier revision. A .deb or .dsc that another
// codename has with the same content under another signature takes that one's place.
func (r *Repo) checkPaths(c *candidate) error {
	for _, f := range c.Files {
		sum, taken := r.stock.Sum(c.Path(f))
		if !taken || sum == f.SHA256 {
			continue
		}
		served := filepath.Join(r.opts.Output, c.Path(f))
		if c.pkg == nil || f != c.Main() || !contents.SameBelowSignature(served, c.pkg.Sources[f.Name]) {
			return &publish.RefusedError{
				File:   f.Name,
				Reason: "the repository has a file of this name with other content",
				Hint:   "raise the version, or set codenames apart by a suffix such as ~deb12u0",
			}
		}
		if err := c.takeOver(served, f.Name); err != nil {
			return err
		}
	}
	return nil
}

// takeOver makes the candidate have the served file in place of its own.
func (c *candidate) takeOver(served, name string) error {
	sums, err := utils.ChecksumsForFile(served)
	if err != nil {
		return err
	}
	sums.SHA1, sums.SHA512 = "", "" // as contents reads them: they are part of the key
	files := c.pkg.Files()
	for i := range files {
		if files[i].Filename == name {
			files[i].Checksums = sums
		}
	}
	c.pkg.UpdateFiles(files)
	c.pkg.Sources[name] = served
	e, t, err := newEntry(c.pkg, c.Component)
	if err != nil {
		return err
	}
	e.Section = c.Section
	c.Entry, c.text = e, t
	return nil
}
