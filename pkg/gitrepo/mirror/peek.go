package mirror

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

// Peek fetches the heads, no more of them than the server makes necessary, and hands the commits to read, while nothing else
// is fetched. A mirror that was opened with OpenHeads serves nothing else. A tag that leads to no commit is
// git.ErrNoCommit.
func (m *Mirror) Peek(ctx context.Context, heads []remote.Head, read func(ctx context.Context, commits []string) error) error {
	for _, h := range heads {
		if !git.ValidName(h.Name) || !git.IsHash(h.Commit) {
			return fmt.Errorf("fetch heads of %s: %w: %q", m.URL(), git.ErrNoBranch, git.Plain(h.Name, 80))
		}
	}
	if len(heads) == 0 {
		return nil
	}
	err := m.exclusively(ctx, formatOf(heads[0].Commit), func(ctx context.Context, lock *os.File) error {
		if err := m.peek(ctx, lock, heads); err != nil {
			return err
		}
		commits := make([]string, len(heads))
		for i, h := range heads {
			out, err := m.Git(ctx, "rev-parse", "--quiet", "--verify", peekRef(h.Name)+"^{commit}")
			if err != nil {
				return fmt.Errorf("%w: %s leads to none", git.ErrNoCommit, h.Name)
			}
			commits[i] = strings.TrimSpace(string(out))
		}
		return read(ctx, commits)
	})
	if err != nil {
		return fmt.Errorf("fetch heads of %s: %w", m.URL(), err)
	}
	return nil
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
