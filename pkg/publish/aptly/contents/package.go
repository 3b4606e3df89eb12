package contents

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aptly-dev/aptly/deb"

	"golang.org/x/sync/errgroup"

	"foundry/pkg/debian"
	"foundry/pkg/message"
	"foundry/pkg/publish"
)

// A Package is one of an upload, as aptly has it.
type Package struct {
	*deb.Package
	Sources map[string]string // paths of the files by name; aptly sorts its own list as it likes
	// Paths are those of the files in a binary package, as Contents lists them: sorted, without folders and
	// without "./" before them.
	Paths []string
	// Built is the SHA-256 of what is below the signatures: of a binary package all but the members at its
	// end that hold them, of a .dsc the text that is signed.
	Built message.Digest
	// Section is as the package says, or of a source package as it says of its binary packages; empty for none.
	Section string
}

// Refuse is the error of a file that may not go in.
func Refuse(path, format string, args ...any) error {
	return &publish.RefusedError{File: filepath.Base(path), Reason: fmt.Sprintf(format, args...)}
}

// ReadBinary reads a binary package of an upload for the suite. What is not what the upload says is a
// *publish.RefusedError.
func ReadBinary(ctx context.Context, s publish.Suite, upload publish.Upload, file string) (*Package, error) {
	base := filepath.Base(file)
	extension := filepath.Ext(base)
	if extension != ".deb" && extension != ".udeb" && extension != ".ddeb" {
		return nil, Refuse(file, "not a binary package")
	}
	read, err := readDeb(ctx, file)
	if err != nil {
		if errors.As(err, new(*os.PathError)) || errors.Is(err, errHost) || ctx.Err() != nil {
			return nil, err
		}
		return nil, Refuse(file, "%v", err)
	}
	section := read.stanza["Section"]
	p := deb.NewPackageFromControlFile(read.stanza)
	if extension == ".udeb" {
		p.IsUdeb = true
	}
	version, err := debian.ParseVersion(p.Version)
	if err != nil {
		return nil, Refuse(file, "%v", err)
	}
	source, sourceVersion := SplitSource(p.Source, p.Version)
	if source == "" {
		source = p.Name
	}
	switch {
	case !debian.ValidPackageName(p.Name) || !debian.ValidPackageName(source):
		return nil, Refuse(file, "bad package name %q of source %q", p.Name, source)
	case base != p.Name+"_"+version.WithoutEpoch()+"_"+p.Architecture+extension:
		return nil, Refuse(file, "holds %s %s for %s, which the file name does not say", p.Name, p.Version, p.Architecture)
	case p.Architecture != "all" && !slices.Contains(s.Architectures, p.Architecture):
		return nil, Refuse(file, "%s has no architecture %s", s.Codename, p.Architecture)
	case source != upload.Source:
		return nil, Refuse(file, "its source is %s, not %s", source, upload.Source)
	case sourceVersion != normal(upload.Version) && !strings.HasPrefix(normal(upload.Version), sourceVersion+"+b"):
		return nil, Refuse(file, "its source version is %s, not %s", sourceVersion, upload.Version)
	}
	p.UpdateFiles(deb.PackageFiles{{Filename: base, Checksums: read.sums}})
	return &Package{p, map[string]string{base: file}, read.paths, read.built, section}, nil
}

// ReadSource reads the source package of an upload: the .dsc and exactly the files that it lists. What is
// not what the upload says is a *publish.RefusedError.
func ReadSource(upload publish.Upload) (*Package, error) {
	read, err := readDsc(upload.Dsc)
	if err != nil {
		if errors.As(err, new(*os.PathError)) {
			return nil, err
		}
		return nil, Refuse(upload.Dsc, "%v", err)
	}
	stanza := read.stanza
	if stanza["Source"] != upload.Source || normal(stanza["Version"]) != normal(upload.Version) {
		return nil, Refuse(upload.Dsc, "describes %s %s, not %s %s", stanza["Source"], stanza["Version"], upload.Source, upload.Version)
	}
	version, err := debian.ParseVersion(upload.Version)
	if err != nil {
		return nil, Refuse(upload.Dsc, "%v", err)
	}
	base := filepath.Base(upload.Dsc)
	if !debian.ValidPackageName(upload.Source) || base != debian.DscName(upload.Source, version) {
		return nil, Refuse(upload.Dsc, "not the file name of %s %s", upload.Source, upload.Version)
	}
	stanza["Package"] = stanza["Source"]
	delete(stanza, "Source")
	p, err := deb.NewSourcePackageFromControlFile(stanza)
	if err != nil {
		return nil, Refuse(upload.Dsc, "%v", err)
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
			return nil, Refuse(upload.Dsc, "lists %q, which was not given", f.Filename)
		}
		delete(given, f.Filename)
		sums, err := checksums(file)
		if err != nil {
			return nil, err
		}
		if f.Checksums.SHA256 != sums.SHA256 || f.Checksums.Size != sums.Size {
			return nil, Refuse(file, "not the bytes that %s lists", filepath.Base(upload.Dsc))
		}
		listed[i].Checksums = sums
		sources[f.Filename] = file
	}
	for name := range given {
		return nil, Refuse(name, "not listed in %s", filepath.Base(upload.Dsc))
	}
	p.UpdateFiles(append(listed, deb.PackageFile{Filename: base, Checksums: read.sums}))
	return &Package{p, sources, nil, read.built, read.section}, nil
}

// normal returns a version as foundry writes it: without an epoch of 0, which some packages have. What
// is no version stays as it is.
func normal(version string) string {
	if v, err := debian.ParseVersion(version); err == nil {
		return v.String()
	}
	return version
}

// SplitSource splits a Source field, "name" or "name (version)" (Debian policy 5.6.1).
func SplitSource(field, version string) (name, sourceVersion string) {
	name, rest, found := strings.Cut(field, "(")
	if found {
		version = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), ")"))
	}
	return strings.TrimSpace(name), normal(version)
}

// UsedSources reads Built-Using, "name (= version), …" (Debian policy 7.8).
func UsedSources(field string) (list []string) {
	for _, one := range strings.Split(field, ",") {
		name, rest, found := strings.Cut(one, "(")
		version := strings.TrimSpace(strings.TrimLeft(strings.TrimSuffix(strings.TrimSpace(rest), ")"), "= "))
		if found && version != "" {
			list = append(list, strings.TrimSpace(name)+" "+normal(version))
		}
	}
	return list
}

// readers is how many packages of one upload are read at a time.
const readers = 4

// ReadAll reads all packages of an upload: the binary packages in their order, then the source package,
// where it has one.
func ReadAll(ctx context.Context, s publish.Suite, upload publish.Upload) ([]*Package, error) {
	list := make([]*Package, len(upload.Files), len(upload.Files)+1)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i, file := range upload.Files {
		group.Go(func() (err error) {
			list[i], err = ReadBinary(ctx, s, upload, file)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if upload.Dsc == "" {
		return list, nil
	}
	source, err := ReadSource(upload)
	if err != nil {
		return nil, err
	}
	return append(list, source), nil
}
