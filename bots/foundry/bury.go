package main

import (
	"context"
	"errors"
	"fmt"

	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// bury publishes a failure for each message that was given up without a word, because the bot that
// worked on it died every time.
func (f *foundry) bury(ctx context.Context, s *session) {
	g, ok := s.Bus.(giver)
	if !ok {
		return
	}
	err := g.GivenUp(ctx, func(consumer string, raw bus.Raw) error {
		m, body, err := s.sealer.Open(raw)
		var reject *bus.RejectError
		if errors.As(err, &reject) {
			return nil // reported by who received it
		}
		if err != nil {
			return err
		}
		failure := &message.Failure{
			Stage: "foundry", Class: message.ClassInfrastructure,
			Reason: fmt.Sprintf("given up after %d tries by %s", bus.MaxDeliver, consumer),
			Hint:   "see the bots' log, then foundry retry " + m.Context,
		}
		failure.Complete(body)
		answer, err := message.New(s.self, message.Failures, m.Context, m.ID, failure, "foundry", consumer)
		if err != nil {
			return err
		}
		fresh, err := s.publish(ctx, answer)
		if fresh {
			f.log.Error().Str("context", m.Context).Str("consumer", consumer).Msg("message given up")
		}
		return err
	})
	if err != nil && ctx.Err() == nil {
		f.log.Warn().Err(err).Msg("messages that are given up are no longer watched")
	}
}
