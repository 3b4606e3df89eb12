package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"foundry/pkg/bus"
)

const (
	pullExpires   = 30 * time.Second
	pullHeartbeat = 5 * time.Second
	pullPause     = 200 * time.Millisecond
	retireTimeout = 2 * time.Second
)

// slot is room for one message of an endpoint. It asks for a message when it is free and at no
// other time. The client library's own pulls ask ahead, or give an answer up that is on its way
// when they are ended, which would then lie unused for a whole lease.
type slot struct {
	c        *Conn
	consumer string
	lease    time.Duration
	handle   bus.Handler
	reopen   func(context.Context) (existed bool, err error)
	log      zerolog.Logger
	inbox    *nats.Subscription // where messages arrive; nil before the first and after a disturbance
}

// delivery is a message in a slot.
type delivery struct {
	msg *nats.Msg
	raw bus.Raw
}

// take waits for the next message. It returns nil when ctx has ended, and an error when there is
// no use in waiting.
func (s *slot) take(ctx context.Context) (*delivery, error) {
	for ctx.Err() == nil {
		msg, err := s.pull(ctx)
		switch {
		case msg != nil:
			return msg, nil
		case ctx.Err() != nil:
			return nil, nil
		case err == nil:
			continue // nothing to do for a while: ask again
		case errors.Is(err, errDisturbed):
			s.retire()
		case errors.Is(err, errNoConsumer):
			s.retire()
			if err := s.recover(ctx); err != nil {
				return nil, err
			}
		default:
			s.log.Warn().Err(err).Msg("could not ask for a message")
			s.retire()
			pause(ctx)
		}
		select {
		case <-s.c.failed:
			if ctx.Err() == nil {
				return nil, s.c.failure
			}
		default:
		}
	}
	return nil, nil
}

var (
	errDisturbed  = errors.New("connection was disturbed")
	errNoConsumer = errors.New("no such endpoint on the server")
)

// pull asks for one message and waits for it.
func (s *slot) pull(ctx context.Context) (*delivery, error) {
	disturbed := s.c.nextReconnect()
	if s.inbox == nil {
		inbox, err := s.c.nc.SubscribeSync(s.c.nc.NewInbox())
		if err != nil {
			return nil, fmt.Errorf("subscribe: %w", err)
		}
		s.inbox = inbox
	}
	request := fmt.Appendf(nil, `{"batch":1,"expires":%d,"idle_heartbeat":%d}`,
		pullExpires.Nanoseconds(), pullHeartbeat.Nanoseconds())
	next := "$JS.API.CONSUMER.MSG.NEXT." + streamMain + "." + s.consumer
	if err := s.c.nc.PublishRequest(next, s.inbox.Subject, request); err != nil {
		return nil, fmt.Errorf("ask for a message: %w", err)
	}
	for {
		msg, err := s.next(ctx, disturbed)
		if err != nil {
			return nil, err
		}
		if isDelivery(msg) {
			if d := s.accept(msg); d != nil {
				return d, nil
			}
			continue
		}
		status := msg.Header.Get("Status")
		if status == "100" {
			continue // the server says that it is still there
		}
		return nil, meaning(status, msg.Header.Get("Description"))
	}
}

// isDelivery tells messages from what the server itself says. Headers do not: they are the sender's.
func isDelivery(msg *nats.Msg) bool { return strings.HasPrefix(msg.Reply, "$JS.ACK.") }

// meaning tells what the end of a request for a message without one says.
func meaning(status, description string) error {
	switch {
	case status == "404", status == "408":
		return nil
	case status == "503", status == "409" && strings.EqualFold(description, "Consumer Deleted"):
		return errNoConsumer
	case status == "409" && (strings.EqualFold(description, "Leadership Change") || strings.EqualFold(description, "Server Shutdown")):
		return errNoConsumer // looked for until it is back
	}
	return fmt.Errorf("server answers %s %s", status, description)
}

// next waits for whatever arrives, for as long as the server gives signs of life.
func (s *slot) next(ctx context.Context, disturbed <-chan struct{}) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*pullHeartbeat)
	defer cancel()
	go func() {
		select {
		case <-disturbed:
			cancel()
		case <-s.c.failed:
			cancel()
		case <-ctx.Done():
		}
	}()
	msg, err := s.inbox.NextMsgWithContext(ctx)
	switch {
	case err == nil:
		return msg, nil
	case errors.Is(err, nats.ErrNoResponders):
		return nil, errNoConsumer
	}
	return nil, errDisturbed
}

// accept makes a delivery of what arrived. What is none of the endpoint's messages was sent by
// somebody else and is ignored.
func (s *slot) accept(msg *nats.Msg) *delivery {
	meta, err := msg.Metadata()
	if err != nil || meta.Stream != streamMain || meta.Consumer != s.consumer {
		s.log.Warn().Str("subject", msg.Subject).Msg("ignored a message that is not from the bus")
		return nil
	}
	raw := stored(fromMsg(msg.Subject, msg.Header, msg.Data), meta.Sequence.Stream, meta.Timestamp)
	raw.Delivery = int(min(meta.NumDelivered, 1<<30))
	return &delivery{msg: msg, raw: raw}
}

// retire gives the inbox up. A message that was under way to it is given back at once.
func (s *slot) retire() {
	inbox := s.inbox
	s.inbox = nil
	if inbox == nil || !s.c.nc.IsConnected() {
		if inbox != nil {
			_ = inbox.Unsubscribe() // there is no server to tell
		}
		return
	}
	if err := inbox.Drain(); err != nil {
		return // the connection is closed
	}
	ctx, cancel := context.WithTimeout(context.Background(), retireTimeout)
	defer cancel()
	for {
		msg, err := inbox.NextMsgWithContext(ctx)
		if err != nil {
			return
		}
		if isDelivery(msg) {
			if err := s.c.request(ctx, msg.Reply, []byte(ackAgain)); err != nil {
				s.log.Warn().Err(err).Msg("could not give a message back")
			}
		}
	}
}

// recover opens the endpoint again after it went missing, and goes on trying while the server is
// away. It returns an error when the endpoint has become another.
func (s *slot) recover(ctx context.Context) error {
	for warned := false; ctx.Err() == nil; pause(ctx) {
		existed, err := s.reopen(ctx)
		var help *Error
		switch {
		case err == nil && existed:
			return nil
		case err == nil:
			s.log.Error().Msg("endpoint was deleted on the server and has been made again; messages may be delivered again")
			return nil
		case errors.As(err, &help):
			return err
		case !warned:
			s.log.Warn().Err(err).Msg("endpoint cannot be reached, trying on")
			warned = true
		}
		select {
		case <-s.c.failed:
			return s.c.failure
		default:
		}
	}
	return nil
}

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(pullPause):
	}
}
