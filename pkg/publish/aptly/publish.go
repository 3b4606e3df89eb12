package aptly

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/aptly-dev/aptly/database"

	"foundry/pkg/publish/aptly/disk"
	"foundry/pkg/publish/aptly/metadata"
)

// publish makes the suite show the entries next, of which fresh are new.
func (r *Repo) publish(ctx context.Context, s *suite, next []*entry, fresh []*candidate) error {
	now := r.now().UTC()
	after := &suite{Suite: s.Suite, entries: next, record: record{Serial: s.Serial + 1, Time: now, Setting: r.setting(s.Suite)}}
	for _, e := range next {
		after.Keys = append(after.Keys, e.key)
	}
	var err error
	if after.dropped, err = r.commit(s, after, fresh); err != nil {
		return fmt.Errorf("save packages: %w", err)
	}
	if err := r.linkFiles(next, s.entries); err != nil {
		return fmt.Errorf("link packages: %w", err)
	}
	if err := r.generate(ctx, s, after, now); err != nil {
		return fmt.Errorf("write metadata: %w", err)
	}
	if err := r.switchTo(after); err != nil {
		return fmt.Errorf("switch to serial %d: %w", after.Serial, err)
	}
	for _, e := range next {
		r.remember(after.Component+" "+e.key, e)
	}
	previous := s.Serial
	*s = *after
	r.forget(s, previous)
	return nil
}

// commit saves fresh packages and the list under its new serial, which counts only once the link
// has been switched.
func (r *Repo) commit(s, after *suite, fresh []*candidate) (dropped map[string]time.Time, err error) {
	r.step("commit")
	tx, err := r.db.OpenTransaction()
	if err != nil {
		return nil, err
	}
	defer tx.Discard()
	for _, c := range fresh {
		if err := r.pkgs.UpdateInTransaction(c.pkg, tx); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(after.record)
	if err != nil {
		return nil, err
	}
	if err := tx.Put(recordKey(s.Codename, after.Serial), text); err != nil {
		return nil, err
	}
	dropped = maps.Clone(s.dropped)
	stays := map[string]bool{}
	for _, key := range after.Keys {
		stays[key] = true
		delete(dropped, key)
	}
	for _, key := range s.Keys {
		if !stays[key] {
			dropped[key] = after.Time
			err = errors.Join(err, tx.Put(droppedKey(s.Codename, key), strconv.AppendInt(nil, after.Time.Unix(), 10)))
		}
	}
	if err != nil {
		return nil, err
	}
	return dropped, tx.Commit()
}

// linkFiles puts the files of entries that were not there before below the output folder.
func (r *Repo) linkFiles(next, before []*entry) error {
	old := map[*entry]bool{}
	for _, e := range before {
		old[e] = true
	}
	for _, e := range next {
		if old[e] {
			continue
		}
		for _, f := range e.files {
			target := filepath.Join(r.opts.Output, f.path)
			if r.paths[f.path] == f.sha256 {
				if info, err := os.Stat(target); err == nil && info.Size() == f.size {
					continue
				}
			}
			r.step("link " + f.path)
			if err := disk.Place(r.pool.FullPath(f.pool), target); err != nil {
				return err
			}
		}
	}
	return nil
}

// generate writes the generation after, whole, beside the one that is served.
func (r *Repo) generate(ctx context.Context, s, after *suite, now time.Time) error {
	after.release.Follow(s.release, now, r.opts.ValidFor)
	fresh, listed, err := metadata.Indexes(ctx, after.Suite, after.shown(), s.release)
	if err != nil {
		return err
	}
	after.release.Files = listed
	dir := r.generation(after.Codename, after.Serial)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := r.writeByHash(after.Codename, fresh); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		if err := r.listIndex(after, dir, name); err != nil {
			return err
		}
	}
	text := after.release.Text(after.Suite)
	after.release.SHA256 = metadata.Digest(text)
	if err := r.sign(ctx, dir, text, after.release.Modified); err != nil {
		return err
	}
	return r.keepByHash(s, listed, now)
}

// shown is what the indexes show of the suite.
func (s *suite) shown() []metadata.Package {
	list := make([]metadata.Package, len(s.entries))
	for i, e := range s.entries {
		list[i] = metadata.Package{Architecture: e.arch, Udeb: e.udeb, Paragraph: e.paragraph}
	}
	return list
}

// listIndex gives an index file its plain name in the generation dir. Its by-hash name is there.
func (r *Repo) listIndex(s *suite, dir, name string) error {
	r.step("index " + name)
	target := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	byHash := filepath.Join(filepath.Dir(target), "by-hash")
	shared := filepath.Join(filepath.Dir(dir), "by-hash", filepath.Dir(filepath.FromSlash(name)))
	relative, err := filepath.Rel(filepath.Dir(target), shared)
	if err != nil {
		return err
	}
	if err := os.Symlink(relative, byHash); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return disk.Place(filepath.Join(shared, "SHA256", s.release.Files[name].SHA256), target)
}

// switchTo makes the generation the one that is served. This is the moment at which it counts.
func (r *Repo) switchTo(s *suite) error {
	if err := disk.SyncFolder(r.generation(s.Codename, s.Serial)); err != nil {
		return err
	}
	r.step("switch")
	target := filepath.Join("."+s.Codename, strconv.FormatUint(s.Serial, 10))
	if err := disk.Point(r.link(s.Codename), target); err != nil {
		return err
	}
	r.step("switched")
	if err := disk.SyncFolder(filepath.Join(r.opts.Output, "dists")); err != nil {
		return err
	}
	if s.Suite.Suite == "" || s.Suite.Suite == s.Codename {
		return nil
	}
	return disk.Point(r.link(s.Suite.Suite), s.Codename)
}

// forget removes generations and records that are no longer kept: of generations the one before
// stays, for clients that are reading it. What cannot be removed now is by the next sweep.
func (r *Repo) forget(s *suite, previous uint64) {
	err := r.removeGenerations(s, previous)
	if s.Serial > keepRecords {
		err = errors.Join(err, r.db.Delete(recordKey(s.Codename, s.Serial-keepRecords)))
	}
	if err != nil {
		r.opts.Log.Warn().Err(err).Str("codename", s.Codename).Msg("old metadata is left behind")
	}
}

func (r *Repo) readRecord(codename string, serial uint64) (old record, err error) {
	text, err := r.db.Get(recordKey(codename, serial))
	if errors.Is(err, database.ErrNotFound) {
		return old, fmt.Errorf("the list of publish %d is no longer kept", serial)
	}
	if err == nil {
		err = json.Unmarshal(text, &old)
	}
	return old, err
}
