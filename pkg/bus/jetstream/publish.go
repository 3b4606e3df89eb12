package jetstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"foundry/pkg/bus"
	"foundry/pkg/message"
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
	msg := toMsg(subject, raw)
	attempts := 0
	err = c.try(ctx, subject, func(ctx context.Context) error {
		attempts++
		return c.publishOnce(ctx, msg)
	})
	if errors.Is(err, errSameMsgID) {
		// the header is anybody's claim, the subject is not: look, and do without the header
		if _, err := c.Lookup(ctx, raw.Topic, raw.ID); !errors.Is(err, bus.ErrNotFound) {
			return c.duplicate(ctx, raw, attempts)
		}
		delete(msg.Header, nats.MsgIdHdr)
		err = c.try(ctx, subject, func(ctx context.Context) error { return c.publishOnce(ctx, msg) })
	}
	switch {
	case errors.Is(err, bus.ErrDuplicate):
		return c.duplicate(ctx, raw, attempts)
	case err != nil:
		return fmt.Errorf("publish %s: %w", subject, err)
	}
	return nil
}

var errSameMsgID = errors.New("a message with this message id header is there already")

// publishOnce publishes in one round trip.
func (c *Conn) publishOnce(ctx context.Context, msg *nats.Msg) error {
	ack, err := c.js.PublishMsg(ctx, msg)
	var api *jetstream.APIError
	switch {
	case err == nil && ack.Duplicate:
		return errSameMsgID
	case errors.As(err, &api) && api.ErrorCode == codeStoreFailed && strings.Contains(api.Description, textDuplicate):
		return bus.ErrDuplicate
	case errors.As(err, &api) && api.ErrorCode == codeStoreFailed:
		return &Error{
			fmt.Errorf("stream %s refuses it: %w", streamMain, err),
			"the stream is full: raise its max_bytes with `nats stream edit`, or let old messages go",
		}
	}
	return err
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
	subject := subjectTopics + "." + string(topic) + ".*." + string(id)
	var msg *jetstream.RawStreamMsg
	err := c.try(ctx, subjectGet, func(ctx context.Context) (err error) {
		msg, err = c.main.GetLastMsgForSubject(ctx, subject)
		return err
	})
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return bus.Raw{}, fmt.Errorf("look up %s message %s: %w", topic, id, bus.ErrNotFound)
	case err != nil:
		return bus.Raw{}, fmt.Errorf("look up %s message %s: %w", topic, id, err)
	}
	return stored(fromMsg(msg.Subject, msg.Header, msg.Data), msg.Sequence, msg.Time), nil
}

// subjectGet is where the server is asked for a message of the stream.
const subjectGet = "$JS.API.STREAM.MSG.GET." + streamMain
