package aptly

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"

	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly/catalog"
	"foundry/pkg/publish/aptly/dists"
	"foundry/pkg/publish/aptly/ledger"
	"foundry/pkg/publish/aptly/metadata"
	"foundry/pkg/publish/index"
	"foundry/pkg/trust"
)

// suite is what is known of one codename, as the generation that is served has it.
type suite struct {
	publish.Suite
	folder   *dists.Folder
	snapshot ledger.Snapshot
	oldest   uint64 // serial of the oldest snapshot that is kept
	list     catalog.List
	set      *metadata.Set
	release  metadata.Release
	gone     map[string]ledger.Gone // packages that have left it, by ID
	// stale says that what is served is not what it should be, lost that files of it are missing, and unfinished
	// that the publish after it did not come to its end.
	stale, lost, unfinished bool
	moves                   []move // to other components, of packages that the snapshot has
}

type move struct{ from, to *catalog.Entry }

// setting is all but packages and dates that shows in the metadata; when it changes the suite is
// published anew.
func (r *Repo) setting(s publish.Suite) string {
	s.AllowDowngrade, s.Keep = false, 0
	text, err := json.Marshal(struct {
		publish.Suite
		Keys []string
	}{s, trust.Fingerprints(r.opts.Signer)})
	if err != nil {
		return ""
	}
	return string(text)
}

// load reads the state of the generation that is served. Where the served folder has lost it, the
// newest list in the database is taken, and renew will publish that.
func (r *Repo) load(option publish.Suite) (err error) {
	s := &suite{Suite: option, set: metadata.New(option)}
	r.suites[s.Codename] = s
	if s.folder, err = dists.New(filepath.Join(r.opts.Output, "dists"), s.Codename, &r.dirty, func(name string) { r.step(name) }); err != nil {
		return err
	}
	serial, err := s.folder.Served()
	if err != nil {
		return err
	}
	kept, err := r.ledger.Snapshots(s.Codename)
	if err != nil {
		return err
	}
	if s.gone, err = r.ledger.Gone(s.Codename); err != nil {
		return err
	}
	switch {
	case serial > 0:
		i := slices.IndexFunc(kept, func(k ledger.Snapshot) bool { return k.Serial == serial })
		if i < 0 && len(r.db.KeysByPrefix([]byte(earlierPrefix))) > 0 {
			return earlierError{r.opts.Dir, r.opts.Output}
		}
		if i < 0 {
			return fmt.Errorf("%s shows publish %d, and %s does not know it: the two folders do not belong together", s.folder.Link(), serial, r.opts.Dir)
		}
		s.snapshot, s.oldest = kept[i], kept[0].Serial
	case len(kept) > 0:
		s.snapshot, s.oldest, s.stale = kept[len(kept)-1], kept[0].Serial, true
		s.lost = true
	default:
		s.oldest, s.stale = 1, true
		return nil
	}
	if s.snapshot.Setting != r.setting(s.Suite) {
		s.stale = true
	}
	if serial == 0 {
		return nil
	}
	if s.release, err = metadata.Read(filepath.Join(s.folder.Generation(serial), "Release")); err != nil {
		r.opts.Log.Warn().Err(err).Str("codename", s.Codename).Msg("published metadata is damaged: publishing anew")
		s.release, s.stale, s.lost = metadata.Release{}, true, true
	}
	return nil
}

// entry returns the package with that ID.
func (r *Repo) entry(id string) (*catalog.Entry, error) {
	if e := r.stock.Entry(id); e != nil {
		return e, nil
	}
	component, key := catalog.SplitID(id)
	e, _, err := r.ledger.Shown(key)
	if err != nil {
		return nil, err
	}
	return e.In(component), nil
}

// renew publishes the suite where it has never been, or where its setting has changed.
func (r *Repo) renew(ctx context.Context, s *suite) error {
	if !s.stale {
		return nil
	}
	d, fresh := s.list.Draft(s.Suite), map[string]*candidate{}
	for _, move := range s.moves {
		d.Drop(move.from)
		d.Put(move.to)
		fresh[move.to.ID()] = &candidate{Entry: move.to}
	}
	s.moves = nil
	if s.lost {
		for e := range s.list.All() {
			if err := r.stock.Link(e); err != nil {
				return err
			}
		}
	}
	added, dropped := d.Delta()
	reason := "settings have changed"
	if s.snapshot.Serial == 0 {
		reason = "set up"
	}
	return r.publish(ctx, s, plan{reason: reason, added: added, dropped: dropped, fresh: fresh, set: s.set})
}

// adopt takes over what is served, so that it need not be compressed again.
func (r *Repo) adopt(s *suite) {
	for name, f := range s.release.Files {
		if path.Ext(name) != string(index.Xz) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(s.folder.Generation(s.snapshot.Serial), filepath.FromSlash(name)))
		if err == nil && metadata.Digest(data) == f.SHA256 {
			err = s.set.Adopt(name, data)
		}
		if err != nil {
			r.opts.Log.Debug().Err(err).Str("index", name).Msg("a served index is not taken over")
		}
	}
}
