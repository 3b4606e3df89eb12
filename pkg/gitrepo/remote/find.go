package remote

import (
	"context"
	"fmt"
	"strings"

	"foundry/pkg/gitrepo/git"
)

// Find asks the repository at url where the named heads ("stable", "tags/v1") are now, in one request or
// two. It returns those that are there, in the order of names. Errors are as those of Heads; what cannot
// be a name is git.ErrNoBranch.
func Find(ctx context.Context, url string, names ...string) ([]Head, error) {
	if err := git.CheckURL(url); err != nil {
		return nil, err
	}
	wanted := make([]string, len(names))
	for i, name := range names {
		if !git.ValidName(name) {
			return nil, fmt.Errorf("find heads of %s: %w: bad name %q", git.Redact(url), git.ErrNoBranch, git.Plain(name, 80))
		}
		wanted[i] = git.Ref(name)
	}
	if len(names) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, DefaultTimeout)
	defer cancel()
	refs, err := listRefs(ctx, url, wanted...)
	if err != nil {
		return nil, fmt.Errorf("find heads of %s: %w", git.Redact(url), err)
	}
	var found []Head
	for i, ref := range wanted {
		if commit := refs.commits[ref]; git.IsHash(commit) {
			found = append(found, Head{Name: names[i], Commit: commit})
		}
	}
	return found, nil
}

// Default asks the repository at url for its default branch: where HEAD points now, in one request or
// two. A repository without branches is git.ErrEmpty, a HEAD that names no branch git.ErrDetached, one that names
// a branch which is not there git.ErrNoBranch; other errors are as those of Heads.
func Default(ctx context.Context, url string) (Head, error) {
	if err := git.CheckURL(url); err != nil {
		return Head{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, DefaultTimeout)
	defer cancel()
	head, err := defaultHead(ctx, url)
	if err != nil {
		return Head{}, fmt.Errorf("find default branch of %s: %w", git.Redact(url), err)
	}
	return head, nil
}

func defaultHead(ctx context.Context, url string) (Head, error) {
	refs, err := listRefs(ctx, url, "HEAD")
	if err != nil {
		return Head{}, err
	}
	name, ok := strings.CutPrefix(refs.target, "refs/heads/")
	commit := refs.head
	if commit == "" {
		commit = refs.commits[refs.target] // a listing of files has no line for HEAD
	}
	if commit != "" {
		if !ok || !git.ValidName(name) || !git.IsHash(commit) {
			return Head{}, git.ErrDetached
		}
		return Head{Name: name, Commit: commit, Default: true}, nil
	}
	// Servers do not tell where HEAD points to when there is nothing.
	if refs, err = listRefs(ctx, url, everything...); err != nil {
		return Head{}, err
	}
	if len(refs.heads()) == 0 {
		return Head{}, git.ErrEmpty
	}
	return Head{}, fmt.Errorf("%w: what HEAD names does not exist", git.ErrNoBranch)
}
