package aptly

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/aptly-dev/aptly/database"
	"github.com/aptly-dev/aptly/database/goleveldb"
	"github.com/aptly-dev/aptly/deb"
	"github.com/aptly-dev/aptly/files"

	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly/disk"
)

// Repo is a repository on disk. It implements publish.Repository.
type Repo struct {
	opts   publish.Options
	unlock func()
	db     database.Storage
	pkgs   *deb.PackageCollection
	sums   *deb.ChecksumCollection
	pool   *files.PackagePool

	queued sync.Mutex
	queue  []*request

	mu      sync.Mutex // held by whoever changes what follows
	suites  map[string]*suite
	entries map[string]*entry // by component and package key
	paths   map[string]string // SHA-256 of each file below Output that a known package has

	now  func() time.Time
	step func(name string) // called before each change on disk; tests end the process there
}

var _ publish.Repository = (*Repo)(nil)

// Open opens the repository, made if it is new, and waits while another process has it open. What
// a killed process left unfinished is removed, and suites whose description, architectures or key
// have changed are published anew.
func Open(ctx context.Context, opts publish.Options) (*Repo, error) {
	return open(ctx, opts, time.Now, func(string) {})
}

func open(ctx context.Context, opts publish.Options, now func() time.Time, step func(string)) (*Repo, error) {
	opts, err := opts.Complete()
	if err != nil {
		return nil, fmt.Errorf("open repository %s: %w", opts.Archive, err)
	}
	if _, err := exec.LookPath("xz"); err != nil {
		return nil, fmt.Errorf("open repository %s: %w", opts.Archive, missingError{"xz", "xz-utils"})
	}
	r := &Repo{
		opts: opts, now: now, step: step,
		suites: map[string]*suite{}, entries: map[string]*entry{}, paths: map[string]string{},
	}
	if err := r.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open repository %s: %w", opts.Archive, err), r.Close())
	}
	return r, nil
}

func (r *Repo) open(ctx context.Context) (err error) {
	defer recovered(&err)
	for _, dir := range []string{r.opts.Dir, filepath.Join(r.opts.Output, "dists"), filepath.Join(r.opts.Output, "pool")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if r.unlock, err = disk.Lock(ctx, filepath.Join(r.opts.Dir, "lock"), r.opts.Log); err != nil {
		return err
	}
	if r.db, err = openDatabase(filepath.Join(r.opts.Dir, "db")); err != nil {
		return err
	}
	r.pkgs, r.sums = deb.NewPackageCollection(r.db), deb.NewChecksumCollection(r.db)
	r.pool = files.NewPackagePool(filepath.Join(r.opts.Dir, "pool"), false)
	for _, s := range r.opts.Suites {
		if err := r.load(s); err != nil {
			return fmt.Errorf("load suite %s: %w", s.Codename, err)
		}
	}
	if err := r.sweep(); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	for _, s := range r.opts.Suites {
		if err := r.renew(ctx, r.suites[s.Codename]); err != nil {
			return fmt.Errorf("publish suite %s: %w", s.Codename, err)
		}
	}
	return r.export()
}

// openDatabase opens the database, and repairs it first where a power failure has damaged it.
func openDatabase(path string) (database.Storage, error) {
	db, err := goleveldb.NewOpenDB(path)
	if err == nil {
		return db, nil
	}
	if goleveldb.RecoverDB(path) != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if db, err = goleveldb.NewOpenDB(path); err != nil {
		return nil, fmt.Errorf("open repaired database: %w", err)
	}
	return db, nil
}

// Close releases the repository to other processes.
func (r *Repo) Close() (err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.db != nil {
		err = r.db.Close()
		r.db = nil
	}
	if r.unlock != nil {
		r.unlock()
		r.unlock = nil
	}
	return err
}

// missingError says that a program is not installed.
type missingError struct{ program, debianPackage string }

func (e missingError) Error() string { return e.program + " is not installed" }

// Hint says what to do about it.
func (e missingError) Hint() string { return "apt-get install " + e.debianPackage }

// recovered turns a panic of aptly's database layer, which panics on records that it cannot read,
// into an error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("package database: %v", p)
	}
}
