package jetstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"foundry/pkg/bus"
	"foundry/pkg/message"
)

const (
	// publishPatience is how long a publish goes on trying while the server is away and ctx allows.
	publishPatience = 30 * time.Second
	publishPause    = 200 * time.Millisecond
)

// codeStoreFailed is the server's answer when the stream's limits refuse a message: one is there on
// that subject, or the stream is full. Only the text tells which.
const (
	codeStoreFailed = 10077
	textDuplicate   = "maximum messages per subject exceeded"
)

// Publish keeps raw, in one round trip. While the server is away it tries again for half a minute.
func (c *Conn) Publish(ctx context.Context, raw bus.Raw) error {
	subject, err := subjectOf(raw)
	if err != nil {
		return fmt.Errorf("publish on %s: %w", raw.Topic, err)
	}
	if len(raw.Payload) > message.MaxSize {
		return fmt.Errorf("publish %s: %d bytes, more than %d", subject, len(raw.Payload), message.MaxSize)
	}
	ctx, cancel := context.WithTimeout(ctx, publishPatience)
	defer cancel()
	msg := toMsg(subject, raw)
	for attempt := 1; ; attempt++ {
		err := c.publishOnce(ctx, msg)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errSameMsgID):
			// the header is anybody's claim, the subject is not: look, and do without the header
			if _, err := c.Lookup(ctx, raw.Topic, raw.ID); errors.Is(err, bus.ErrNotFound) {
				delete(msg.Header, nats.MsgIdHdr)
				continue
			}
			return c.duplicate(ctx, raw, attempt)
		case errors.Is(err, bus.ErrDuplicate):
			return c.duplicate(ctx, raw, attempt)
		case !c.worthRetrying(err):
			return fmt.Errorf("publish %s: %w", subject, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("publish %s: %w", subject, err)
		case <-time.After(publishPause):
		}
	}
}

var errSameMsgID = errors.New("a message with this message id header is there already")

func (c *Conn) publishOnce(ctx context.Context, msg *nats.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	ctx, done := c.watchDenial(ctx, msg.Subject)
	defer done()
	ack, err := c.js.PublishMsg(ctx, msg)
	var api *jetstream.APIError
	switch {
	case err == nil && ack.Duplicate:
		return errSameMsgID
	case err == nil:
		return nil
	case errors.As(err, &api) && api.ErrorCode == codeStoreFailed && strings.Contains(api.Description, textDuplicate):
		return bus.ErrDuplicate
	case errors.As(err, &api) && api.ErrorCode == codeStoreFailed:
		return &Error{
			fmt.Errorf("stream %s refuses it: %w", streamMain, err),
			"the stream is full: raise its max_bytes with `nats stream edit`, or let old messages go",
		}
	}
	var refusal *Error
	if errors.As(context.Cause(ctx), &refusal) {
		return refusal
	}
	return err
}

// watchDenial ends the context it returns when the server refuses the subject: it says so beside
// the answer and not instead of it, and a request would wait in vain.
func (c *Conn) watchDenial(ctx context.Context, subject string) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	c.mu.Lock()
	c.denials[subject] = cancel
	c.mu.Unlock()
	return ctx, func() {
		c.mu.Lock()
		delete(c.denials, subject)
		c.mu.Unlock()
		cancel(nil)
	}
}

func (c *Conn) worthRetrying(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) ||
		errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) ||
		errors.Is(err, nats.ErrDisconnected) || errors.Is(err, nats.ErrReconnectBufExceeded)
}

// duplicate is what to answer when the id is there already: after an attempt whose answer was lost
// the message there may be our own.
func (c *Conn) duplicate(ctx context.Context, raw bus.Raw, attempt int) error {
	if attempt > 1 {
		there, err := c.Lookup(ctx, raw.Topic, raw.ID)
		if err == nil && bytes.Equal(there.Payload, raw.Payload) && bytes.Equal(there.Signature, raw.Signature) {
			return nil
		}
	}
	return fmt.Errorf("publish %s message %s: %w", raw.Topic, raw.ID, bus.ErrDuplicate)
}

// Lookup finds a message by its id, whatever its key.
func (c *Conn) Lookup(ctx context.Context, topic message.Topic, id message.ID) (bus.Raw, error) {
	if !isToken(string(topic)) || !isToken(string(id)) {
		return bus.Raw{}, fmt.Errorf("look up %s message %q: %w", topic, id, bus.ErrNotFound)
	}
	ctx, cancel := context.WithTimeout(ctx, publishPatience)
	defer cancel()
	subject := subjectTopics + "." + string(topic) + ".*." + string(id)
	for {
		msg, err := c.lastOn(ctx, subject)
		switch {
		case err == nil:
			return stored(fromMsg(msg.Subject, msg.Header, msg.Data), msg.Sequence, msg.Time), nil
		case errors.Is(err, jetstream.ErrMsgNotFound):
			return bus.Raw{}, fmt.Errorf("look up %s message %s: %w", topic, id, bus.ErrNotFound)
		case !c.worthRetrying(err):
			return bus.Raw{}, fmt.Errorf("look up %s message %s: %w", topic, id, err)
		}
		select {
		case <-ctx.Done():
			return bus.Raw{}, fmt.Errorf("look up %s message %s: %w", topic, id, err)
		case <-time.After(publishPause):
		}
	}
}

func (c *Conn) lastOn(ctx context.Context, subject string) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return c.main.GetLastMsgForSubject(ctx, subject)
}
