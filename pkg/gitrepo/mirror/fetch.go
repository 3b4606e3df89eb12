package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"foundry/pkg/gitrepo/git"
	"foundry/pkg/gitrepo/remote"
)

// fetchTimeout bounds one fetch, however slow the other side is.
const fetchTimeout = time.Hour

// fetchedRef is the reference that says that a commit was fetched with all that belongs to it. It
// also keeps git from throwing the commit away when its branch is rewritten.
func fetchedRef(commit string) string { return "refs/foundry/fetched/" + commit }

// Fetch makes sure that the mirror has commit, which is or was on the given branch (or "tags/NAME";
// empty when not known), with its tree. The first fetch of a branch brings one commit, without the history
// behind it; later ones bring what was added since. A commit that was fetched once is not asked for again and takes
// about two milliseconds. Errors wrap ErrNoRepository, ErrNoCommit, ErrAuth or ErrUnreachable of package git
// where that is known.
func (m *Mirror) Fetch(ctx context.Context, commit, branch string) error {
	if !git.IsHash(commit) {
		return fmt.Errorf("fetch from %s: %w: %q is not a full commit hash", m.URL(), git.ErrNoCommit, git.Plain(commit, 80))
	}
	if branch != "" && !git.ValidName(branch) {
		return fmt.Errorf("fetch from %s: %w: bad branch name %q", m.URL(), git.ErrNoBranch, git.Plain(branch, 80))
	}
	if m.fetched(ctx, commit) {
		return nil
	}
	err := m.exclusively(ctx, formatOf(commit), func(ctx context.Context, lock *os.File) error {
		if m.fetched(ctx, commit) {
			return nil
		}
		return m.fetchCommit(ctx, lock, commit, branch)
	})
	if err != nil {
		return fmt.Errorf("fetch %s from %s: %w", commit, m.URL(), err)
	}
	return nil
}

// Refresh asks the remote repository where the named branches ("upstream") and tags ("tags/v1") are now and
// brings their commits, with as little history as Fetch. One that is not there is no error, and is then not in the
// mirror either; what cannot be a name is git.ErrNoBranch. When nothing has changed that takes one request.
func (m *Mirror) Refresh(ctx context.Context, names ...string) error {
	heads, err := remote.Find(ctx, m.url, names...)
	if err != nil {
		return err
	}
	format := m.format(ctx)
	if len(heads) > 0 {
		format = formatOf(heads[0].Commit)
	}
	if m.upToDate(ctx, names, heads) {
		return nil
	}
	err = m.exclusively(ctx, format, func(ctx context.Context, lock *os.File) error {
		return m.bring(ctx, lock, names, heads)
	})
	if err != nil {
		return fmt.Errorf("fetch from %s: %w", m.URL(), err)
	}
	return nil
}

// DefaultBranch asks the remote repository for its default branch, where HEAD points now, and makes sure that the mirror
// has its newest commit. When nothing has changed that takes one request. A repository without branches is
// git.ErrEmpty, one whose HEAD is no branch git.ErrDetached or git.ErrNoBranch.
func (m *Mirror) DefaultBranch(ctx context.Context) (branch, commit string, err error) {
	head, err := remote.Default(ctx, m.url)
	if err != nil {
		return "", "", err
	}
	if err := m.Fetch(ctx, head.Commit, head.Name); err != nil {
		return "", "", err
	}
	return head.Name, head.Commit, nil
}

// upToDate tells whether the mirror has the heads, and of names nothing else.
func (m *Mirror) upToDate(ctx context.Context, names []string, heads []remote.Head) bool {
	if !m.complete() {
		return len(heads) == 0
	}
	here, err := m.tips(ctx)
	if err != nil {
		return false
	}
	there := make(map[string]string)
	for _, h := range heads {
		there[h.Name] = h.Commit
	}
	for _, name := range names {
		if here[git.Ref(name)].commit != there[name] {
			return false
		}
	}
	return true
}

// formatOf is the object format of a repository that has the given commit.
func formatOf(commit string) string {
	if len(commit) == 64 {
		return "sha256"
	}
	return "sha1"
}

// format is the object format of the mirror, if it is there.
func (m *Mirror) format(ctx context.Context) string {
	out, err := m.Git(ctx, "rev-parse", "--show-object-format")
	if err == nil && strings.TrimSpace(string(out)) == "sha256" {
		return "sha256"
	}
	return "sha1"
}

// fetched tells whether commit was fetched whole, and can be read. For one that was not, no program
// is run.
func (m *Mirror) fetched(ctx context.Context, commit string) bool {
	if _, err := os.Stat(filepath.Join(m.path, fetchedRef(commit))); err != nil {
		packed, err := os.ReadFile(filepath.Join(m.path, "packed-refs"))
		if err != nil || !bytes.Contains(packed, []byte(fetchedRef(commit))) {
			return false
		}
	}
	_, err := m.Git(ctx, "rev-parse", "--quiet", "--verify", fetchedRef(commit)+"^{commit}")
	return err == nil
}

// Has tells whether the mirror has the commit, by whatever way it came.
func (m *Mirror) Has(ctx context.Context, commit string) bool {
	_, err := m.Git(ctx, "cat-file", "-e", commit+"^{commit}")
	return err == nil
}

// exclusively calls fetch with the lock held and the mirror prepared. When fetch fails and the
// mirror turns out to be damaged, it is made anew and fetch gets a second chance.
func (m *Mirror) exclusively(ctx context.Context, format string, fetch func(context.Context, *os.File) error) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	lock, unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := m.prepare(ctx, format); err != nil {
		return err
	}
	err = fetch(ctx, lock)
	if err != nil && !explained(err) && ctx.Err() == nil && m.damaged(ctx) {
		if err := m.remake(ctx, format); err != nil {
			return err
		}
		err = fetch(ctx, lock)
	}
	if ctx.Err() != nil {
		return err // the mark stays: git was killed and may have left something
	}
	if err == nil {
		m.compact(ctx, lock)
	}
	if rmErr := os.Remove(filepath.Join(m.path, busyMark)); err == nil && rmErr != nil {
		return fmt.Errorf("leave mirror: %w", rmErr)
	}
	return err
}

// explained tells whether err is about the remote repository and not about the mirror.
func explained(err error) bool {
	for _, known := range []error{git.ErrNoRepository, git.ErrNoCommit, git.ErrNoBranch, git.ErrAuth, git.ErrUnreachable} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// damaged tells whether the mirror lacks objects that it should have, as after a power failure.
func (m *Mirror) damaged(ctx context.Context) bool {
	_, err := m.Git(ctx, "fsck", "--connectivity-only", "--no-dangling", "--no-progress")
	return err != nil
}

// fetchCommit brings the branch, and where the commit is not on it any more, or further back than what came,
// the commit itself.
func (m *Mirror) fetchCommit(ctx context.Context, lock *os.File, commit, branch string) error {
	if branch != "" {
		err := m.bringBranch(ctx, lock, branch)
		if err != nil && !errors.Is(err, git.ErrNoBranch) { // it may be deleted since
			return err
		}
	}
	if there, err := m.keep(ctx, commit); there || err != nil {
		return err
	}
	err := m.fetch(ctx, lock, []string{commit}, shallowest)
	if passing(ctx, err) {
		return err
	}
	// What is said of a hash is of no use: many servers know only the tips of branches.
	if err != nil {
		if err := m.search(ctx, lock, commit, branch); err != nil {
			return err
		}
	}
	if there, err := m.keep(ctx, commit); there || err != nil {
		return err
	}
	if branch == "" {
		return git.ErrNoCommit
	}
	return fmt.Errorf("%w on branch %s", git.ErrNoCommit, branch)
}

// keep notes that the commit was fetched, if it is there.
func (m *Mirror) keep(ctx context.Context, commit string) (there bool, err error) {
	_, err = m.Git(ctx, "update-ref", fetchedRef(commit), commit) // of what is not there, git sets no reference
	if err == nil {
		return true, nil
	}
	if !m.Has(ctx, commit) && ctx.Err() == nil {
		return false, nil
	}
	return false, err
}

// maxPacks is how many packs a mirror may have before they are made one; maxLoose is about a 256th of the
// number of single objects it may have.
const (
	maxPacks = 40
	maxLoose = 16
)

// compact puts packs and single objects together once there are many, for reading slows down with
// their number. That it did not succeed is no harm.
func (m *Mirror) compact(ctx context.Context, lock *os.File) {
	packs, _ := filepath.Glob(filepath.Join(m.path, "objects", "pack", "*.pack"))
	loose, _ := os.ReadDir(filepath.Join(m.path, "objects", "17"))
	if len(packs) <= maxPacks && len(loose) <= maxLoose {
		return
	}
	// Big packs stay as they are.
	r := m.Run("-c", "gc.bigPackThreshold=64m", "gc", "--quiet", "--no-detach")
	r.Lock = lock
	_, _ = r.Do(ctx)
}
