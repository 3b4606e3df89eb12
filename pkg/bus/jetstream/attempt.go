package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// patience is how long a question to the server is repeated while it is away.
	patience     = 30 * time.Second
	retryPause   = 50 * time.Millisecond
	maxRetryWait = time.Second
)

// errLost ends an attempt whose answer was lost with the connection.
var errLost = errors.New("connection was lost and found again")

// attempt is one question to the server whose answer is waited for.
type attempt struct {
	subject string
	cancel  context.CancelCauseFunc
}

// try asks the server with f until it answers, for patience at most. Whatever f asks may reach the
// server several times. subject is what f publishes on, by which a refusal is told.
func (c *Conn) try(ctx context.Context, subject string, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for wait := retryPause; ; wait = min(2*wait, maxRetryWait) {
		err := c.once(ctx, subject, f)
		if err == nil || !worthRetrying(err) {
			return err
		}
		if errors.Is(err, errLost) {
			wait = 0
		}
		select {
		case <-ctx.Done():
			return err
		case <-c.failed:
			return fmt.Errorf("%w: %w", c.failure, err)
		case <-time.After(wait):
		}
	}
}

// once asks the server with f, for requestTimeout at most. It ends early when the server refuses
// the subject, which it says beside the answer and not instead of it, and when the connection has
// been lost meanwhile, since then no answer comes.
func (c *Conn) once(ctx context.Context, subject string, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	a := &attempt{subject, end}
	c.mu.Lock()
	c.attempts[a] = struct{}{}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.attempts, a)
		c.mu.Unlock()
	}()
	err := f(ctx)
	if err == nil {
		return nil
	}
	var refusal *Error
	switch cause := context.Cause(ctx); {
	case errors.As(cause, &refusal):
		return refusal
	case errors.Is(cause, errLost):
		return errLost
	}
	return err
}

// worthRetrying tells trouble of the connection from answers.
func worthRetrying(err error) bool {
	return errors.Is(err, errLost) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) ||
		errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) ||
		errors.Is(err, nats.ErrDisconnected) || errors.Is(err, nats.ErrReconnectBufExceeded)
}

// request sends data and waits for the answer.
func (c *Conn) request(ctx context.Context, subject string, data []byte) error {
	return c.try(ctx, subject, func(ctx context.Context) error {
		_, err := c.nc.RequestWithContext(ctx, subject, data)
		return err
	})
}
