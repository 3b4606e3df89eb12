package gitrepo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"foundry/pkg/gitrepo/git"
	"foundry/pkg/gitrepo/remote"
)

// Peek returns the commits that heads of the repository at url point at, in the same order, and
// fetches no more for it than the server makes necessary: the commit objects alone from local paths and
// the large forges, one revision of the tree from servers that do not filter, history from those without
// a git server. It keeps them below dir, apart from mirrors, and like those for any
// number of processes.
//
// A head may have moved since it was listed; the commit is then its newer one. A tag that leads to no
// commit is ErrNoCommit.
func Peek(ctx context.Context, dir, url string, heads []remote.Head) ([]Commit, error) {
	m, err := openMirror(dir, url, ".heads")
	if err != nil {
		return nil, err
	}
	if len(heads) == 0 {
		return nil, nil
	}
	for _, h := range heads {
		if !git.ValidName(h.Name) || !git.IsHash(h.Commit) {
			return nil, fmt.Errorf("fetch heads of %s: %w: %q", m.URL(), git.ErrNoBranch, git.Plain(h.Name, 80))
		}
	}
	var commits []Commit
	err = m.exclusively(ctx, formatOf(heads[0].Commit), func(ctx context.Context, lock *os.File) error {
		if err := m.peek(ctx, lock, heads); err != nil {
			return err
		}
		commits = make([]Commit, len(heads))
		for i, h := range heads {
			out, err := m.git(ctx, "rev-parse", "--quiet", "--verify", peekRef(h.Name)+"^{commit}")
			if err != nil {
				return fmt.Errorf("%w: %s leads to none", git.ErrNoCommit, h.Name)
			}
			if commits[i], err = m.Commit(ctx, strings.TrimSpace(string(out))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("fetch heads of %s: %w", m.URL(), err)
	}
	return commits, nil
}

// peekRef is where the head of a name is kept. It is flat, so that a branch "a" can give way to "a/b".
func peekRef(name string) string {
	sum := sha256.Sum256([]byte(name))
	return "refs/foundry/peek/" + hex.EncodeToString(sum[:16])
}

// peek fetches the heads, one commit deep where that is possible.
func (m *Mirror) peek(ctx context.Context, lock *os.File, heads []remote.Head) error {
	var refspecs strings.Builder
	for _, h := range heads {
		fmt.Fprintf(&refspecs, "+%s:%s\n", git.Ref(h.Name), peekRef(h.Name))
	}
	fetch := func(options ...string) error {
		args := []string{
			"fetch", "--quiet", "--stdin", "--no-tags", "--force", "--no-write-fetch-head",
			"--no-auto-maintenance", "--no-recurse-submodules",
		}
		_, err := git.Run{
			Dir: m.path, Remote: m.url, Lock: lock,
			Stdin: strings.NewReader(refspecs.String()),
			Args:  append(append(args, options...), "origin"),
		}.Do(ctx)
		return err
	}
	if _, err := os.Stat(filepath.Join(m.path, wholeMark)); err == nil {
		return fetch()
	}
	options := []string{"--depth=1", "--filter=tree:0"}
	if git.LocalPath(m.url) != "" {
		// The other side is run on this host, by this user, and can be told to filter.
		options = append(options, "--upload-pack=git -c uploadpack.allowFilter=true upload-pack")
	}
	err := fetch(options...)
	var failed *git.Error
	if !errors.As(err, &failed) || !strings.Contains(failed.Stderr, "does not support shallow") {
		return err
	}
	// git has noted that missing objects can be had one by one, which is not so: begin again.
	if err := m.remake(ctx, formatOf(heads[0].Commit)); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(m.path, wholeMark), nil, 0o600); err != nil {
		return fmt.Errorf("make mirror %s: %w", m.path, err)
	}
	return fetch()
}
