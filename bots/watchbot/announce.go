package main

import (
	"context"
	"fmt"
	"time"

	"foundry/pkg/bus"
	"foundry/pkg/gitrepo"
	"foundry/pkg/message"
)

// announce publishes a commit. One that was published before is no error.
func (r *repository) announce(ctx context.Context, branch string, c gitrepo.Commit) error {
	body := &message.Commit{
		Origin: message.Origin{Repository: r.name, Branch: branch, Ref: c.Hash},
		Author: c.Author, Subject: c.Subject, Time: c.Time,
	}
	m, err := message.NewCommit(r.bot.Self, body)
	if err != nil {
		return fmt.Errorf("announce %s: %w", r.name, err)
	}
	m.Topic = message.Topic(r.bot.Settings.Publish)
	defer r.bot.Busy(bus.Job{Context: m.Context, ID: string(m.ID), Since: time.Now().UTC()})()
	fresh, err := r.bot.Publish(ctx, m)
	if err != nil {
		return fmt.Errorf("announce %s: %w", r.name, err)
	}
	log := r.bot.Log.With().Str("repository", r.name).Str("branch", branch).Str("commit", c.Hash).Str("context", m.Context).Logger()
	if fresh {
		log.Info().Str("subject", c.Subject).Msg("announced")
	} else {
		log.Debug().Msg("announced before")
	}
	return nil
}
