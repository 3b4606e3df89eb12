package aptrepo

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/xi2/xz"

	"foundry/pkg/debian"
)

// The limits of indexes: far above what any repository has.
const (
	maxIndex  = 8 << 30 // bytes of the plain form
	maxStanza = 4 << 20
	maxMemory = 256 << 20 // that a decoder may take
)

// forms are the extensions of indexes, the best first.
var forms = []string{".xz", ".zst", ".gz", ".bz2", ""}

// Package is a binary or source package as an index lists it.
type Package struct {
	debian.Stanza
	Index     string // that lists it, without the extension
	Component string
	Name      string
	Version   string
	// Architecture is "source" for a source package.
	Architecture  string
	Source        string // source package that it was built from; its own name for a source package
	SourceVersion string
	Udeb          bool
	Files         []File
}

// IsSource tells whether it is a source package.
func (p *Package) IsSource() bool { return p.Architecture == string(debian.Source) }

// Main is the file that the package is named by: the .deb or .dsc.
func (p *Package) Main() File {
	for _, f := range p.Files {
		if !p.IsSource() || strings.HasSuffix(f.Path, ".dsc") {
			return f
		}
	}
	return File{}
}

// Indexes are the names of the suite's indexes of packages and sources, without extensions, sorted.
func (s *Suite) Indexes() (names []string) {
	for name := range s.Files {
		name = strings.TrimSuffix(name, path.Ext(name))
		if base := path.Base(name); base == "Packages" || base == "Sources" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Packages ranges over all packages of the suite, each once, though those for all architectures stand in several
// indexes. It ends with the first error.
func (s *Suite) Packages(ctx context.Context) iter.Seq2[*Package, error] {
	return func(yield func(*Package, error) bool) {
		seen := map[string]bool{}
		for _, name := range s.Indexes() {
			for p, err := range s.index(ctx, name) {
				if err == nil {
					id := p.Component + " " + p.Name + " " + p.Version + " " + p.Architecture + " " + p.Main().SHA256
					if seen[id] {
						continue
					}
					seen[id] = true
				}
				if !yield(p, err) || err != nil {
					return
				}
			}
		}
	}
}

// index ranges over the packages of one index.
func (s *Suite) index(ctx context.Context, name string) iter.Seq2[*Package, error] {
	return func(yield func(*Package, error) bool) {
		err := s.stanzas(ctx, name, func(stanza debian.Stanza) (bool, error) {
			p, err := s.parsePackage(name, stanza)
			if err != nil {
				return false, err
			}
			return yield(p, nil), nil
		})
		if err != nil {
			yield(nil, fmt.Errorf("read %s: %w", name, err))
		}
	}
}

// stanzas calls each with the stanzas of an index until it returns false.
func (s *Suite) stanzas(ctx context.Context, name string, each func(debian.Stanza) (bool, error)) error {
	f, err := s.fetchIndex(ctx, name)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewReaderSize(io.LimitReader(f, maxIndex), 1<<16)
	for {
		stanza, err := nextStanza(lines)
		if err != nil || stanza == nil {
			return err
		}
		if more, err := each(stanza); err != nil || !more {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// nextStanza reads the next stanza, nil after the last.
func nextStanza(lines *bufio.Reader) (debian.Stanza, error) {
	var text bytes.Buffer
	for {
		line, err := lines.ReadSlice('\n')
		text.Write(line)
		if errors.Is(err, bufio.ErrBufferFull) {
			err = nil
		} else if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		} else if len(bytes.TrimSpace(line)) == 0 && text.Len() > len(line) || errors.Is(err, io.EOF) {
			stanzas, parseErr := debian.ParseControl(text.Bytes())
			switch {
			case parseErr != nil:
				return nil, parseErr
			case len(stanzas) > 0:
				return stanzas[0], nil
			case errors.Is(err, io.EOF):
				return nil, nil
			}
			text.Reset()
		}
		if text.Len() > maxStanza {
			return nil, fmt.Errorf("a stanza has more than %d bytes", maxStanza)
		}
	}
}

// fetchIndex fetches and opens an index in the best of its forms that is there.
func (s *Suite) fetchIndex(ctx context.Context, name string) (io.ReadCloser, error) {
	absent := fmt.Errorf("%s: %w", name, ErrNotFound)
	for _, form := range forms {
		listed, ok := s.Files[name+form]
		if !ok {
			continue
		}
		f, err := s.fetchForm(ctx, listed)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		plain, err := decoder(form, f)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return plain, nil
	}
	return nil, absent
}

// ByHash is where a file can be fetched under its hash.
func (f File) ByHash() File {
	f.Path = path.Join(path.Dir(f.Path), "by-hash", "SHA256", f.SHA256)
	return f
}

// fetchForm fetches a file of the suite to a local one that is removed when it is closed.
func (s *Suite) fetchForm(ctx context.Context, listed File) (*os.File, error) {
	dir, err := os.MkdirTemp(s.repo.opts.Scratch, "aptrepo-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // the open file stays readable
	to := filepath.Join(dir, "index")
	if err = ErrNotFound; s.ByHash {
		err = s.repo.Fetch(ctx, listed.ByHash(), to)
	}
	if errors.Is(err, ErrNotFound) {
		err = s.repo.Fetch(ctx, listed, to)
	}
	if err != nil {
		return nil, err
	}
	return os.Open(to)
}

// plainFile is the plain form of a file.
type plainFile struct {
	io.Reader
	close func() error
}

func (p *plainFile) Close() error { return p.close() }

// decoder returns the plain form of f, which is closed with it.
func decoder(form string, f *os.File) (io.ReadCloser, error) {
	buffered := bufio.NewReaderSize(f, 1<<16)
	switch form {
	case ".xz":
		d, err := xz.NewReader(buffered, maxMemory)
		return &plainFile{d, f.Close}, err
	case ".gz":
		d, err := gzip.NewReader(buffered)
		return &plainFile{d, f.Close}, err
	case ".bz2":
		return &plainFile{bzip2.NewReader(buffered), f.Close}, nil
	case ".zst":
		d, err := zstd.NewReader(buffered, zstd.WithDecoderMaxMemory(maxMemory))
		if err != nil {
			return nil, err
		}
		return &plainFile{d, func() error { d.Close(); return f.Close() }}, nil
	}
	return &plainFile{buffered, f.Close}, nil
}

// parsePackage reads a stanza of an index.
func (s *Suite) parsePackage(index string, stanza debian.Stanza) (*Package, error) {
	p := &Package{
		Stanza: stanza, Index: index, Name: stanza.Get("Package"), Version: stanza.Get("Version"),
		Architecture: stanza.Get("Architecture"), Udeb: strings.Contains(index, "debian-installer/"),
	}
	if component, _, nested := strings.Cut(index, "/"); nested {
		p.Component = component
	}
	bad := func(err error) error { return fmt.Errorf("package %s %s: %w", p.Name, p.Version, err) }
	if !debian.ValidPackageName(p.Name) {
		return nil, bad(errors.New("not a name"))
	}
	if _, err := debian.ParseVersion(p.Version); err != nil {
		return nil, bad(err)
	}
	p.Source, p.SourceVersion = p.Name, p.Version
	if path.Base(index) == "Sources" {
		p.Architecture = string(debian.Source)
		return p, p.sourceFiles(s)
	}
	if source := stanza.Get("Source"); source != "" {
		name, rest, found := strings.Cut(source, "(")
		if p.Source = strings.TrimSpace(name); found {
			p.SourceVersion = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), ")"))
		}
	}
	f, err := s.file(stanza.Get("Filename"), stanza.Get("Size"), stanza.Get("SHA256"))
	if err != nil {
		return nil, bad(err)
	}
	p.Files = []File{f}
	return p, nil
}

// sourceFiles reads the files of a source package.
func (p *Package) sourceFiles(s *Suite) error {
	for line := range strings.Lines(p.Get("Checksums-Sha256")) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if len(words) != 3 || !debian.ValidFileName(words[2]) {
			return fmt.Errorf("source package %s %s: bad line %q", p.Name, p.Version, strings.TrimSpace(line))
		}
		f, err := s.file(path.Join(p.Get("Directory"), words[2]), words[1], words[0])
		if err != nil {
			return fmt.Errorf("source package %s %s: %w", p.Name, p.Version, err)
		}
		p.Files = append(p.Files, f)
	}
	if p.Main().Path == "" {
		return fmt.Errorf("source package %s %s: no .dsc with a SHA-256", p.Name, p.Version)
	}
	return nil
}

// file checks the place, size and SHA-256 that an index gives.
func (s *Suite) file(name, size, sum string) (File, error) {
	name, err := clean(name)
	if err != nil {
		return File{}, err
	}
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil || n < 0 {
		return File{}, fmt.Errorf("size %q: not a number", size)
	}
	if len(sum) != 64 {
		return File{}, fmt.Errorf("%s: no SHA-256 is listed", name)
	}
	return File{Path: name, Size: n, SHA256: strings.ToLower(sum)}, nil
}
