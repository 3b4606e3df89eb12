package aptly

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aptly-dev/aptly/database"
	"github.com/aptly-dev/aptly/deb"

	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly/disk"
	"foundry/pkg/publish/aptly/ledger"
	"foundry/pkg/publish/aptly/stock"
)

// Repo is a repository on disk. It implements publish.Archive.
type Repo struct {
	opts   publish.Options
	unlock func()
	db     database.Storage
	pkgs   *deb.PackageCollection
	ledger *ledger.Ledger

	queued  sync.Mutex
	queue   []*request
	arrived atomic.Int64 // calls of Include so far
	under   atomic.Int64 // those of them that have not been published or refused
	// turn is held by the call that publishes for all, which alone looks at what follows: when the last
	// publish of uploads ended, and how long it took.
	turn      chan struct{}
	published time.Time
	took      time.Duration

	mu     sync.Mutex // held by whoever changes what follows
	suites map[string]*suite
	stock  *stock.Stock
	dirty  disk.Dirty

	now  func() time.Time
	step func(name string) // called before each change on disk; tests end the process there
}

var _ publish.Archive = (*Repo)(nil)

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
	r := &Repo{opts: opts, now: now, step: step, suites: map[string]*suite{}, turn: make(chan struct{}, 1)}
	r.stock = stock.New(filepath.Join(opts.Dir, "pool"), opts.Output, &r.dirty, func(name string) { r.step(name) })
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
	if r.db, err = ledger.Open(filepath.Join(r.opts.Dir, "db")); err != nil {
		return err
	}
	r.pkgs, r.ledger = deb.NewPackageCollection(r.db), ledger.New(r.db)
	for _, s := range r.opts.Suites {
		if err := r.load(s); err != nil {
			return fmt.Errorf("load suite %s: %w", s.Codename, err)
		}
	}
	if err := r.loadPackages(); err != nil {
		return err
	}
	for _, s := range r.suites {
		if err := r.undo(s); err != nil {
			return fmt.Errorf("repair suite %s: %w", s.Codename, err)
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
	return nil
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

// use locks the repository for a call that changes it or reads what changes.
func (r *Repo) use() (done func(), err error) {
	r.mu.Lock()
	if r.db == nil {
		r.mu.Unlock()
		return nil, errClosed
	}
	return r.mu.Unlock, nil
}

var errClosed = errors.New("the repository is closed")

// missingError says that a program is not installed.
type missingError struct{ program, debianPackage string }

func (e missingError) Error() string { return e.program + " is not installed" }

// Hint says what to do about it.
func (e missingError) Hint() string { return "apt-get install " + e.debianPackage }

// earlierPrefix begins the keys of records that earlier versions of foundry wrote.
const earlierPrefix = "foundry record "

// earlierError says that an earlier version of foundry has made the repository.
type earlierError struct{ dir, output string }

func (e earlierError) Error() string { return e.output + " was made by an earlier version of foundry" }

// Hint says how it is taken over.
func (e earlierError) Hint() string {
	return fmt.Sprintf("move %s and %s aside, start again, and take the packages over: foundry repo import FOLDER --keyring FOLDER/NAME.asc", e.output, e.dir)
}

// recovered turns a panic of aptly's database layer, which panics on records that it cannot read,
// into an error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("package database: %v", p)
	}
}
