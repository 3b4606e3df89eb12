package bot

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// Step is what a bot does with each message of the topic it watches.
type Step struct {
	Key string // only messages with this subject key; empty for all
	// Results tells what Do would answer: bodies of the right type and the siblings that tell
	// several answers apart. When all of them are there already, Do is not called. It may return
	// nil where that cannot be told before the work.
	Results func(m *message.Message, body message.Body) []Result
	// Do works on one message. It must be repeatable: killed anywhere and called again, it does
	// the same.
	Do func(ctx context.Context, j *Job) ([]Result, error)
	// Stage returns what tells this bot's failures apart from those of its like about the same
	// message, such as the architecture; nil for nothing.
	Stage func(body message.Body) []string
	// Beside, if set, runs beside the loop until ctx ends, as it does when the bot is to stop. again
	// works once more, as the loop does, on a message that has been acknowledged without its last
	// answer; trouble is returned and left to the caller. An error of Beside ends the loop.
	Beside func(ctx context.Context, again func(raw bus.Raw) error) error
}

// Result is one answer to a message.
type Result struct {
	Body     message.Body
	Siblings []string
}

// Work takes messages from the topic that the bot watches until the bot is stopped or ctx ends.
func (b *Bot) Work(ctx context.Context, s Step) error {
	from, err := b.Settings.from()
	if err != nil {
		return err
	}
	scratch, err := openScratch(b.Path("work", b.Self.Name))
	if err != nil {
		return err
	}
	defer scratch.close()
	w := &worker{Bot: b, Step: s, scratch: scratch}
	group, ctx := errgroup.WithContext(ctx)
	taking, stop := context.WithCancel(ctx)
	if s.Beside != nil {
		group.Go(func() error { return s.Beside(taking, func(raw bus.Raw) error { return w.handle(ctx, raw) }) })
		group.Go(func() error {
			select {
			case <-b.stopping:
			case <-taking.Done():
			}
			stop()
			return nil
		})
	}
	group.Go(func() error {
		defer stop()
		return b.Bus.Consume(ctx, bus.Endpoint{
			Name: b.Settings.Endpoint, Topic: message.Topic(b.Settings.Watch), Key: message.SafeKeyOrAll(s.Key),
			From: from, Jobs: b.Settings.Jobs, AckWait: b.Settings.AckWait, Drain: b.stopping,
		}, w.handle)
	})
	return group.Wait()
}

type worker struct {
	*Bot
	Step
	scratch *scratch
}

// handle is the bus.Handler of a bot.
func (w *worker) handle(ctx context.Context, raw bus.Raw) error {
	m, body, err := w.Sealer.Open(raw)
	var rejected *bus.RejectError
	switch {
	case errors.As(err, &rejected):
		return w.reject(ctx, raw, rejected)
	case err != nil: // such as a keyring that cannot be read at this moment
		w.NoteError(err)
		w.Log.Warn().Err(err).Msg("message could not be checked, will be tried again")
		return err
	}
	log := w.Log.With().Str("topic", string(m.Topic)).Str("message", string(m.ID)).Str("context", m.Context).Logger()
	done, err := w.done(ctx, m, body)
	if err != nil {
		log.Warn().Err(err).Msg("look-up of results went wrong")
		return err
	}
	if done {
		log.Debug().Msg("done already")
		return nil
	}
	defer w.Busy(bus.Job{Context: m.Context, ID: string(m.ID), Since: time.Now().UTC()})()
	dir, err := w.scratch.make()
	if err != nil {
		return err
	}
	defer w.scratch.remove(dir, log)
	begun := time.Now()
	log.Debug().Int("delivery", raw.Delivery).Msg("begun")
	j := &Job{Bot: w.Bot, Message: m, Body: body, Log: log, Dir: dir}
	results, err := w.do(ctx, j)
	if err := w.settle(ctx, j, raw, results, err); err != nil {
		return err
	}
	w.setState(func(s *bus.State) { s.Done++ })
	log.Info().Dur("took_ms", time.Since(begun)).Msg("done")
	return nil
}

// do calls the step; a panic in it, as hostile input may provoke in a library, is trouble like any
// other.
func (w *worker) do(ctx context.Context, j *Job) (results []Result, err error) {
	defer func() {
		if r := recover(); r != nil {
			j.Log.Debug().Bytes("stack", debug.Stack()).Msg("step panicked")
			err = fmt.Errorf("work on message %s: panic: %v", j.Message.ID, r)
		}
	}()
	return w.Step.Do(ctx, j)
}

// settle publishes what the step has answered, or decides what its error means.
func (w *worker) settle(ctx context.Context, j *Job, raw bus.Raw, results []Result, err error) error {
	var failure *Failure
	switch {
	case ctx.Err() != nil && err != nil:
		return bus.ErrGiveBack
	case errors.As(err, &failure):
		j.Log.Warn().Str("class", failure.Class).Str("reason", failure.Reason).Msg("failed")
		results = append(results, w.failure(j.Body, failure))
	case err != nil && raw.Delivery >= bus.MaxDeliver:
		w.NoteError(fmt.Errorf("%s: %w", j.Message.Context, err))
		j.Log.Error().Err(err).Msg("given up")
		results = append(results, w.failure(j.Body, &Failure{
			Class: message.ClassInfrastructure, Reason: err.Error(), Hint: HintOf(err),
		}))
	case err != nil:
		w.NoteError(fmt.Errorf("%s: %w", j.Message.Context, err))
		j.Log.Warn().Err(err).Str("hint", HintOf(err)).Int("delivery", raw.Delivery).Msg("trouble, will be tried again")
		return err
	}
	for _, r := range results {
		if err := w.answer(ctx, j.Message, j.Body, r); err != nil {
			j.Log.Warn().Err(err).Msg("publishing went wrong, will be tried again")
			return err
		}
	}
	return nil
}

// answer publishes one result.
func (w *worker) answer(ctx context.Context, m *message.Message, body message.Body, r Result) error {
	topic := message.Topic(w.Settings.Publish)
	if f, ok := r.Body.(*message.Failure); ok {
		topic = message.Failures
		f.Complete(body)
		w.setState(func(s *bus.State) { s.Failed++ })
	}
	answer, err := message.New(w.Self, topic, m.Context, m.ID, r.Body, r.Siblings...)
	if err != nil {
		return err
	}
	_, err = w.Publish(ctx, answer)
	return err
}

// done tells whether the bot has answered m already, with its results or a failure.
func (w *worker) done(ctx context.Context, m *message.Message, body message.Body) (bool, error) {
	failure := w.failure(body, &Failure{})
	there, err := w.there(ctx, message.Failures, m.ID, failure)
	if there || err != nil || w.Step.Results == nil {
		return there, err
	}
	expected := w.Step.Results(m, body)
	for _, r := range expected {
		if there, err := w.there(ctx, message.Topic(w.Settings.Publish), m.ID, r); !there || err != nil {
			return false, err
		}
	}
	return len(expected) > 0, nil
}

func (w *worker) there(ctx context.Context, topic message.Topic, parent message.ID, r Result) (bool, error) {
	_, err := w.Bus.Lookup(ctx, topic, message.MakeID(topic, r.Body.Type(), parent, r.Siblings...))
	if errors.Is(err, bus.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// failure makes the message body of f; its siblings are the bot's name and what Stage adds.
func (w *worker) failure(body message.Body, f *Failure) Result {
	siblings := []string{w.Self.Name}
	if w.Stage != nil {
		siblings = append(siblings, w.Stage(body)...)
	}
	return Result{Siblings: siblings, Body: &message.Failure{
		Stage: w.Self.Name, Architecture: w.arch, Class: f.Class, Reason: cmp.Or(f.Reason, "no reason given"),
		Hint: f.Hint, Log: f.Log, Tail: f.Tail, Outputs: f.Outputs,
	}}
}

// reject terminates a message that was not believed and reports it once.
func (w *worker) reject(ctx context.Context, raw bus.Raw, why error) error {
	w.setState(func(s *bus.State) { s.Rejected++ })
	w.Log.Warn().Err(why).Uint64("sequence", raw.Sequence).Msg("message rejected")
	sum := sha256.Sum256(raw.Payload)
	digest := message.Digest(hex.EncodeToString(sum[:]))
	report, err := message.New(w.Self, message.Rejects, "", "", &message.Reject{
		Subject: raw.Subject, Reason: why.Error(), SHA256: digest,
		Size: int64(len(raw.Payload)), Sequence: raw.Sequence,
	}, raw.Subject, string(digest), fmt.Sprint(raw.Sequence))
	if err != nil {
		return err
	}
	if _, err := w.Publish(ctx, report); err != nil {
		return err
	}
	return bus.ErrTerminate
}

// Publish seals m and publishes it durably. A message with this id that is there already is
// success, with fresh false.
func (b *Bot) Publish(ctx context.Context, m *message.Message) (fresh bool, err error) {
	raw, err := b.Sealer.Seal(m)
	if err != nil {
		return false, err
	}
	err = b.Bus.Publish(ctx, raw)
	if errors.Is(err, bus.ErrDuplicate) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("publish %s message: %w", m.Type, err)
	}
	return true, nil
}
