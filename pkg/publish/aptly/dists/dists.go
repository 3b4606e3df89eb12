// Package dists keeps what is served below dists: of each codename a folder of generations, of which a
// symbolic link shows one, and the index files of all generations by hash. A generation is made whole
// beside the one that is served; the switch of the link is the moment at which it counts.
package dists

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"foundry/pkg/publish/aptly/disk"
	"foundry/pkg/publish/aptly/metadata"
	"foundry/pkg/publish/index"
)

// MaxPlain is the size in bytes above which an index is served compressed only. Release lists the plain
// form all the same, since clients check what they have unpacked against it.
const MaxPlain = 32 << 20

// Index files that were replaced may take maxReplaced bytes for each codename. What is beyond goes, the oldest
// first, when a client that has read the Release file before them has had replacedFor to fetch them.
const (
	maxReplaced = 4 << 30
	replacedFor = 30 * time.Minute
)

// replaced is an index file that is not listed any more.
type replaced struct {
	since time.Time
	size  int64
}

// A Folder is what is served of one codename. It is not safe for concurrent use.
type Folder struct {
	dists    string
	codename string
	dirty    *disk.Dirty
	step     func(name string)   // called before each change on disk
	expiring map[string]replaced // index files below by-hash, by path
	most     int64               // bytes that those may take
}

// New returns the folder of a codename below dists, and looks for what has been there before. What it writes
// is noted in dirty; step is called before each change on disk.
func New(dists, codename string, dirty *disk.Dirty, step func(string)) (*Folder, error) {
	f := &Folder{dists: dists, codename: codename, dirty: dirty, step: step, expiring: map[string]replaced{}, most: maxReplaced}
	if err := os.MkdirAll(f.byHash(), 0o755); err != nil {
		return nil, err
	}
	err := filepath.WalkDir(f.byHash(), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if strings.HasPrefix(d.Name(), ".") {
			return disk.Remove(path) // unfinished
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		f.expiring[path] = replaced{info.ModTime(), info.Size()}
		return nil
	})
	return f, err
}

func (f *Folder) root() string   { return filepath.Join(f.dists, "."+f.codename) }
func (f *Folder) byHash() string { return filepath.Join(f.root(), "by-hash") }

// Link is the path that clients know.
func (f *Folder) Link() string { return filepath.Join(f.dists, f.codename) }

// Generation is the folder of a generation.
func (f *Folder) Generation(serial uint64) string {
	return filepath.Join(f.root(), strconv.FormatUint(serial, 10))
}

// Served returns the serial of the generation that clients see, or 0.
func (f *Folder) Served() (uint64, error) {
	target, err := os.Readlink(f.Link())
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%w (not made by foundry?)", err)
	}
	dir, base := filepath.Split(target)
	serial, err := strconv.ParseUint(base, 10, 64)
	if err != nil || dir != "."+f.codename+"/" {
		return 0, fmt.Errorf("link %s points to %s: not made by foundry", f.Link(), target)
	}
	return serial, nil
}

// hashed is where an index file is by its hash.
func (f *Folder) hashed(name, sha256 string) string {
	return filepath.Join(f.byHash(), filepath.Dir(filepath.FromSlash(name)), "SHA256", sha256)
}

func written(i metadata.Index) bool { return i.Form != index.Plain || i.Size <= MaxPlain }

// Write makes a generation of index files: those that previous does not list are written under their
// hashes, where they harm nobody before they are listed; then all get their names.
func (f *Folder) Write(serial uint64, list []metadata.Index, previous metadata.Release) error {
	if err := os.RemoveAll(f.Generation(serial)); err != nil {
		return err
	}
	made := map[string]bool{}
	var folders sync.Map
	var group errgroup.Group
	group.SetLimit(8)
	for _, i := range list {
		path := f.hashed(i.Path, i.SHA256)
		if previous.Files[i.Path].SHA256 == i.SHA256 && exists(path) || !written(i) || made[path] {
			continue
		}
		made[path] = true
		f.expiring[path] = replaced{time.Now(), i.Size} // until Listed: the publish may fail
		f.step("by-hash " + i.Path)
		group.Go(func() error {
			if _, done := folders.LoadOrStore(filepath.Dir(path), true); !done || !exists(filepath.Dir(path)) {
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					return err
				}
			}
			f.dirty.Wrote(path)
			return disk.Put(path, i)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, i := range list {
		if written(i) {
			f.step("index " + i.Path)
			f.dirty.Named(filepath.Join(f.Generation(serial), filepath.FromSlash(i.Path)))
			if err := f.name(serial, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// name gives an index file its plain name in the generation.
func (f *Folder) name(serial uint64, i metadata.Index) error {
	target := filepath.Join(f.Generation(serial), filepath.FromSlash(i.Path))
	from := f.hashed(i.Path, i.SHA256)
	err := os.Link(from, target)
	if errors.Is(err, os.ErrNotExist) {
		if err := f.folder(serial, filepath.Dir(filepath.FromSlash(i.Path))); err != nil {
			return err
		}
		err = os.Link(from, target)
	}
	if err != nil {
		return disk.Place(from, target)
	}
	return nil
}

// folder makes a folder of a generation, with the way to the index files by hash.
func (f *Folder) folder(serial uint64, name string) error {
	dir := filepath.Join(f.Generation(serial), name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	relative, err := filepath.Rel(dir, filepath.Join(f.byHash(), name))
	if err != nil {
		return err
	}
	if err := os.Symlink(relative, filepath.Join(dir, "by-hash")); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
