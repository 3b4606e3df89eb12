package gitrepo

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
)

// fetchTimeout bounds one fetch, however slow the other side is.
const fetchTimeout = time.Hour

// fetchedRef is the reference that says that a commit was fetched with all that belongs to it. It
// also keeps git from throwing the commit away when its branch is rewritten.
func fetchedRef(commit string) string { return "refs/foundry/fetched/" + commit }

// always lists what every fetch brings: tags, and the branches that upstream sources are kept on
// by git-buildpackage's and DEP-14's conventions.
var always = []string{
	"+refs/tags/*:refs/tags/*",
	"+refs/heads/upstream*:refs/heads/upstream*",
	"+refs/heads/pristine-tar*:refs/heads/pristine-tar*",
}

// Fetch makes sure that the mirror has commit, which is or was on the given branch (or "tags/NAME";
// empty when not known), with its history, all tags, and the upstream and pristine-tar branches. A commit
// that was fetched once is not asked for again and takes about two milliseconds. Errors wrap
// ErrNoRepository, ErrNoCommit, ErrAuth or ErrUnreachable where that is known.
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

// Refresh asks the remote repository for tags, upstream and pristine-tar branches and the given ones
// as they are now. One that is not there is ErrNoBranch.
func (m *Mirror) Refresh(ctx context.Context, branches ...string) error {
	refspecs := make([]string, 0, len(branches))
	for _, branch := range branches {
		if !git.ValidName(branch) {
			return fmt.Errorf("fetch from %s: %w: bad branch name %q", m.URL(), git.ErrNoBranch, git.Plain(branch, 80))
		}
		if !strings.HasPrefix(branch, "tags/") {
			refspecs = append(refspecs, branchRefspec(branch))
		}
	}
	err := m.exclusively(ctx, m.format(ctx), func(ctx context.Context, lock *os.File) error {
		return m.fetchRefs(ctx, lock, refspecs...)
	})
	if err != nil {
		return fmt.Errorf("fetch from %s: %w", m.URL(), err)
	}
	return nil
}

func branchRefspec(branch string) string {
	return "+" + git.Ref(branch) + ":" + git.Ref(branch)
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
	out, err := m.git(ctx, "rev-parse", "--show-object-format")
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
	_, err := m.git(ctx, "rev-parse", "--quiet", "--verify", fetchedRef(commit)+"^{commit}")
	return err == nil
}

// has tells whether the mirror has the commit, by whatever way it came.
func (m *Mirror) has(ctx context.Context, commit string) bool {
	_, err := m.git(ctx, "cat-file", "-e", commit+"^{commit}")
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
	_, err := m.git(ctx, "fsck", "--connectivity-only", "--no-dangling", "--no-progress")
	return err != nil
}

// fetchCommit brings the branch and what always comes, and where the commit is not in it any more,
// asks for the commit itself.
func (m *Mirror) fetchCommit(ctx context.Context, lock *os.File, commit, branch string) error {
	var refspecs []string
	if branch != "" && !strings.HasPrefix(branch, "tags/") {
		refspecs = append(refspecs, branchRefspec(branch))
	}
	err := m.fetchRefs(ctx, lock, refspecs...)
	if errors.Is(err, git.ErrNoBranch) {
		err = m.fetchRefs(ctx, lock) // the branch was deleted since
	}
	if err != nil {
		return err
	}
	// git sets no reference to what it does not have.
	if _, err = m.git(ctx, "update-ref", fetchedRef(commit), commit); err == nil {
		return nil
	}
	if m.has(ctx, commit) || ctx.Err() != nil {
		return err
	}
	err = m.fetchRefs(ctx, lock, commit+":"+fetchedRef(commit))
	if errors.Is(err, git.ErrAuth) || errors.Is(err, git.ErrUnreachable) || ctx.Err() != nil {
		return err
	}
	if err != nil || !m.has(ctx, commit) {
		// What is said of a hash is of no use: many servers know only the tips of branches.
		return fmt.Errorf("%w on branch %s", git.ErrNoCommit, branch)
	}
	return nil
}

// fetchRefs fetches what always comes and the given refspecs.
func (m *Mirror) fetchRefs(ctx context.Context, lock *os.File, refspecs ...string) error {
	_, err := git.Run{
		Dir: m.path, Remote: m.url, Lock: lock,
		Stdin: strings.NewReader(strings.Join(append(refspecs, always...), "\n") + "\n"),
		Args: []string{
			"fetch", "--quiet", "--stdin", "--no-tags", "--prune", "--force", "--no-write-fetch-head",
			"--no-auto-maintenance", "--no-recurse-submodules", "origin",
		},
	}.Do(ctx)
	return err
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
	r := m.run("gc", "--quiet", "--no-detach")
	r.Lock = lock
	_, _ = r.Do(ctx)
}
