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
	// readBatch is how many messages are asked for at a time.
	readBatch = 64
	// readerIdle is when the server forgets a reader that has gone away without a word.
	readerIdle = time.Minute
)

// readConfig says what to read.
type readConfig struct {
	stream  string
	filters []string
	policy  jetstream.DeliverPolicy
	since   time.Time // for a policy by time
	follow  bool      // go on after the last one kept
}

// readFunc handles one message of a stream.
type readFunc func(msg *nats.Msg, meta *nats.MsgMetadata) error

// read calls f with the messages of a stream in order and without gaps, also across lost
// connections. Without follow it ends after the last one that was kept when it came to it. With
// follow it ends with ctx, which is no error.
//
// The client library's ordered consumer is not used: it takes an empty message for a word of the
// server if its headers say so, and whoever sends one on a topic would end or stall all readers.
func (c *Conn) read(ctx context.Context, config readConfig, f readFunc) error {
	r := &reader{c: c, config: config, f: f, began: time.Now()}
	for {
		err := r.round(ctx)
		switch {
		case r.stopped != nil:
			return r.stopped
		case ctx.Err() != nil && config.follow:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errDisturbed), errors.Is(err, errNoConsumer):
			select {
			case <-c.failed:
				return fmt.Errorf("read %s: %w", config.stream, c.failure)
			default:
			}
		case err != nil:
			return fmt.Errorf("read %s: %w", config.stream, err)
		default:
			return nil
		}
	}
}

// reader is one call of read.
type reader struct {
	c       *Conn
	config  readConfig
	f       readFunc
	began   time.Time
	made    bool   // a consumer was made
	last    uint64 // sequence in the stream of the last message handed on
	stopped error  // what f returned
}

// round reads with one consumer until all is read, or the consumer is of no more use.
func (r *reader) round(ctx context.Context) error {
	disturbed := r.c.nextReconnect()
	consumer, err := r.consumer(ctx)
	if err != nil {
		return err
	}
	name := consumer.CachedInfo().Name
	defer r.forget(ctx, name)
	if !r.config.follow && consumer.CachedInfo().NumPending == 0 {
		return nil
	}
	arrived := make(chan *nats.Msg, 4*readBatch)
	inbox, err := r.c.nc.ChanSubscribe(r.c.nc.NewInbox(), arrived)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	defer func() { _ = inbox.Unsubscribe() }() // fails only when the connection is closed
	next := "$JS.API.CONSUMER.MSG.NEXT." + r.config.stream + "." + name
	request := fmt.Appendf(nil, `{"batch":%d,"expires":%d,"idle_heartbeat":%d}`,
		readBatch, pullExpires.Nanoseconds(), pullHeartbeat.Nanoseconds())
	for delivered := uint64(0); ; {
		if err := r.c.nc.PublishRequest(next, inbox.Subject, request); err != nil {
			return fmt.Errorf("ask for messages: %w", err)
		}
		done, err := r.batch(ctx, arrived, disturbed, &delivered)
		if done || err != nil {
			return err
		}
	}
}

// batch hands on what one request brings. delivered is the consumer's count of messages, which
// tells when one is missing. It tells whether all is read.
func (r *reader) batch(ctx context.Context, arrived <-chan *nats.Msg, disturbed <-chan struct{}, delivered *uint64) (done bool, err error) {
	silence := time.NewTimer(2 * pullHeartbeat)
	defer silence.Stop()
	for n := 0; n < readBatch; {
		var msg *nats.Msg
		select {
		case msg = <-arrived:
		case <-disturbed:
			return false, errDisturbed
		case <-r.c.failed:
			return false, errDisturbed
		case <-silence.C:
			return false, errDisturbed
		case <-ctx.Done():
			return false, ctx.Err()
		}
		silence.Reset(2 * pullHeartbeat)
		if !isDelivery(msg) {
			status := msg.Header.Get("Status")
			if status == "100" {
				continue
			}
			return false, meaning(status, msg.Header.Get("Description"))
		}
		meta, err := msg.Metadata()
		if err != nil || meta.Sequence.Consumer != *delivered+1 {
			return false, errDisturbed
		}
		n++
		*delivered++
		r.last = meta.Sequence.Stream
		if r.stopped = r.f(msg, meta); r.stopped != nil {
			return true, nil
		}
		if !r.config.follow && meta.NumPending == 0 {
			return true, nil
		}
	}
	return false, nil
}

// consumer makes a consumer that begins where the last one has ended.
func (r *reader) consumer(ctx context.Context) (consumer jetstream.Consumer, err error) {
	config := jetstream.ConsumerConfig{
		FilterSubjects: r.config.filters, DeliverPolicy: r.config.policy,
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, InactiveThreshold: readerIdle,
	}
	switch {
	case r.last > 0:
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, r.last+1
	case r.config.policy == jetstream.DeliverByStartTimePolicy:
		config.OptStartTime = &r.config.since
	case r.config.policy == jetstream.DeliverNewPolicy && r.made: // what has come since the first is new
		config.DeliverPolicy, config.OptStartTime = jetstream.DeliverByStartTimePolicy, &r.began
	}
	err = r.c.try(ctx, "$JS.API.CONSUMER.CREATE."+r.config.stream, func(ctx context.Context) (err error) {
		consumer, err = r.c.js.CreateConsumer(ctx, r.config.stream, config)
		return err
	})
	if err != nil && worthRetrying(err) {
		r.c.log.Warn().Err(err).Str("stream", r.config.stream).Msg("stream cannot be read, trying on")
		return nil, errDisturbed
	}
	r.made = r.made || err == nil
	return consumer, err
}

// forget removes the consumer from the server, which would otherwise do so after readerIdle.
func (r *reader) forget(ctx context.Context, name string) {
	if !r.c.nc.IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	_ = r.c.js.DeleteConsumer(ctx, r.config.stream, name)
}
