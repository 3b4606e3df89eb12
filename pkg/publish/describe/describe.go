// Package describe makes a repository explain itself to people and their machines. At the top of what is
// served it keeps
//
//	index.html               how to use the repository, what it has, and its keys
//	NAME.asc, NAME.gpg       the keys that sign it, and those that shall, armored and binary
//	NAME-CODENAME.sources    a source list for apt with the keys in it (sources.list(5)), when the URI is known
//	debsig/KEYID/            policy and keyring for debsig-verify(1), for each key that signs packages
//
// and in the repository itself the package NAME-archive-keyring, which brings keys and policies to machines
// that have it installed, so that they learn of another key by an upgrade.
//
// All of it is written only where it differs from what is there, each file at once, and beside the
// publishing, which does not wait for it.
package describe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly/disk"
	"foundry/pkg/trust"
)

// Options are what is to be described.
type Options struct {
	publish.Options             // as the repository was opened with
	NextKeys        []string    // files of public keys that shall sign later
	PackageKeys     string      // keyring file of the keys that sign packages; it may be absent, and change
	KeyringPackage  bool        // build and publish the package of keys
	KeyringSources  bool        // let it bring a source list for apt; needs URI
	Note            func(error) // shows trouble to people, beside the log; nil for the log alone
}

// A Describer keeps the description of one repository current. Its methods may be called concurrently.
type Describer struct {
	opts      Options
	archive   publish.Archive
	published chan struct{}
	all       atomic.Bool // look at everything next time
}

// New returns the describer of an open repository.
func New(o Options, archive publish.Archive) *Describer {
	return &Describer{opts: o, archive: archive, published: make(chan struct{}, 1)}
}

// Published says that the repository has changed. It does not wait for anything.
func (d *Describer) Published() {
	select {
	case d.published <- struct{}{}:
	default: // Run will look anyway
	}
}

// Changed says that somebody has changed the repository by hand, maybe taken the package of keys out of it. It does not
// wait for anything.
func (d *Describer) Changed() {
	d.all.Store(true)
	d.Published()
}

const (
	// pause is the least time between two descriptions.
	pause = time.Second
	// look is how often keys are looked at without a publish: their expiry may have been moved.
	look = 24 * time.Hour
	// retry is how often that is done after something went wrong.
	retry = 10 * time.Minute
)

// Run describes the repository at once, after what Published says, and each day, until ctx ends. What goes
// wrong is told, and tried again.
func (d *Describer) Run(ctx context.Context) {
	var known keys
	var due time.Time // when all is looked at again
	told := ""
	for {
		all := d.all.Swap(false) || !time.Now().Before(due)
		err := d.describe(ctx, &known, all)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && all:
			due, told = time.Now().Add(look), ""
		case err != nil && (all || err.Error() != told): // not after each publish
			due, told = time.Now().Add(retry), err.Error()
			d.tell(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(due)):
		case <-d.published:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (d *Describer) tell(err error) {
	d.opts.Log.Error().Err(err).Msg("repository is not described")
	if d.opts.Note != nil {
		d.opts.Note(err)
	}
}

// Keys writes what machines need to believe the repository: all but the page and the package of keys. Nothing
// is signed for it.
func (d *Describer) Keys() error {
	k, err := d.readKeys(keys{}, true)
	if err == nil {
		_, err = d.writeKeys(k)
	}
	return err
}

// Once describes the repository as it is now.
func (d *Describer) Once(ctx context.Context) error { return d.describe(ctx, new(keys), true) }

// describe writes what has changed. With all, keys are read again although their files have not changed, and
// the keyring package is looked for.
func (d *Describer) describe(ctx context.Context, known *keys, all bool) error {
	fresh, err := d.readKeys(*known, all)
	if err != nil {
		return err
	}
	if fresh.terms == nil {
		if fresh.terms, err = trust.Terms(ctx, d.opts.Signer); err != nil {
			return fmt.Errorf("try repository key: %w", err)
		}
	}
	changed, err := d.writeKeys(fresh)
	if err != nil {
		return err
	}
	// The package comes last but for the page, which tells of it. It can be refused, and all else is to be
	// there then too.
	var refused error
	if d.opts.KeyringPackage && (all || !known.same(fresh)) {
		refused = d.includeKeyring(ctx, fresh)
	}
	page, err := d.page(ctx, fresh)
	if err != nil {
		return errors.Join(refused, err)
	}
	written, err := put(filepath.Join(d.opts.Output, "index.html"), page)
	if err != nil {
		return errors.Join(refused, err)
	}
	*known = fresh
	if pusher, ok := d.archive.(interface{ Push(context.Context) error }); ok && (written || changed) {
		err = pusher.Push(ctx)
	}
	return errors.Join(refused, err)
}

// writeKeys writes keyrings, source lists and policies, and tells whether one has changed.
func (d *Describer) writeKeys(k keys) (changed bool, err error) {
	files := map[string][]byte{d.opts.Archive + ".asc": k.armored, d.opts.Archive + ".gpg": k.binary}
	if d.opts.URI != "" {
		for _, s := range d.opts.Suites {
			files[d.opts.Archive+"-"+s.Codename+".sources"] = d.sources(s, inline(k.armored))
		}
	}
	policies := d.policies(k.packages)
	for _, p := range policies {
		files[filepath.Join("debsig", p.id, d.opts.Archive+".pol")] = p.policy
		files[filepath.Join("debsig", p.id, debsigKeyring)] = p.keyring
	}
	for name, data := range files {
		path := filepath.Join(d.opts.Output, name)
		written, err := put(path, data)
		if err != nil {
			return changed, err
		}
		changed = changed || written
	}
	gone, err := d.dropPolicies(policies)
	return changed || gone, err
}

// dropPolicies removes those of package keys that are trusted no more, and tells whether there were any. What
// others have put beside them stays.
func (d *Describer) dropPolicies(policies []policy) (dropped bool, err error) {
	root := filepath.Join(d.opts.Output, "debsig")
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("list policies: %w", err)
	}
	for _, e := range entries {
		if slices.ContainsFunc(policies, func(p policy) bool { return p.id == e.Name() }) {
			continue
		}
		for _, name := range []string{d.opts.Archive + ".pol", debsigKeyring} {
			err := os.Remove(filepath.Join(root, e.Name(), name))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return dropped, fmt.Errorf("remove policy: %w", err)
			}
			dropped = dropped || err == nil
		}
		_ = os.Remove(filepath.Join(root, e.Name())) // unless there is more in it
	}
	return dropped, nil
}

// put writes data to path unless it is there already, and tells whether it did.
func put(path string, data []byte) (written bool, err error) {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return false, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return false, fmt.Errorf("make folder: %w", err)
	}
	if err := disk.WriteFile(path, data); err != nil {
		return false, fmt.Errorf("write %s: %w", path, err)
	}
	return true, nil
}

// keys are those of a repository at one time.
type keys struct {
	files    string         // what the files they came from looked like
	terms    []trust.Term   // of those that sign
	next     *trust.Keyring // those that shall, without those that do
	packages *trust.Keyring // those that sign packages; nil for none
	armored  []byte         // of those that sign and those that shall
	binary   []byte
}

// same tells whether both are of the same files.
func (k keys) same(other keys) bool { return k.files == other.files && k.files != "" }
