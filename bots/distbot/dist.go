package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"foundry/bots/internal/repository"
	"foundry/pkg/bot"
	"foundry/pkg/message"
	"foundry/pkg/publish"
	"foundry/pkg/trust"
)

// dist is the work of distbot.
type dist struct {
	*bot.Bot
	name      string
	output    string
	address   string // to serve at; empty for none
	trust     string // keyring file of package keys, which may change
	keys      *trust.KeyringFile
	room      *room
	codenames []string
	options   publish.Options
	every     time.Duration // how often to look whether metadata must be signed anew
	within    time.Duration // how long before the end of its validity that is done
	repo      *repository.Repository
	settings  *repository.Settings

	architectures []string      // of every codename
	hold          time.Duration // how long builds wait for other architectures of their source; zero to publish each when it comes
	lockstep      *lockstep     // nil to publish each build when it comes
	failed        *failed       // where refused builds are kept; nil for nowhere
}

// run serves and publishes until the bot is stopped. ready is called when it begins to.
func (d *dist) run(ctx context.Context, ready func()) (err error) {
	repo, err := d.wait(ctx)
	if repo == nil || err != nil {
		return err
	}
	defer func() { err = errors.Join(err, repo.Close()) }()
	d.repo = repo
	if err := d.settings.Save(d.Settings.State); err != nil {
		return err
	}
	d.Log.Info().Str("archive", d.name).Strs("codenames", d.codenames).Str("output", d.output).
		Str("key", d.options.Signer.Fingerprint()).Msg("repository is open")
	d.record(ctx)
	d.sweepFailed((*failed).clean)
	d.Serves(d.codenames...)
	ready()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	if d.address != "" {
		listener, err := listenSoon(ctx, d.address)
		if err != nil {
			return bot.Hint(err, "give another address with --serve")
		}
		d.Log.Info().Str("url", "http://"+listener.Addr().String()).Msg("repository is served")
		group.Go(func() error { return serve(ctx, listener, d.output) })
	}
	group.Go(func() error { return d.control(ctx) })
	group.Go(func() error { repo.Explain(ctx); return nil })
	group.Go(func() error { repository.Key.Watch(ctx, d.Bot, d.options.Signer); return nil })
	group.Go(func() error { d.refresh(ctx); return nil })
	if d.hold > 0 {
		if d.lockstep, err = newLockstep(d, d.Path("held", d.name), d.hold); err != nil {
			return err
		}
		group.Go(func() error { d.lockstep.follow(ctx); return nil })
		group.Go(func() error { d.lockstep.run(ctx); return nil })
	}
	group.Go(func() error {
		defer cancel()
		return d.Work(ctx, bot.Step{Results: d.results, Do: d.do, Stage: d.stage})
	})
	return group.Wait()
}

// refresh keeps Valid-Until ahead until ctx ends, also when nothing is published, and removes what has been kept
// long enough.
func (d *dist) refresh(ctx context.Context) {
	tick := time.NewTicker(d.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := d.repo.Refresh(ctx, d.within); err != nil && ctx.Err() == nil {
				d.Log.Error().Err(err).Msg("metadata was not signed anew")
			}
			d.sweepFailed((*failed).sweep)
		}
	}
}

func (d *dist) sweepFailed(sweep func(*failed) error) {
	if d.failed == nil {
		return
	}
	if err := sweep(d.failed); err != nil {
		d.Log.Warn().Err(err).Msg("refused builds were not swept")
	}
}

// stage tells the answers to one message apart: several repositories may include one build.
func (d *dist) stage(body message.Body) []string {
	if sign, ok := body.(*message.Sign); ok {
		return []string{sign.Architecture, d.name}
	}
	return []string{d.name}
}

// results is empty for codenames that this repository does not have.
func (d *dist) results(_ *message.Message, body message.Body) []bot.Result {
	sign, ok := body.(*message.Sign)
	if !ok || !slices.Contains(d.codenames, sign.Codename) {
		return nil
	}
	return []bot.Result{{Body: new(message.Dist), Siblings: d.stage(body)}}
}

func (d *dist) do(ctx context.Context, j *bot.Job) ([]bot.Result, error) {
	sign, ok := j.Body.(*message.Sign)
	if !ok {
		return nil, &bot.Failure{Class: message.ClassPolicy, Reason: fmt.Sprintf("a %s message is not for publishing", j.Body.Type())}
	}
	if !slices.Contains(d.codenames, sign.Codename) {
		j.Log.Debug().Str("codename", sign.Codename).Msg("codename is not served here")
		return nil, nil
	}
	if d.lockstep != nil {
		return nil, d.lockstep.hold(j.Message, sign)
	}
	publication, err := d.publish(ctx, j, sign)
	var failure *bot.Failure
	if errors.As(err, &failure) {
		return nil, d.refused(ctx, j.Message, sign, failure)
	}
	if err != nil {
		return nil, err
	}
	return []bot.Result{{Siblings: d.stage(sign), Body: d.answer(sign, publication)}}, nil
}

// publish receives a build and publishes it.
func (d *dist) publish(ctx context.Context, j *bot.Job, sign *message.Sign) (publish.Publication, error) {
	leave, err := d.room.enter(ctx, sign)
	if err != nil {
		return publish.Publication{}, err
	}
	defer leave()
	upload, err := d.room.receive(ctx, func() (publish.Upload, error) { return d.receive(ctx, j.Dir, sign) })
	if err != nil {
		return publish.Publication{}, err
	}
	return d.include(ctx, j.Log, upload)
}

// include publishes an upload and records that it is there. A refusal is a *bot.Failure.
func (d *dist) include(ctx context.Context, log zerolog.Logger, upload publish.Upload) (publish.Publication, error) {
	begun := time.Now()
	publication, err := d.repo.Include(ctx, upload)
	var refused *publish.RefusedError
	switch {
	case errors.As(err, &refused):
		return publication, &bot.Failure{Class: message.ClassPolicy, Reason: refused.Error(), Hint: refused.Hint}
	case err != nil:
		return publication, err
	}
	if err := d.note(ctx, upload); err != nil {
		return publication, err
	}
	log.Info().Str("source", upload.Source).Str("version", upload.Version).Str("arch", upload.Architecture).
		Str("suite", upload.Codename).Dur("publish_ms", time.Since(begun)).Msg("published")
	return publication, nil
}

// answer is the message that tells of a publication.
func (d *dist) answer(sign *message.Sign, publication publish.Publication) *message.Dist {
	return &message.Dist{
		Origin: sign.Origin, Package: sign.Package, Architecture: sign.Architecture, Archive: d.name,
		Packages: publication.Packages, Release: publication.Release, Key: publication.Key,
	}
}
