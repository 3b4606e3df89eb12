package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"foundry/pkg/gitrepo/git"
	"foundry/pkg/gitrepo/remote"
)

// IsAncestor tells whether the first commit is in the history of the second. Both must be in the mirror; what is
// missing of the history between them is fetched. A commit whose history is not to be had any more is no ancestor.
func (m *Mirror) IsAncestor(ctx context.Context, ancestor, descendant string) (bool, error) {
	base, _, err := m.mergeBase(ctx, descendant, ancestor)
	return base == ancestor && err == nil, err
}

// MergeBase returns the best common ancestor of two commits, as git-merge-base(1) has it, or "" when they share no
// history. Both must be in the mirror; what is missing of their history is fetched, as far back as it takes to be
// sure, of the first one sooner than of the second. When the remote repository does not have it either, and nothing in common was found, that is
// git.ErrNoCommit.
func (m *Mirror) MergeBase(ctx context.Context, a, b string) (string, error) {
	base, sure, err := m.mergeBase(ctx, a, b)
	if err == nil && base == "" && !sure {
		err = fmt.Errorf("compare commits %s and %s of %s: %w that both come from, in an incomplete history", a, b, m.URL(), git.ErrNoCommit)
	}
	return base, err
}

// mergeBase finds the base with as much of the history as it takes and can be had.
func (m *Mirror) mergeBase(ctx context.Context, a, b string) (base string, sure bool, err error) {
	if !git.IsHash(a) || !git.IsHash(b) {
		return "", false, fmt.Errorf("compare commits: %w", git.ErrNoCommit)
	}
	look := func(ctx context.Context) (bool, error) {
		var err error
		base, sure, err = m.baseHere(ctx, a, b)
		return sure, err
	}
	done, err := look(ctx)
	if err == nil && !done {
		err = m.exclusively(ctx, formatOf(a), func(ctx context.Context, lock *os.File) error {
			return m.deepenUntil(ctx, lock, look, root{commit: a}, root{commit: b})
		})
	}
	if err != nil {
		return "", false, fmt.Errorf("compare commits %s and %s of %s: %w", a, b, m.URL(), err)
	}
	return base, sure, nil
}

// baseHere looks for the base in what the mirror has of the history. That is sure when nothing is missing of what
// leads from the two commits to it: then a better one would have been seen as well.
func (m *Mirror) baseHere(ctx context.Context, a, b string) (base string, sure bool, err error) {
	out, err := m.Git(ctx, "merge-base", "--all", a, b)
	if err != nil && !git.Exited(err, 1) {
		return "", false, err
	}
	bases := strings.Fields(string(out))
	if len(bases) > 0 {
		base = bases[0]
	}
	ends, err := m.ends()
	if err != nil || len(ends) == 0 || base == a || base == b {
		return base, err == nil, err
	}
	first, err := m.Git(ctx, append([]string{"rev-list", "--max-parents=0", a, b, "--not"}, bases...)...)
	if err != nil {
		return "", false, err
	}
	for _, commit := range strings.Fields(string(first)) {
		if ends[commit] {
			return base, false, nil
		}
	}
	return base, true, nil
}

// ends returns the commits whose parents the mirror was not given, from git's file "shallow".
func (m *Mirror) ends() (map[string]bool, error) {
	list, err := os.ReadFile(filepath.Join(m.path, "shallow"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	ends := make(map[string]bool)
	for _, commit := range strings.Fields(string(list)) {
		ends[commit] = true
	}
	return ends, nil
}

// isShallow tells whether the mirror lacks history.
func (m *Mirror) isShallow() bool {
	ends, err := m.ends()
	return err != nil || len(ends) > 0
}

// FetchTree makes sure that the mirror has a tree with all that is in it. heads are the branches and tags that may have
// it, for servers that do not give out single objects. A tree that is nowhere is git.ErrNoCommit.
func (m *Mirror) FetchTree(ctx context.Context, tree string, heads ...string) error {
	there := func(ctx context.Context) (bool, error) {
		_, err := m.Git(ctx, "cat-file", "-e", tree+"^{tree}")
		return err == nil, nil
	}
	if !git.IsHash(tree) {
		return fmt.Errorf("fetch tree %q from %s: %w", git.Plain(tree, 80), m.URL(), git.ErrNoCommit)
	}
	if ok, _ := there(ctx); ok {
		return nil
	}
	if err := m.Refresh(ctx, heads...); err != nil {
		return err
	}
	err := m.exclusively(ctx, formatOf(tree), func(ctx context.Context, lock *os.File) error {
		if ok, _ := there(ctx); ok {
			return nil
		}
		if err := m.fetch(ctx, lock, []string{tree + ":refs/foundry/tree/" + tree}, shallowest); err == nil || passing(ctx, err) {
			return err
		}
		if err := m.deepenUntil(ctx, lock, there, root{names: heads}); err != nil {
			return err
		}
		if ok, _ := there(ctx); !ok {
			return fmt.Errorf("%w: no tree %s in the history of %s", git.ErrNoCommit, tree, strings.Join(heads, ", "))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("fetch from %s: %w", m.URL(), err)
	}
	return nil
}

// search fetches more and more of the history of a branch, or of all branches and tags when it is not known, until
// the commit has come.
func (m *Mirror) search(ctx context.Context, lock *os.File, commit, branch string) error {
	names := []string{branch}
	if branch == "" {
		all, err := remote.Heads(ctx, m.url, remote.Options{})
		if err != nil {
			return err
		}
		names = nil
		for _, h := range all {
			names = append(names, h.Name)
		}
		if err := m.bring(ctx, lock, names, all); err != nil {
			return err
		}
	}
	return m.deepenUntil(ctx, lock, func(ctx context.Context) (bool, error) { return m.Has(ctx, commit), nil }, root{names: names})
}

// A root is where a history begins: at a commit, or at branches and tags.
type root struct {
	commit string
	names  []string
}

const (
	firstStep  = 8         // commits further back than before that come with the first deepening
	stepFactor = 4         // how much further each next one goes
	steps      = 5         // the last of which brings all
	allHistory = 1<<31 - 1 // what git takes for infinite
)

// deepenUntil fetches more and more of the history of the roots until enough says so, or there is no more of it. Each root
// is a step behind the one before it, since what the first leads to is more likely the answer.
func (m *Mirror) deepenUntil(ctx context.Context, lock *os.File, enough func(context.Context) (bool, error), roots ...root) error {
	if done, err := enough(ctx); done || err != nil {
		return err
	}
	known := make([]int, len(roots))
	for i, r := range roots {
		var err error
		if known[i], err = m.depth(ctx, r); err != nil {
			return err
		}
	}
	for round := range steps + len(roots) - 1 {
		for i, r := range roots {
			step := round - i
			if step < 0 || step >= steps || !m.isShallow() {
				continue
			}
			depth := allHistory
			if step < steps-1 {
				depth = known[i] + firstStep*int(math.Pow(stepFactor, float64(step)))
			}
			if err := m.deepen(ctx, lock, r, depth); err != nil {
				return err
			}
			if done, err := enough(ctx); done || err != nil {
				return err
			}
		}
	}
	return nil
}

// depth tells how many commits, one behind the other, the mirror has of a history. To ask for fewer would make it
// shorter.
func (m *Mirror) depth(ctx context.Context, r root) (int, error) {
	longest := 0
	for _, name := range append([]string{r.commit}, r.names...) {
		commit, err := m.Resolve(ctx, name)
		if err != nil {
			continue
		}
		out, err := m.Git(ctx, "rev-list", "--count", "--first-parent", commit)
		if err != nil {
			return 0, err
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(out)))
		if err != nil {
			return 0, fmt.Errorf("count commits: %w", err)
		}
		longest = max(longest, n)
	}
	return longest, nil
}

// deepen fetches so much history of a root. A commit is asked for by itself where the server gives it out, else the
// branches of the mirror must do.
func (m *Mirror) deepen(ctx context.Context, lock *os.File, r root, depth int) error {
	option := fmt.Sprintf("--depth=%d", depth)
	names := r.names
	if r.commit != "" {
		err := m.fetch(ctx, lock, []string{r.commit}, option)
		if err == nil || passing(ctx, err) {
			return err
		}
		here, err := m.tips(ctx)
		if err != nil {
			return err
		}
		for ref, tip := range here {
			if name, branch := strings.CutPrefix(ref, "refs/heads/"); branch || tip.commit == r.commit {
				names = append(names, strings.TrimPrefix(name, "refs/"))
			}
		}
	}
	heads, err := remote.Find(ctx, m.url, names...)
	if err != nil || len(heads) == 0 {
		return err
	}
	refspecs := make([]string, len(heads))
	for i, h := range heads {
		refspecs[i] = headRefspec(h.Name)
	}
	return m.fetch(ctx, lock, refspecs, option)
}

// passing tells whether err is trouble with the remote repository that another way of asking does not help.
func passing(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, git.ErrAuth) || errors.Is(err, git.ErrUnreachable) || errors.Is(err, git.ErrNoRepository)
}
