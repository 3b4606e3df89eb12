// Package stock keeps the files of packages: in aptly's pool, by hash, and linked from there below
// the folder that is served. It counts who holds a package, so that files go with the last.
package stock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"foundry/pkg/publish/aptly/catalog"
	"foundry/pkg/publish/aptly/disk"
)

// PoolPath is where aptly's pool has a file (aptly's files.PackagePool).
func PoolPath(name, sha256 string) string {
	if len(sha256) < 32 {
		return ""
	}
	return filepath.Join(sha256[0:2], sha256[2:4], sha256[4:32]+"_"+name)
}

// A Stock is the files of all packages that are held. It is not safe for concurrent use.
type Stock struct {
	pool, output string
	dirty        *disk.Dirty
	step         func(name string)
	held         map[string]*held
	served       map[string]*use // by path below the output folder
	pooled       map[string]int  // by path in the pool
	keys         map[string]int  // of aptly's package database
}

type held struct {
	entry *catalog.Entry
	count int
}

type use struct {
	sha256 string
	count  int
}

// New returns a stock of nothing. What it writes is noted in dirty; step is called before each change on disk.
func New(pool, output string, dirty *disk.Dirty, step func(string)) *Stock {
	return &Stock{pool: pool, output: output, dirty: dirty, step: step, held: map[string]*held{}, served: map[string]*use{}, pooled: map[string]int{}, keys: map[string]int{}}
}

// Entry returns the entry of that ID, if it is held.
func (s *Stock) Entry(id string) *catalog.Entry {
	if h := s.held[id]; h != nil {
		return h.entry
	}
	return nil
}

// Sum returns the SHA-256 of the file at a path below the output folder, if a package that is held has one there.
func (s *Stock) Sum(path string) (string, bool) {
	if u := s.served[path]; u != nil {
		return u.sha256, true
	}
	return "", false
}

// Hold counts one more holder of the entry.
func (s *Stock) Hold(e *catalog.Entry) {
	if h := s.held[e.ID()]; h != nil {
		h.count++
		return
	}
	s.held[e.ID()] = &held{e, 1}
	s.keys[e.Key]++
	for _, f := range e.Files {
		s.pooled[f.Pool]++
		if u := s.served[e.Path(f)]; u != nil {
			u.count++
		} else {
			s.served[e.Path(f)] = &use{f.SHA256, 1}
		}
	}
}

// Loose is what nobody holds any more.
type Loose struct {
	Served []string // paths below the output folder
	Pooled []string // paths in the pool
	Keys   []string // of aptly's package database
}

// Release counts one holder less, and adds to loose what nobody holds any more.
func (s *Stock) Release(id string, loose *Loose) {
	h := s.held[id]
	if h == nil {
		return
	}
	if h.count--; h.count > 0 {
		return
	}
	delete(s.held, id)
	if s.keys[h.entry.Key]--; s.keys[h.entry.Key] == 0 {
		delete(s.keys, h.entry.Key)
		loose.Keys = append(loose.Keys, h.entry.Key)
	}
	for _, f := range h.entry.Files {
		if s.pooled[f.Pool]--; s.pooled[f.Pool] == 0 {
			delete(s.pooled, f.Pool)
			loose.Pooled = append(loose.Pooled, f.Pool)
		}
		path := h.entry.Path(f)
		if u := s.served[path]; u != nil {
			if u.count--; u.count == 0 {
				delete(s.served, path)
				loose.Served = append(loose.Served, path)
			}
		}
	}
}

// Remove removes files that nobody holds; what is held again stays.
func (s *Stock) Remove(loose Loose) (err error) {
	for _, path := range loose.Served {
		if s.served[path] == nil {
			s.step("remove " + path)
			err = errors.Join(err, disk.Remove(filepath.Join(s.output, filepath.FromSlash(path))))
		}
	}
	for _, path := range loose.Pooled {
		if s.pooled[path] == 0 {
			err = errors.Join(err, disk.Remove(filepath.Join(s.pool, path)))
		}
	}
	return err
}

// Missing returns what of the entry's files is not held yet.
func (s *Stock) Missing(e *catalog.Entry) (served, pooled []string) {
	for _, f := range e.Files {
		if s.served[e.Path(f)] == nil {
			served = append(served, e.Path(f))
		}
		if s.pooled[f.Pool] == 0 {
			pooled = append(pooled, f.Pool)
		}
	}
	return served, pooled
}

// Import brings the files of an entry into the pool from sources, by name: as links if they may be
// taken, else as copies.
func (s *Stock) Import(e *catalog.Entry, sources map[string]string, take bool) error {
	for _, f := range e.Files {
		target := filepath.Join(s.pool, f.Pool)
		if s.pooled[f.Pool] > 0 {
			if info, err := os.Stat(target); err == nil && info.Size() == f.Size {
				continue
			}
		}
		if f.Pool == "" {
			return fmt.Errorf("import %s: no SHA-256", f.Name)
		}
		s.step("import " + f.Name)
		s.dirty.Wrote(target)
		if err := disk.Take(sources[f.Name], target, take); err != nil {
			return err
		}
	}
	return nil
}

// Link puts the files of an entry, which the pool has, below the output folder.
func (s *Stock) Link(e *catalog.Entry) error {
	for _, f := range e.Files {
		target := filepath.Join(s.output, filepath.FromSlash(e.Path(f)))
		if u := s.served[e.Path(f)]; u != nil && u.sha256 == f.SHA256 {
			if info, err := os.Stat(target); err == nil && info.Size() == f.Size {
				continue
			}
		}
		s.step("link " + e.Path(f))
		s.dirty.Wrote(target)
		if err := disk.Place(filepath.Join(s.pool, f.Pool), target); err != nil {
			return err
		}
	}
	return nil
}

// Unheld returns those of keys that nobody holds.
func (s *Stock) Unheld(keys []string) (list []string) {
	for _, key := range keys {
		if s.keys[key] == 0 {
			list = append(list, key)
		}
	}
	return list
}
