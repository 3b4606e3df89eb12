package main

import (
	"context"
	"fmt"

	"foundry/pkg/bot"
	"foundry/pkg/gitrepo"
	"foundry/pkg/gitrepo/git"
	"foundry/pkg/gitrepo/remote"
	"foundry/pkg/message"
)

// describe finds the commit that text (URL, URL#branch or URL#commit) means. What it has to fetch
// for that is kept below dir.
func describe(ctx context.Context, text, dir string) (message.Commit, error) {
	spec, err := remote.ParseSpec(text)
	if err != nil {
		return message.Commit{}, err
	}
	if spec.IsGlob() {
		return message.Commit{}, bot.Usage(fmt.Sprintf("%s may mean several branches", spec), "name one branch or commit")
	}
	heads, err := remote.Heads(ctx, spec.URL, remote.Options{})
	if err != nil {
		return message.Commit{}, err
	}
	selected, err := spec.Select(heads)
	if err != nil {
		return message.Commit{}, err
	}
	commit, err := fetchCommit(ctx, spec, selected[0], dir)
	if err != nil {
		return message.Commit{}, err
	}
	return message.Commit{
		Origin: message.Origin{Repository: git.Redact(spec.URL), Branch: selected[0].Name, Ref: commit.Hash},
		Author: commit.Author, Subject: commit.Subject, Time: commit.Time,
	}, nil
}

// fetchCommit reads the commit that head points at.
func fetchCommit(ctx context.Context, spec remote.Spec, head remote.Head, dir string) (gitrepo.Commit, error) {
	if !spec.IsCommit() {
		commits, err := gitrepo.Peek(ctx, dir, spec.URL, []remote.Head{head})
		if err != nil {
			return gitrepo.Commit{}, err
		}
		return commits[0], nil
	}
	mirror, err := gitrepo.OpenMirror(dir, spec.URL)
	if err != nil {
		return gitrepo.Commit{}, err
	}
	if err := mirror.Fetch(ctx, head.Commit, head.Name); err != nil {
		return gitrepo.Commit{}, err
	}
	return mirror.Commit(ctx, head.Commit)
}
