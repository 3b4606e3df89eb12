package aptrepo

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path"
	"strconv"
	"strings"

	"foundry/pkg/debian"
)

// Source is the architecture of source packages.
const Source = "source"

// A Package is a binary or source package as an index lists it.
type Package struct {
	Stanza        debian.Stanza
	Index         *Index // that lists it
	Name          string
	Version       debian.Version
	Architecture  string // Source for a source package
	Source        string // name of the source package that it was built from; its own for a source package
	SourceVersion debian.Version
	Files         []File // with paths below the repository; of a source package the .dsc first
}

// Packages yields the packages of all indexes of the suite, those for all architectures once for each index
// that lists them. The first error ends it.
func (s *Suite) Packages(ctx context.Context) iter.Seq2[*Package, error] {
	return func(yield func(*Package, error) bool) {
		for _, x := range s.Release.Indexes() {
			if x.Kind != Packages && x.Kind != Sources {
				continue
			}
			for p, err := range s.packagesOf(ctx, x) {
				if !yield(p, err) || err != nil {
					return
				}
			}
		}
	}
}

func (s *Suite) packagesOf(ctx context.Context, x *Index) iter.Seq2[*Package, error] {
	return func(yield func(*Package, error) bool) {
		for stanza, err := range s.Stanzas(ctx, x) {
			var p *Package
			if err == nil {
				if p, err = parsePackage(x, stanza); err != nil {
					err = fmt.Errorf("read %s: %w", path.Join(s.Name, x.Path), err)
				}
			}
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

// parsePackage reads the stanza of a package.
func parsePackage(x *Index, stanza debian.Stanza) (p *Package, err error) {
	p = &Package{Stanza: stanza, Index: x, Name: stanza.Get("Package"), Architecture: stanza.Get("Architecture")}
	if !debian.ValidPackageName(p.Name) {
		return nil, fmt.Errorf("package name %q is not one", p.Name)
	}
	if p.Version, err = debian.ParseVersion(stanza.Get("Version")); err != nil {
		return nil, fmt.Errorf("package %s: %w", p.Name, err)
	}
	p.Source, p.SourceVersion = p.Name, p.Version
	if x.Kind == Sources {
		p.Architecture = Source
		err = p.readSource()
	} else {
		err = p.readBinary()
	}
	if err != nil {
		return nil, fmt.Errorf("package %s %s: %w", p.Name, p.Version, err)
	}
	return p, nil
}

func (p *Package) readBinary() (err error) {
	if a := debian.Architecture(p.Architecture); !a.Valid() {
		return fmt.Errorf("architecture %q is not one", p.Architecture)
	}
	if field := p.Stanza.Get("Source"); field != "" {
		name, version, found := strings.Cut(field, "(")
		if p.Source = strings.TrimSpace(name); !debian.ValidPackageName(p.Source) {
			return fmt.Errorf("source %q is not a package name", p.Source)
		}
		if found {
			version = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(version), ")"))
			if p.SourceVersion, err = debian.ParseVersion(version); err != nil {
				return fmt.Errorf("source: %w", err)
			}
		}
	}
	f := File{SHA256: strings.ToLower(p.Stanza.Get("SHA256"))}
	if !isSHA256(f.SHA256) {
		return errors.New("it is listed without a SHA-256, and weaker hashes are not believed")
	}
	if f.Size, err = strconv.ParseInt(p.Stanza.Get("Size"), 10, 64); err != nil || f.Size < 0 {
		return fmt.Errorf("size %q is not one", p.Stanza.Get("Size"))
	}
	if f.Path, err = checkPath(p.Stanza.Get("Filename")); err != nil {
		return err
	}
	p.Files = []File{f}
	return nil
}

func (p *Package) readSource() error {
	list, found := p.Stanza.Lookup("Checksums-Sha256")
	if !found {
		return errors.New("it is listed without Checksums-Sha256, and weaker hashes are not believed")
	}
	files, err := parseFiles(list)
	if err != nil {
		return err
	}
	main := -1
	for i := range files {
		name := files[i].Path
		if !debian.ValidFileName(name) {
			return fmt.Errorf("file %q is not the name of one", name)
		}
		if strings.HasSuffix(name, ".dsc") {
			if main >= 0 {
				return errors.New("it has two .dsc files")
			}
			main = i
		}
		if files[i].Path, err = checkPath(path.Join(p.Stanza.Get("Directory"), name)); err != nil {
			return err
		}
	}
	if main < 0 {
		return errors.New("it has no .dsc file")
	}
	files[0], files[main] = files[main], files[0]
	p.Files = files
	return nil
}

// FileName is the name that the main file of the package has by its fields, whatever the repository calls it.
func (p *Package) FileName() string {
	if p.Architecture == Source {
		return debian.DscName(p.Name, p.Version)
	}
	extension := path.Ext(p.Files[0].Path)
	if p.Index.Udeb {
		extension = ".udeb"
	} else if extension != ".ddeb" {
		extension = ".deb"
	}
	return p.Name + "_" + p.Version.WithoutEpoch() + "_" + p.Architecture + extension
}
