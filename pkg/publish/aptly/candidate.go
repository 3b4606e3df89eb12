package aptly

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/aptly-dev/aptly/database"
	"github.com/aptly-dev/aptly/deb"
	"github.com/aptly-dev/aptly/utils"

	"foundry/pkg/debian"
	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly/contents"
)

// candidate is a package of an upload.
type candidate struct {
	*entry
	pkg     *deb.Package
	sources map[string]string // paths of the files by name; aptly sorts its own list as it likes
}

func (c *candidate) base() string {
	return path.Base(c.published().Filename)
}

// read reads the files of an upload and checks each by itself.
func read(ctx context.Context, s publish.Suite, upload publish.Upload) (list []*candidate, err error) {
	for _, file := range upload.Files {
		p, err := contents.ReadBinary(ctx, s, upload, file)
		if err != nil {
			return nil, err
		}
		c, err := newCandidate(s, p)
		if err != nil {
			return nil, err
		}
		for _, o := range list {
			if o.same(c.entry) {
				return nil, contents.Refuse(file, "%s for %s is in the upload twice", c.name, c.arch)
			}
		}
		list = append(list, c)
	}
	if upload.Dsc != "" {
		p, err := contents.ReadSource(upload)
		if err != nil {
			return nil, err
		}
		c, err := newCandidate(s, p)
		if err != nil {
			return nil, err
		}
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
	return list, nil
}

func newCandidate(s publish.Suite, p *contents.Package) (*candidate, error) {
	e, err := newEntry(s.Component, p.Package)
	if err != nil {
		return nil, err
	}
	return &candidate{entry: e, pkg: p.Package, sources: p.Sources}, nil
}

// known returns the entry that the suite has, or had before a newer one replaced it, with the same
// content as c. What has the version of c and other content is refused. Signatures do not count as content: a package
// may be signed again, with another time or key, and the first one stays.
func (r *Repo) known(s *suite, c *candidate) (*entry, error) {
	for _, e := range s.entries {
		if !e.same(c.entry) || e.parsed.Compare(c.parsed) != 0 {
			continue
		}
		if e.key == c.key || r.sameContent(e, c) {
			return e, nil
		}
		return nil, sameVersion(c.base(), e)
	}
	if _, had := s.dropped[c.key]; had && s.newer(c.entry) != nil {
		e, err := r.entry(s.Component, c.key)
		if errors.Is(err, database.ErrNotFound) {
			return nil, nil
		}
		return e, err
	}
	return nil, nil
}

func sameVersion(file string, e *entry) error {
	hint := "raise the version, or set codenames apart by a suffix such as ~deb12u0"
	if e.arch == "all" {
		hint += "; where two architectures have built it, let one alone build packages for all"
	}
	return &publish.RefusedError{
		File:   file,
		Reason: fmt.Sprintf("%s %s is in the repository with other content", e.name, e.version),
		Hint:   hint,
	}
}

// checkPaths refuses a fresh package of which a file's place is taken by other bytes, such as an
// orig tarball that differs from that of an earlier revision. A .deb or .dsc that another
// codename has with the same content under another signature takes that one's place.
func (r *Repo) checkPaths(c *candidate) error {
	for _, f := range c.files {
		sum, taken := r.paths[f.path]
		if !taken || sum == f.sha256 {
			continue
		}
		served := filepath.Join(r.opts.Output, f.path)
		if !contents.SameBelowSignature(served, c.sources[path.Base(f.path)]) {
			return &publish.RefusedError{
				File:   path.Base(f.path),
				Reason: "the repository has a file of this name with other content",
				Hint:   "raise the version, or set codenames apart by a suffix such as ~deb12u0",
			}
		}
		sums, err := utils.ChecksumsForFile(served)
		if err != nil {
			return err
		}
		files := c.pkg.Files()
		for i := range files {
			if files[i].Filename == path.Base(f.path) {
				files[i].Checksums = sums
			}
		}
		c.pkg.UpdateFiles(files)
		c.sources[path.Base(f.path)] = served
		if c.entry, err = newEntry(c.component(), c.pkg); err != nil {
			return err
		}
	}
	return nil
}

func (e *entry) component() string { return strings.Split(e.files[0].path, "/")[1] }

// sameContent tells whether the files of e and c are the same but for signatures.
func (r *Repo) sameContent(e *entry, c *candidate) bool {
	if len(e.files) != len(c.files) {
		return false
	}
	for _, f := range c.files {
		if r.paths[f.path] != f.sha256 && !contents.SameBelowSignature(filepath.Join(r.opts.Output, f.path), c.sources[path.Base(f.path)]) {
			return false
		}
	}
	return true
}
