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

// found is a file of an upload with the bytes that were promised.
type found struct {
	debian.File
	path string // empty for what the artifact store has
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
// version has brought them, in the artifact store or a published repository. Hashes are checked. An orig
// tarball that a .changes does not list since the version before had it is found like this.
func (d *Desk) Gather(ctx context.Context, p *Parcel) error {
	missing := &Incomplete{Name: p.Name}
	p.files = nil
	if p.Changes != nil {
		if err := d.gatherDsc(ctx, p); err != nil {
			return err
		}
	}
	if err := p.checkAmount(); err != nil {
		return err
	}
	for _, f := range p.wanted() {
		at, err := d.find(ctx, p, f)
		var part *Incomplete
		if errors.As(err, &part) {
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
	at, err := d.find(ctx, p, listed)
	if err != nil {
		return err
	}
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

// find looks for a file with the bytes that were promised.
func (d *Desk) find(ctx context.Context, p *Parcel, f debian.File) (found, error) {
	path := filepath.Join(p.Dir, f.Name)
	err := d.same(ctx, path, f, d.Links)
	if err == nil {
		return found{f, path}, nil
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
		if err := d.same(ctx, path, f, true); err == nil {
			return found{f, path}, nil
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

// same checks that the file has the bytes that were promised. A shorter one is *Incomplete.
func (d *Desk) same(ctx context.Context, path string, want debian.File, links bool) error {
	f, info, err := openPlain(path, links)
	if err != nil {
		return err
	}
	defer f.Close()
	switch size := info.Size(); {
	case size < want.Size:
		return &Incomplete{Missing: []string{want.Name}}
	case size > want.Size:
		return broken("upload it again", "%s has %d bytes and should have %d", want.Name, size, want.Size)
	}
	_, err = io.Copy(io.Discard, artifact.Verify(io.NopCloser(artifact.WithContext(ctx, f)), artifact.Digest(want.SHA256), want.Size))
	if errors.Is(err, artifact.ErrCorrupt) {
		return broken("upload it again", "%s has not the SHA-256 %s", want.Name, want.SHA256)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", want.Name, err)
	}
	return nil
}

// open returns the bytes of a file that was found.
func (d *Desk) open(ctx context.Context, at found) (io.ReadCloser, error) {
	if at.path == "" {
		return d.Store.Open(ctx, artifact.Digest(at.SHA256))
	}
	f, _, err := openPlain(at.path, true) // Put checks the bytes again
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
