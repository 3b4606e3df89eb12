package upload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"foundry/pkg/artifact"
	"foundry/pkg/debian"
)

// The most that one upload may have. The largest source packages of Debian have some gigabytes.
const (
	maxFiles = 900 // messages name at most 1000
	maxBytes = 32 << 30
)

// found is a file of an upload.
type found struct {
	debian.File
	path  string      // empty for what the artifact store has
	info  os.FileInfo // as it was when it was read
	links bool        // may be followed to it
}

// Incomplete says that files of an upload are not there, or shorter than they will be.
type Incomplete struct {
	Name    string   // of the file that lists them
	Missing []string // names
}

func (e *Incomplete) Error() string {
	return fmt.Sprintf("%s lists files that are not there or not whole: %s", e.Name, strings.Join(e.Missing, ", "))
}

// Hint tells what to do.
func (e *Incomplete) Hint() string {
	for _, name := range e.Missing {
		if strings.Contains(name, ".orig") {
			return "no earlier upload brought the orig tarball: upload it too, dpkg-buildpackage -S -sa"
		}
	}
	return "put all that it lists beside it"
}

// Gather finds the files of the parcel: beside the file that was given, or, where an earlier upload or
// version has brought them, in the artifact store or a published repository. An orig tarball that a
// .changes does not list since the version before had it is found like this. Hashes are checked once all
// are there.
func (d *Desk) Gather(ctx context.Context, p *Parcel) error {
	p.files = nil
	if p.Changes != nil {
		if err := d.gatherDsc(ctx, p); err != nil {
			return err
		}
	}
	if err := p.checkAmount(); err != nil {
		return err
	}
	missing := &Incomplete{Name: p.Name}
	for _, f := range p.wanted() {
		at, err := d.locate(ctx, p, f)
		if errors.As(err, new(*Incomplete)) {
			missing.Missing = append(missing.Missing, f.Name)
			continue
		}
		if err != nil {
			return err
		}
		p.files = append(p.files, at)
	}
	if missing.Missing != nil {
		return missing
	}
	for i := range p.files {
		if err := p.files[i].verify(ctx); err != nil {
			return err
		}
	}
	if p.Changes == nil {
		return d.dateDsc(ctx, p)
	}
	return nil
}

// gatherDsc reads the .dsc that the .changes lists.
func (d *Desk) gatherDsc(ctx context.Context, p *Parcel) error {
	listed, _ := p.Changes.File(p.dscName())
	if listed.Size > maxText {
		return broken("shorten debian/control", "%s has %d bytes, more than %d", listed.Name, listed.Size, maxText)
	}
	at, err := d.locate(ctx, p, listed)
	if err == nil {
		err = at.verify(ctx)
	}
	if err != nil {
		return err
	}
	p.dsc = at
	r, err := d.open(ctx, at)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(artifact.Verify(r, artifact.Digest(listed.SHA256), listed.Size))
	if err := errors.Join(err, r.Close()); err != nil {
		return fmt.Errorf("read %s: %w", listed.Name, err) // it was right a moment ago
	}
	if p.Dsc, err = debian.ParseDsc(text); err != nil {
		return broken("see dsc(5)", "%s: %v", listed.Name, err)
	}
	p.dscText = text
	return p.checkDsc()
}

// wanted lists the files to find, the .dsc being there already: what it lists, then what else the
// .changes does.
func (p *Parcel) wanted() []debian.File {
	files := p.Dsc.Files
	if p.Changes == nil {
		return files
	}
	all := append([]debian.File{}, files...)
	for _, f := range p.Changes.Files {
		if filepath.Ext(f.Name) == ".buildinfo" {
			all = append(all, f)
		}
	}
	return all
}

func (p *Parcel) checkAmount() error {
	total := int64(0)
	for _, f := range p.wanted() {
		if f.Size > maxBytes-total {
			return broken("split the package", "%s lists more than %d bytes", p.Name, int64(maxBytes))
		}
		total += f.Size
	}
	if len(p.wanted()) > maxFiles {
		return broken("put files together", "%s lists more than %d files", p.Name, maxFiles)
	}
	return nil
}

// locate looks for a file of the size that was promised; its bytes are left to verify. One that is shorter
// still or not there is *Incomplete.
func (d *Desk) locate(ctx context.Context, p *Parcel, f debian.File) (found, error) {
	path := filepath.Join(p.Dir, f.Name)
	file, info, err := openPlain(path, d.Links)
	if err == nil {
		file.Close()
		switch size := info.Size(); {
		case size < f.Size:
			return found{}, &Incomplete{Name: p.Name, Missing: []string{f.Name}}
		case size > f.Size:
			return found{}, broken("upload it again", "%s has %d bytes and should have %d", f.Name, size, f.Size)
		}
		return found{f, path, info, d.Links}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return found{}, err
	}
	there, err := d.Store.Has(ctx, artifact.Digest(f.SHA256))
	if err != nil {
		return found{}, fmt.Errorf("look for %s in the artifact store: %w", f.Name, err)
	}
	if there {
		return found{File: f}, nil
	}
	for _, path := range d.published(p, f.Name) {
		at := found{f, path, nil, true}
		if at.verify(ctx) == nil {
			return at, nil
		}
	}
	if err := ctx.Err(); err != nil {
		return found{}, err
	}
	return found{}, &Incomplete{Name: p.Name, Missing: []string{f.Name}}
}

// published lists where repositories of this machine may have a file of the source package.
func (d *Desk) published(p *Parcel, name string) (paths []string) {
	source := p.Package().Source
	for _, root := range d.Pools {
		components, err := os.ReadDir(filepath.Join(root, "pool"))
		if err != nil {
			continue // nothing was published there yet
		}
		for _, c := range components {
			paths = append(paths, filepath.Join(root, filepath.FromSlash(debian.PoolDir(c.Name(), source)), name))
		}
	}
	return paths
}

// verify checks that a file has the bytes that were promised.
func (at *found) verify(ctx context.Context) error {
	if at.path == "" {
		return nil // the store has verified them, and does so again when they are read
	}
	f, info, err := openPlain(at.path, at.links)
	if err != nil {
		return err
	}
	defer f.Close()
	at.info = info
	_, err = io.Copy(io.Discard, artifact.Verify(io.NopCloser(artifact.WithContext(ctx, f)), artifact.Digest(at.SHA256), at.Size))
	if errors.Is(err, artifact.ErrCorrupt) {
		return broken("upload it again", "%s has not the SHA-256 %s", at.Name, at.SHA256)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", at.Name, err)
	}
	return nil
}

// open returns the bytes of a file that was found.
func (d *Desk) open(ctx context.Context, at found) (io.ReadCloser, error) {
	if at.path == "" {
		return d.Store.Open(ctx, artifact.Digest(at.SHA256))
	}
	f, _, err := openPlain(at.path, at.links)
	return f, err
}

// store keeps a file in the artifact store, unless it comes from there.
func (d *Desk) store(ctx context.Context, at found) error {
	if at.path == "" {
		return nil
	}
	r, err := d.open(ctx, at)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := d.Store.Put(ctx, artifact.Digest(at.SHA256), at.Size, r); err != nil {
		return fmt.Errorf("store %s: %w", at.Name, err)
	}
	return nil
}

// storeText keeps a text, such as the .changes as it was signed.
func (d *Desk) storeText(ctx context.Context, name string, text []byte) error {
	ref := refTo(name, text)
	if err := d.Store.Put(ctx, ref.SHA256, ref.Size, bytes.NewReader(text)); err != nil {
		return fmt.Errorf("store %s: %w", name, err)
	}
	return nil
}
