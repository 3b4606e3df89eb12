package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"foundry/pkg/bus"
)

// Consume works on the messages of endpoint until ctx ends or Drain is closed, and returns nil once
// every handler has returned. It returns an error when the endpoint cannot be opened, and when the
// server refuses what is needed to go on.
func (c *Conn) Consume(ctx context.Context, endpoint bus.Endpoint, handle bus.Handler) error {
	if endpoint.AckWait == 0 {
		endpoint.AckWait = bus.DefaultAckWait
	}
	endpoint.Jobs = max(endpoint.Jobs, 1)
	began := time.Now()
	config, err := consumerConfig(endpoint, began, began)
	if err != nil {
		return err
	}
	_, lease, err := c.openEndpoint(ctx, config)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	if lease != endpoint.AckWait {
		c.log.Info().Str("endpoint", endpoint.Name).Stringer("lease", lease).Stringer("asked", endpoint.AckWait).
			Msg("endpoint keeps the lease that it was made with")
		endpoint.AckWait = lease
	}
	reopen := func(ctx context.Context) (bool, error) {
		config, err := consumerConfig(endpoint, began, time.Now())
		if err != nil {
			return false, err
		}
		existed, _, err := c.openEndpoint(ctx, config)
		return existed, err
	}
	// taking ends when no more messages are to be taken, ctx when handlers are to stop too
	taking, stop := context.WithCancel(ctx)
	defer stop()
	group, taking := errgroup.WithContext(taking)
	group.Go(func() error {
		select {
		case <-endpoint.Drain:
			stop()
		case <-taking.Done():
		}
		return nil
	})
	for range endpoint.Jobs {
		s := &slot{
			c: c, consumer: config.Durable, lease: endpoint.AckWait, handle: handle, reopen: reopen,
			log: c.log.With().Str("endpoint", endpoint.Name).Logger(),
		}
		group.Go(func() error { return s.run(ctx, taking) })
	}
	return group.Wait()
}

// run takes and handles one message after another.
func (s *slot) run(ctx, taking context.Context) error {
	defer s.retire()
	for {
		msg, err := s.take(taking)
		if err != nil {
			return fmt.Errorf("consume: %w", err)
		}
		if msg == nil {
			return nil
		}
		s.work(ctx, msg)
	}
}

// work runs the handler on a message, renewing its lease, and then tells the server what came of it.
func (s *slot) work(ctx context.Context, msg *delivery) {
	renewing, done := context.WithCancel(context.WithoutCancel(ctx))
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.renew(renewing, msg)
	}()
	err := s.handle(ctx, msg.raw)
	if err := s.settle(ctx, msg, err); err != nil {
		s.log.Warn().Err(err).Str("id", string(msg.raw.ID)).Msg("could not settle message, it will be delivered again")
	}
	done()
	<-stopped
}

// renew says every third of the lease that the message is being worked on.
func (s *slot) renew(ctx context.Context, msg *delivery) {
	ticker := time.NewTicker(max(s.lease/3, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := msg.msg.InProgress(); err != nil {
				s.log.Warn().Err(err).Str("id", string(msg.raw.ID)).Msg("could not renew lease")
			}
		}
	}
}

// The server's words for what became of a message.
const (
	ackDone      = "+ACK"
	ackTerminate = "+TERM"
	ackAgain     = "-NAK"
)

// settle sends the outcome and waits until the server has it; for as long as a lease it tries
// again where the server is away.
func (s *slot) settle(ctx context.Context, msg *delivery, outcome error) error {
	word := s.word(ctx, msg, outcome)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(s.lease, requestTimeout))
	defer cancel()
	for {
		err := s.c.request(ctx, msg.msg.Reply, []byte(word))
		if err == nil || !worthRetrying(err) || ctx.Err() != nil {
			return err
		}
	}
}

func (s *slot) word(ctx context.Context, msg *delivery, outcome error) string {
	var retry *bus.RetryError
	switch {
	case outcome == nil:
		return ackDone
	case errors.Is(outcome, bus.ErrTerminate):
		return ackTerminate
	case errors.Is(outcome, bus.ErrGiveBack), ctx.Err() != nil && errors.Is(outcome, context.Canceled):
		return ackAgain
	case msg.raw.Delivery >= bus.MaxDeliver:
		return ackAgain // it was the last try: have the server say so now and not after a delay
	case errors.As(outcome, &retry) && retry.After > 0:
		return again(retry.After)
	case errors.As(outcome, &retry):
		return ackAgain
	}
	return again(bus.RetryDelay(msg.raw.Delivery))
}

func again(after time.Duration) string {
	return fmt.Sprintf(`%s {"delay": %d}`, ackAgain, after.Nanoseconds())
}
