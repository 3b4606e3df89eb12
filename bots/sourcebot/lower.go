package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"foundry/bots/internal/published"
	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/debian"
	"foundry/pkg/message"
)

// announced lists those of the codenames whose source package of this commit has been announced already. They
// need not be made again, and are not held to what has been published since.
func announced(ctx context.Context, j *bot.Job, codenames []debian.Codename) ([]debian.Codename, error) {
	var there []debian.Codename
	topic := message.Topic(j.Settings.Publish)
	for _, codename := range codenames {
		_, err := j.Bus.Lookup(ctx, topic, message.MakeID(topic, message.TypeSource, j.Message.ID, string(codename)))
		switch {
		case err == nil:
			there = append(there, codename)
		case !errors.Is(err, bus.ErrNotFound):
			return nil, err
		}
	}
	return there, nil
}

// releases decides what is to be made, and refuses versions that no repository would take.
func (m *maker) releases(ctx context.Context, top debian.Entry) ([]release, error) {
	all, err := m.releasesFor(m.codenames, top, m.commit, m.about)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(r release) bool { return slices.Contains(m.announced, r.codename) })
	for _, r := range all {
		if err := m.check(ctx, message.Package{Source: top.Source, Version: r.version.String(), Codename: string(r.codename)}, ""); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// check refuses a package that no repository would take, unless --allow-downgrade lets it.
func (m *maker) check(ctx context.Context, p message.Package, content message.Digest) error {
	if m.downgrade {
		return nil
	}
	err := published.Check(ctx, m.job.Values, p, content)
	var failure *bot.Failure
	if errors.As(err, &failure) {
		failure.Hint += "; where those repositories are no more, start sourcebot with --allow-downgrade"
	}
	return err
}

// checkContent is check for the .dsc that was made.
func (m *maker) checkContent(ctx context.Context, p message.Package, dsc string) error {
	text, err := os.ReadFile(dsc)
	if err != nil {
		return fmt.Errorf("read .dsc: %w", err)
	}
	content, err := published.Content(text)
	if err != nil {
		return err
	}
	return m.check(ctx, p, content)
}
