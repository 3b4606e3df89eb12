package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"foundry/pkg/bus"
)

// readerIdle is when the server forgets a reader that has gone away without a word.
const readerIdle = time.Minute

// Tail calls f with the messages that filter asks for, in the order they were kept in.
func (c *Conn) Tail(ctx context.Context, filter bus.Filter, f func(bus.Raw) error) error {
	config := jetstream.OrderedConsumerConfig{InactiveThreshold: readerIdle}
	for _, topic := range filter.Topics {
		if !isToken(string(topic)) {
			return fmt.Errorf("tail %q: not a topic", topic)
		}
		config.FilterSubjects = append(config.FilterSubjects, subjectTopics+"."+string(topic)+".>")
	}
	switch {
	case filter.New && !filter.Follow:
		return nil
	case filter.New:
		config.DeliverPolicy = jetstream.DeliverNewPolicy
	case !filter.Since.IsZero():
		config.DeliverPolicy, config.OptStartTime = jetstream.DeliverByStartTimePolicy, &filter.Since
	}
	return c.read(ctx, streamMain, config, filter.Follow, func(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
		return f(stored(fromMsg(msg.Subject(), msg.Headers(), msg.Data()), meta.Sequence.Stream, meta.Timestamp))
	})
}

// read calls f with the messages of a stream in order, without gaps also across lost connections.
// Without follow it ends after the last one that was there when it came to it. With follow it ends
// with ctx, which is no error.
func (c *Conn) read(ctx context.Context, stream string, config jetstream.OrderedConsumerConfig, follow bool,
	f func(jetstream.Msg, *jetstream.MsgMetadata) error,
) error {
	consumer, err := c.js.OrderedConsumer(ctx, stream, config)
	if err != nil {
		return fmt.Errorf("read %s: %w", stream, err)
	}
	defer c.forget(ctx, stream, consumer)
	if !follow && consumer.CachedInfo().NumPending == 0 {
		return nil
	}
	messages, err := consumer.Messages()
	if err != nil {
		return fmt.Errorf("read %s: %w", stream, err)
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Stop)()
	for {
		msg, err := c.nextOf(ctx, consumer, messages, follow)
		switch {
		case ctx.Err() != nil && follow:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("read %s: %w", stream, err)
		case msg == nil:
			return nil
		}
		meta, err := msg.Metadata()
		if err != nil {
			return fmt.Errorf("read %s: %w", stream, err)
		}
		if err := f(msg, meta); err != nil {
			return err
		}
		if !follow && meta.NumPending == 0 {
			return nil
		}
	}
}

// nextOf waits for a message. Without follow it returns nil when no more is to come, as happens
// when the last ones are removed while they are being read.
func (c *Conn) nextOf(ctx context.Context, consumer jetstream.Consumer, messages jetstream.MessagesContext, follow bool) (jetstream.Msg, error) {
	if follow {
		return messages.Next(jetstream.NextContext(ctx))
	}
	for {
		wait, cancel := context.WithTimeout(ctx, requestTimeout)
		msg, err := messages.Next(jetstream.NextContext(wait))
		cancel()
		if err == nil || !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return msg, err
		}
		info, err := consumer.Info(ctx)
		if err == nil && info.NumPending == 0 {
			return nil, nil
		}
	}
}

// forget removes a reader from the server, which would otherwise do so after readerIdle.
func (c *Conn) forget(ctx context.Context, stream string, consumer jetstream.Consumer) {
	if !c.nc.IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	_ = c.js.DeleteConsumer(ctx, stream, consumer.CachedInfo().Name)
}
