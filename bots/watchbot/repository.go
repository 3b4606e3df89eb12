package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"foundry/pkg/bot"
	"foundry/pkg/gitrepo"
	"foundry/pkg/gitrepo/git"
	"foundry/pkg/gitrepo/remote"
)

// repository is one repository that is watched. One goroutine at a time uses it.
type repository struct {
	bot     *bot.Bot
	url     string
	name    string // the URL without credentials, as it is announced
	specs   []remote.Spec
	newOnly bool
	known   memory
}

func newRepository(b *bot.Bot, url string, newOnly bool) *repository {
	name := git.Redact(url)
	return &repository{bot: b, url: url, name: name, newOnly: newOnly, known: newMemory(b.Values, name)}
}

// poll announces what is new. Reading from the repository ends with the context reading, all else
// with ctx.
func (r *repository) poll(ctx, reading context.Context) error {
	heads, err := remote.Heads(reading, r.url, remote.Options{})
	if err != nil {
		return err
	}
	var problems []error
	var wanted []remote.Head
	for _, spec := range r.specs {
		selected, err := spec.Select(heads)
		if err != nil {
			problems = append(problems, &missingError{err})
		}
		if spec.IsCommit() {
			err = r.followCommit(ctx, reading, selected)
		} else {
			wanted = append(wanted, selected...)
			err = r.firstSight(ctx, spec, selected)
		}
		if err != nil {
			problems = append(problems, err)
		}
	}
	if err := r.forget(ctx, heads); err != nil {
		problems = append(problems, err)
	}
	slices.SortFunc(wanted, func(a, b remote.Head) int { return cmp.Compare(a.Name, b.Name) })
	if err := r.followHeads(ctx, reading, slices.Compact(wanted)); err != nil {
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// followHeads announces those heads that differ from what was announced last.
func (r *repository) followHeads(ctx, reading context.Context, heads []remote.Head) error {
	var due []remote.Head
	for _, h := range heads {
		announced, err := r.known.is(ctx, h.Name, h.Commit)
		if err != nil {
			return err
		}
		if !announced {
			due = append(due, h)
		}
	}
	commits, problem := r.read(reading, due)
	for _, c := range commits {
		if err := r.announce(ctx, c.branch, c.Commit); err != nil {
			return err
		}
		if err := r.known.put(ctx, c.branch, c.Hash); err != nil {
			return err
		}
	}
	return problem
}

// A headCommit is the commit of a head.
type headCommit struct {
	gitrepo.Commit
	branch string
}

// read fetches the commits of heads, oldest first. What can be read is returned also when something
// else cannot.
func (r *repository) read(ctx context.Context, heads []remote.Head) ([]headCommit, error) {
	commits, err := gitrepo.Peek(ctx, r.bot.Path("heads"), r.url, heads)
	var problems []error
	read := make([]headCommit, 0, len(heads))
	switch {
	case err == nil:
		for i, c := range commits {
			read = append(read, headCommit{c, heads[i].Name})
		}
	case len(heads) > 1 && (errors.Is(err, git.ErrNoCommit) || errors.Is(err, git.ErrNoBranch)):
		// One of them leads nowhere: find out which.
		for _, h := range heads {
			one, err := r.read(ctx, []remote.Head{h})
			read = append(read, one...)
			problems = append(problems, err)
		}
	case errors.Is(err, git.ErrNoCommit), errors.Is(err, git.ErrNoBranch):
		problems = append(problems, &missingError{err})
	default:
		problems = append(problems, err)
	}
	slices.SortStableFunc(read, func(a, b headCommit) int { return a.Time.Compare(b.Time) })
	return read, errors.Join(problems...)
}

// followCommit announces a commit that was named by its hash.
func (r *repository) followCommit(ctx, reading context.Context, heads []remote.Head) error {
	for _, h := range heads {
		announced, err := r.known.is(ctx, h.Commit, h.Commit)
		if announced || err != nil {
			return err
		}
		mirror, err := gitrepo.OpenMirror(r.bot.Path("heads"), r.url)
		if err != nil {
			return err
		}
		if err := mirror.Fetch(reading, h.Commit, h.Name); err != nil {
			return err
		}
		commit, err := mirror.Commit(reading, h.Commit)
		if err != nil {
			return err
		}
		if err := r.announce(ctx, h.Name, commit); err != nil {
			return err
		}
		if err := r.known.put(ctx, h.Commit, h.Commit); err != nil {
			return err
		}
	}
	return nil
}

// firstSight notes, with --new-only, what is there when a spec is seen for the first time, so that
// it is not announced.
func (r *repository) firstSight(ctx context.Context, spec remote.Spec, heads []remote.Head) error {
	if !r.newOnly {
		return nil
	}
	seen, err := r.known.isSeen(ctx, spec)
	if seen || err != nil {
		return err
	}
	for _, h := range heads {
		if err := r.known.note(ctx, h.Name, h.Commit); err != nil {
			return err
		}
	}
	return r.known.see(ctx, spec)
}

// forget drops what is known of branches that are gone, so that they count as new when they come
// back.
func (r *repository) forget(ctx context.Context, heads []remote.Head) error {
	there := make(map[string]bool, len(heads))
	for _, h := range heads {
		there[h.Name] = true
	}
	gone := r.known.names()
	for _, spec := range r.specs {
		if spec.Pattern != "" && !spec.IsGlob() && !spec.IsCommit() {
			gone = append(gone, spec.Pattern)
		}
	}
	for _, name := range gone {
		if there[name] || (remote.Spec{Pattern: name}).IsCommit() {
			continue
		}
		if err := r.known.forget(ctx, name); err != nil {
			return fmt.Errorf("forget branch %s of %s: %w", name, r.name, err)
		}
	}
	return nil
}
