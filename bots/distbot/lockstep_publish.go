package main

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/message"
	"foundry/pkg/publish"
)

// lookEvery is how often held builds are looked at when nothing happens.
const lookEvery = 5 * time.Second

// run publishes groups that are complete until ctx ends.
func (l *lockstep) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for restored := false; ; {
		if !restored {
			err := l.restore(ctx)
			if restored = err == nil; !restored && ctx.Err() == nil {
				l.NoteError(err)
				l.Log.Warn().Err(err).Msg("held builds were not taken up, will be tried again")
			}
		}
		for _, g := range l.ready() {
			if err := l.publish(ctx, g); err != nil && ctx.Err() == nil {
				l.NoteError(err)
				l.Log.Warn().Err(err).Str("hint", bot.HintOf(err)).Str("context", g.context).Msg("held builds were not published, will be tried again")
			}
		}
		select {
		case <-ctx.Done():
			l.hide()
			return
		case <-l.kicked:
		case <-tick.C:
		}
	}
}

// follow listens until ctx ends, also after the bus was away.
func (l *lockstep) follow(ctx context.Context) {
	for ctx.Err() == nil {
		if err := l.listen(ctx); err != nil && ctx.Err() == nil {
			l.Log.Warn().Err(err).Msg("messages cannot be heard, will be tried again")
		}
		select {
		case <-ctx.Done():
		case <-time.After(lookEvery):
		}
	}
}

// listen hears which architectures will not come, until ctx ends.
func (l *lockstep) listen(ctx context.Context) error {
	filter := bus.Filter{Topics: []message.Topic{message.Provisions, message.Failures, message.Topic(l.Settings.Publish)}, Follow: true}
	return l.Bus.Tail(ctx, filter, func(raw bus.Raw) error {
		m, body, err := l.Sealer.Open(raw)
		if err != nil {
			l.Log.Debug().Err(err).Uint64("sequence", raw.Sequence).Msg("message was not believed")
			return nil
		}
		about := message.About(body)
		if !slices.Contains(l.codenames, about.Codename) || about.Architecture == "" {
			return nil
		}
		switch b := body.(type) {
		case *message.Provision:
			if b.Outcome != message.Skipped {
				return nil
			}
		case *message.Dist:
			if b.Archive != l.name {
				return nil
			}
		case *message.Failure:
			// Of another repository that has refused a build nothing follows for this one.
			if b.Stage == l.Self.Name && m.ID != message.MakeID(m.Topic, m.Type, m.Parent, l.failureSiblings(about.Architecture)...) {
				return nil
			}
		default:
			return nil
		}
		l.settle(group{m.Context, about.Package}, about.Architecture)
		return nil
	})
}

// publish publishes what is held of a group, all at once, and answers each of its messages. Trouble is
// returned, and after bus.MaxDeliver times told as a failure.
func (l *lockstep) publish(ctx context.Context, g group) error {
	list := l.of(g)
	err := l.publishAll(ctx, g, list)
	if err == nil || ctx.Err() != nil {
		return err
	}
	l.mu.Lock()
	b := l.builds(g)
	b.tries++
	b.next = time.Now().Add(bus.RetryDelay(b.tries))
	last := b.tries >= bus.MaxDeliver
	l.mu.Unlock()
	if !last {
		return err
	}
	failure := &bot.Failure{Class: message.ClassInfrastructure, Reason: err.Error(), Hint: bot.HintOf(err)}
	return errors.Join(err, l.fail(ctx, g, list, failure))
}

func (l *lockstep) publishAll(ctx context.Context, g group, list []*held) error {
	dir, err := os.MkdirTemp(l.dir, "work-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var uploads []publish.Upload
	var good []*held
	for _, h := range list {
		into := filepath.Join(dir, string(h.message.ID))
		if err := os.Mkdir(into, 0o755); err != nil {
			return err
		}
		upload, err := l.receive(ctx, into, h.sign)
		var failure *bot.Failure
		if errors.As(err, &failure) {
			err = l.fail(ctx, g, []*held{h}, failure)
		} else if err == nil {
			uploads, good = append(uploads, upload), append(good, h)
		}
		if err != nil {
			return err
		}
	}
	if len(good) == 0 {
		return nil
	}
	publication, err := l.include(ctx, l.Log.With().Str("context", g.context).Logger(), together(uploads))
	var failure *bot.Failure
	if errors.As(err, &failure) {
		return l.fail(ctx, g, good, failure)
	}
	if err != nil {
		return err
	}
	for i, h := range good {
		of := publication
		of.Packages = part(publication.Packages, uploads[i])
		if err := l.answer(ctx, message.Topic(l.Settings.Publish), h, l.dist.answer(h.sign, of), l.stage(h.sign)); err != nil {
			return err
		}
	}
	return l.letAll(g, good)
}

// together makes one upload of several of the same source package.
func together(uploads []publish.Upload) publish.Upload {
	all := uploads[0]
	all.Files, all.Buildinfo = nil, nil
	for _, u := range uploads {
		all.Files, all.Buildinfo = append(all.Files, u.Files...), append(all.Buildinfo, u.Buildinfo...)
		if all.Dsc == "" {
			all.Dsc, all.SourceFiles = u.Dsc, u.SourceFiles
		}
	}
	return all
}

// part returns those of the packages that the upload has brought.
func part(packages []message.Published, upload publish.Upload) []message.Published {
	return slices.DeleteFunc(slices.Clone(packages), func(p message.Published) bool {
		named := func(file string) bool { return filepath.Base(file) == path.Base(p.Filename) }
		return !slices.ContainsFunc(upload.Files, named) && !(upload.Dsc != "" && named(upload.Dsc))
	})
}

// fail answers builds with a failure.
func (l *lockstep) fail(ctx context.Context, g group, list []*held, f *bot.Failure) error {
	for _, h := range list {
		f := l.refused(ctx, h.message, h.sign, f)
		body := &message.Failure{Stage: l.Self.Name, Class: f.Class, Reason: f.Reason, Hint: f.Hint, Log: f.Log, Tail: f.Tail}
		body.Complete(h.sign)
		if err := l.answer(ctx, message.Failures, h, body, l.failureSiblings(h.sign.Architecture)); err != nil {
			return err
		}
	}
	return l.letAll(g, list)
}

// failureSiblings are those of the failure that bot.Work would publish of a build.
func (l *lockstep) failureSiblings(architecture string) []string {
	return []string{l.Self.Name, architecture, l.name}
}

func (l *lockstep) answer(ctx context.Context, topic message.Topic, h *held, body message.Body, siblings []string) error {
	m, err := message.New(l.Self, topic, h.message.Context, h.message.ID, body, siblings...)
	if err != nil {
		return err
	}
	_, err = l.Publish(ctx, m)
	return err
}

func (l *lockstep) letAll(g group, list []*held) error {
	for _, h := range list {
		if err := l.let(g, h); err != nil {
			return err
		}
	}
	return nil
}
