package aptly

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/aptly-dev/aptly/deb"
	"golang.org/x/sync/errgroup"

	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly/disk"
	"foundry/pkg/publish/aptly/metadata"
)

// keepIndexes is how long an index file can be fetched by its hash after it was last listed.
const keepIndexes = 24 * time.Hour

// writeByHash writes index files under their hashes, where they harm nobody before they are listed.
func (r *Repo) writeByHash(codename string, fresh map[string][]byte) error {
	root := filepath.Join(r.opts.Output, "dists", "."+codename, "by-hash")
	var group errgroup.Group
	for name, data := range fresh {
		dir := filepath.Join(root, filepath.Dir(filepath.FromSlash(name)), "SHA256")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		r.step("by-hash " + name)
		group.Go(func() error { return disk.WriteFile(filepath.Join(dir, metadata.Digest(data)), data) })
	}
	return group.Wait()
}

// keepByHash dates the index files that s lists and the next generation does not, so that they
// expire counting from now, and removes those that have expired.
func (r *Repo) keepByHash(s *suite, listed map[string]metadata.File, now time.Time) error {
	root := filepath.Join(r.opts.Output, "dists", "."+s.Codename, "by-hash")
	keep := map[string]bool{}
	for name, f := range listed {
		keep[filepath.Join(root, filepath.Dir(name), "SHA256", f.SHA256)] = true
	}
	for name, f := range s.release.Files {
		path := filepath.Join(root, filepath.Dir(name), "SHA256", f.SHA256)
		if keep[path] {
			continue
		}
		if err := os.Chtimes(path, now, now); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		keep[path] = true
	}
	return filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || keep[path] {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if now.Sub(info.ModTime()) > keepIndexes {
			return disk.Remove(path)
		}
		return nil
	})
}

// removeGenerations removes those of the suite but the one served and the given one.
func (r *Repo) removeGenerations(s *suite, keep uint64) error {
	root := filepath.Join(r.opts.Output, "dists", "."+s.Codename)
	list, err := os.ReadDir(root)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, d := range list {
		serial, parseErr := strconv.ParseUint(d.Name(), 10, 64)
		if parseErr == nil && serial != s.Serial && serial != keep {
			err = errors.Join(err, os.RemoveAll(filepath.Join(root, d.Name())))
		}
	}
	return err
}

// renew publishes the suite where it has never been, or where its setting has changed.
func (r *Repo) renew(ctx context.Context, s *suite) error {
	if s.Serial > 0 && s.Setting == r.setting(s.Suite) {
		return nil
	}
	if err := r.linkFiles(s.entries, nil); err != nil {
		return err
	}
	return r.publish(ctx, s, s.entries, nil)
}

// sweep removes what no kept list of any suite holds: packages dropped for longer than
// Options.Retain, and what a killed process left behind.
func (r *Repo) sweep() error {
	keys, err := r.kept()
	if err != nil {
		return err
	}
	served, pooled := map[string]bool{}, map[string]bool{}
	for id := range keys {
		component, key, _ := strings.Cut(id, " ")
		e, err := r.entry(component, key)
		if err != nil {
			return fmt.Errorf("read package %s: %w", key, err)
		}
		for _, f := range e.files {
			served[f.path], pooled[f.pool] = true, true
		}
	}
	for id := range r.entries {
		if !keys[id] {
			delete(r.entries, id)
		}
	}
	if err := r.removePackages(keys, served); err != nil {
		return err
	}
	list, err := r.pool.FilepathList(nil)
	if err != nil {
		return err
	}
	for _, path := range list {
		if !pooled[path] {
			if err := errors.Join(disk.Remove(r.pool.FullPath(path)), r.db.Delete([]byte("C"+path))); err != nil {
				return err
			}
		}
	}
	return os.RemoveAll(filepath.Join(r.opts.Dir, "incoming"))
}

// kept returns component and key of every package that a kept list holds or that was dropped not
// long ago, and drops lists, generations and notes that are not kept. Codenames that are no longer
// among the options stay as they are.
func (r *Repo) kept() (map[string]bool, error) {
	keys := map[string]bool{}
	for _, key := range r.db.KeysByPrefix([]byte(recordPrefix)) {
		codename, number, _ := strings.Cut(strings.TrimPrefix(string(key), recordPrefix), " ")
		serial, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("decode %s: %w", key, err)
		}
		if s := r.suites[codename]; s != nil && (serial > s.Serial || serial+keepRecords <= s.Serial) {
			if err := r.db.Delete(key); err != nil {
				return nil, err
			}
			continue
		}
		if err := r.keepRecord(codename, serial, keys); err != nil {
			return nil, err
		}
	}
	for _, s := range r.suites {
		if err := r.removeGenerations(s, s.Serial); err != nil {
			return nil, err
		}
		for key, since := range s.dropped {
			if r.now().Sub(since) < r.opts.Retain {
				keys[s.Component+" "+key] = true
				continue
			}
			delete(s.dropped, key)
			if err := r.db.Delete(droppedKey(s.Codename, key)); err != nil {
				return nil, err
			}
		}
	}
	return keys, nil
}

// keepRecord adds to keys what the list with this serial holds.
func (r *Repo) keepRecord(codename string, serial uint64, keys map[string]bool) error {
	old, err := r.readRecord(codename, serial)
	if err != nil {
		return err
	}
	var then publish.Suite
	if err := json.Unmarshal([]byte(old.Setting), &then); err != nil {
		return fmt.Errorf("decode setting of %s %d: %w", codename, serial, err)
	}
	components := []string{then.Component}
	if s := r.suites[codename]; s != nil && s.Component != then.Component {
		components = append(components, s.Component)
	}
	for _, key := range old.Keys {
		for _, component := range components {
			keys[component+" "+key] = true
		}
	}
	return nil
}

// removePackages removes the packages that are not among keys from database and output folder.
func (r *Repo) removePackages(keys, served map[string]bool) error {
	known := map[string]bool{}
	components := map[string]bool{}
	for _, s := range r.suites {
		components[s.Component] = true
	}
	for id := range keys {
		component, key, _ := strings.Cut(id, " ")
		known[key], components[component] = true, true
	}
	for _, key := range r.db.KeysByPrefix([]byte("P")) {
		if known[string(key)] {
			continue
		}
		p, err := r.pkgs.ByKey(key)
		if err != nil {
			return err
		}
		for component := range components {
			if err := r.unlinkFiles(component, p, served); err != nil {
				return err
			}
		}
		if err := r.pkgs.DeleteByKey(key, r.db); err != nil {
			return err
		}
	}
	return nil
}

func (r *Repo) unlinkFiles(component string, p *deb.Package, served map[string]bool) error {
	e, err := newEntry(component, p)
	if err != nil {
		return err
	}
	for _, f := range e.files {
		if served[f.path] {
			continue
		}
		delete(r.paths, f.path)
		if err := disk.Remove(filepath.Join(r.opts.Output, filepath.FromSlash(f.path))); err != nil {
			return err
		}
	}
	return nil
}
