package aptly

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
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

func refuse(path, format string, args ...any) error {
	return &publish.RefusedError{File: filepath.Base(path), Reason: fmt.Sprintf(format, args...)}
}

// read reads the files of an upload and checks each by itself.
func read(ctx context.Context, s publish.Suite, upload publish.Upload) (list []*candidate, err error) {
	for _, file := range upload.Files {
		c, err := readBinary(ctx, s, upload, file)
		if err != nil {
			return nil, err
		}
		for _, o := range list {
			if o.same(c.entry) {
				return nil, refuse(file, "%s for %s is in the upload twice", c.name, c.arch)
			}
		}
		list = append(list, c)
	}
	if upload.Dsc != "" {
		c, err := readSource(s, upload)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, refuse(upload.Changes, "nothing to include")
	}
	return list, nil
}

func readBinary(ctx context.Context, s publish.Suite, upload publish.Upload, file string) (*candidate, error) {
	base := filepath.Base(file)
	extension := filepath.Ext(base)
	if extension != ".deb" && extension != ".udeb" && extension != ".ddeb" {
		return nil, refuse(file, "not a binary package")
	}
	stanza, err := contents.ReadControl(ctx, file)
	if err != nil {
		var missing *os.PathError
		if errors.As(err, &missing) || ctx.Err() != nil {
			return nil, err
		}
		return nil, refuse(file, "%v", err)
	}
	p := deb.NewPackageFromControlFile(stanza)
	if extension == ".udeb" {
		p.IsUdeb = true
	}
	version, err := debian.ParseVersion(p.Version)
	if err != nil {
		return nil, refuse(file, "%v", err)
	}
	source, sourceVersion := splitSource(p.Source, p.Version)
	if source == "" {
		source = p.Name
	}
	switch {
	case !debian.ValidPackageName(p.Name) || !debian.ValidPackageName(source):
		return nil, refuse(file, "bad package name %q of source %q", p.Name, source)
	case base != p.Name+"_"+version.WithoutEpoch()+"_"+p.Architecture+extension:
		return nil, refuse(file, "holds %s %s for %s, which the file name does not say", p.Name, p.Version, p.Architecture)
	case p.Architecture != "all" && !slices.Contains(s.Architectures, p.Architecture):
		return nil, refuse(file, "%s has no architecture %s", s.Codename, p.Architecture)
	case source != upload.Source:
		return nil, refuse(file, "its source is %s, not %s", source, upload.Source)
	case sourceVersion != upload.Version && !strings.HasPrefix(upload.Version, sourceVersion+"+b"):
		return nil, refuse(file, "its source version is %s, not %s", sourceVersion, upload.Version)
	}
	sums, err := utils.ChecksumsForFile(file)
	if err != nil {
		return nil, err
	}
	p.UpdateFiles(deb.PackageFiles{{Filename: base, Checksums: sums}})
	return newCandidate(s, p, map[string]string{base: file})
}

func readSource(s publish.Suite, upload publish.Upload) (*candidate, error) {
	stanza, _, err := contents.ReadDsc(upload.Dsc)
	if err != nil {
		return nil, refuse(upload.Dsc, "%v", err)
	}
	if stanza["Source"] != upload.Source || stanza["Version"] != upload.Version {
		return nil, refuse(upload.Dsc, "describes %s %s, not %s %s", stanza["Source"], stanza["Version"], upload.Source, upload.Version)
	}
	version, err := debian.ParseVersion(upload.Version)
	if err != nil {
		return nil, refuse(upload.Dsc, "%v", err)
	}
	base := filepath.Base(upload.Dsc)
	if !debian.ValidPackageName(upload.Source) || base != debian.DscName(upload.Source, version) {
		return nil, refuse(upload.Dsc, "not the file name of %s %s", upload.Source, upload.Version)
	}
	stanza["Package"] = stanza["Source"]
	delete(stanza, "Source")
	p, err := deb.NewSourcePackageFromControlFile(stanza)
	if err != nil {
		return nil, refuse(upload.Dsc, "%v", err)
	}
	given := map[string]string{}
	for _, file := range upload.SourceFiles {
		if file != upload.Dsc {
			given[filepath.Base(file)] = file
		}
	}
	listed, sources := p.Files(), map[string]string{base: upload.Dsc}
	for i, f := range listed {
		file, ok := given[f.Filename]
		if !ok || !debian.ValidFileName(f.Filename) {
			return nil, refuse(upload.Dsc, "lists %q, which was not given", f.Filename)
		}
		delete(given, f.Filename)
		sums, err := utils.ChecksumsForFile(file)
		if err != nil {
			return nil, err
		}
		if f.Checksums.SHA256 != sums.SHA256 || f.Checksums.Size != sums.Size {
			return nil, refuse(file, "not the bytes that %s lists", filepath.Base(upload.Dsc))
		}
		listed[i].Checksums = sums
		sources[f.Filename] = file
	}
	for name := range given {
		return nil, refuse(name, "not listed in %s", filepath.Base(upload.Dsc))
	}
	sums, err := utils.ChecksumsForFile(upload.Dsc)
	if err != nil {
		return nil, err
	}
	p.UpdateFiles(append(listed, deb.PackageFile{Filename: base, Checksums: sums}))
	return newCandidate(s, p, sources)
}

func newCandidate(s publish.Suite, p *deb.Package, sources map[string]string) (*candidate, error) {
	e, err := newEntry(s.Component, p)
	if err != nil {
		return nil, err
	}
	return &candidate{entry: e, pkg: p, sources: sources}, nil
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
	return &publish.RefusedError{
		File:   file,
		Reason: fmt.Sprintf("%s %s is in the repository with other content", e.name, e.version),
		Hint:   "raise the version, or set codenames apart by a suffix such as ~deb12u0",
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
