package dists

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"foundry/pkg/debian"
	"foundry/pkg/publish/aptly/disk"
	"foundry/pkg/publish/aptly/metadata"
	"foundry/pkg/trust"
)

// Signed is a Release file with its signatures.
type Signed struct{ release, detached, inline []byte }

// Sign signs the text of a Release file, inline and apart.
func Sign(ctx context.Context, signer trust.Signer, text []byte) (Signed, error) {
	s := Signed{release: text}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { s.inline, err = signer.Clearsign(groupCtx, text); return err })
	group.Go(func() (err error) { s.detached, err = signer.Detach(groupCtx, text); return err })
	if err := group.Wait(); err != nil {
		return s, err
	}
	// The last line end is not part of signed text (RFC 9580, 7.2).
	if plain, err := debian.Unsign(s.inline); err != nil || !bytes.Equal(bytes.TrimRight(plain, "\n"), bytes.TrimRight(text, "\n")) {
		return s, errors.Join(errors.New("sign metadata: the signed text is not the text given"), err)
	}
	return s, nil
}

// WriteRelease writes Release, Release.gpg and InRelease of a generation.
func (f *Folder) WriteRelease(serial uint64, s Signed, modified time.Time) error {
	for _, file := range []struct {
		name string
		data []byte
	}{{"Release", s.release}, {"Release.gpg", s.detached}, {"InRelease", s.inline}} {
		path := filepath.Join(f.Generation(serial), file.name)
		f.step("write " + file.name)
		f.dirty.Wrote(path)
		if err := disk.Put(path, bytes.NewReader(file.data)); err != nil {
			return err
		}
		if err := os.Chtimes(path, modified, modified); err != nil {
			return err
		}
	}
	return nil
}

// Switch makes a generation the one that is served, for clients and across a power failure. What it
// consists of must have been synced. alias is another name of the codename, or empty.
func (f *Folder) Switch(serial uint64, alias string) error {
	f.step("switch")
	if err := disk.Point(f.Link(), filepath.Join("."+f.codename, strconv.FormatUint(serial, 10))); err != nil {
		return err
	}
	f.step("switched")
	if alias != "" && alias != f.codename {
		if err := disk.Point(filepath.Join(f.dists, alias), f.codename); err != nil {
			return err
		}
	}
	return disk.SyncFolder(f.dists)
}

// Listed takes note of what is listed now and was before: index files that are not listed any more expire,
// counting from now, and those that have done so for longer than keep are removed, or that are too much.
func (f *Folder) Listed(now time.Time, keep time.Duration, listed, before map[string]metadata.File) (err error) {
	current := map[string]bool{}
	for name, file := range listed {
		path := f.hashed(name, file.SHA256)
		current[path] = true
		delete(f.expiring, path)
	}
	for name, file := range before {
		path := f.hashed(name, file.SHA256)
		if current[path] {
			continue
		}
		switch e := os.Chtimes(path, now, now); {
		case e == nil:
			f.expiring[path] = replaced{now, file.Size}
		case !errors.Is(e, os.ErrNotExist):
			err = errors.Join(err, e)
		}
	}
	return errors.Join(err, f.expire(now, keep))
}

// expire removes index files that are not listed any more.
func (f *Folder) expire(now time.Time, keep time.Duration) (err error) {
	left := int64(0)
	for _, r := range f.expiring {
		left += r.size
	}
	paths := slices.SortedFunc(maps.Keys(f.expiring), func(a, b string) int { return f.expiring[a].since.Compare(f.expiring[b].since) })
	for _, path := range paths {
		r := f.expiring[path]
		if age := now.Sub(r.since); age <= keep && (left <= f.most || age <= replacedFor) {
			break // as are all that were replaced later
		}
		f.step("expire " + filepath.Base(path))
		if e := disk.Remove(path); e != nil {
			err = errors.Join(err, e)
			continue
		}
		delete(f.expiring, path)
		left -= r.size
	}
	return err
}

// Forget removes all generations but those given.
func (f *Folder) Forget(keep ...uint64) error {
	list, err := os.ReadDir(f.root())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	kept := map[string]bool{}
	for _, serial := range keep {
		kept[strconv.FormatUint(serial, 10)] = true
	}
	for _, d := range list {
		if _, parseErr := strconv.ParseUint(d.Name(), 10, 64); parseErr == nil && !kept[d.Name()] {
			f.step("forget " + d.Name())
			err = errors.Join(err, os.RemoveAll(filepath.Join(f.root(), d.Name())))
		}
	}
	return err
}
