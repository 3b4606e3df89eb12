package jetstream

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"foundry/pkg/bus"
)

// Tail calls f with the messages that filter asks for, in the order they were kept in.
func (c *Conn) Tail(ctx context.Context, filter bus.Filter, f func(bus.Raw) error) error {
	config := readConfig{stream: streamMain, follow: filter.Follow}
	for _, topic := range filter.Topics {
		if !isToken(string(topic)) {
			return fmt.Errorf("tail %q: not a topic", topic)
		}
		config.filters = append(config.filters, subjectTopics+"."+string(topic)+".>")
	}
	switch {
	case filter.New && !filter.Follow:
		return nil
	case filter.New:
		config.policy = jetstream.DeliverNewPolicy
	case !filter.Since.IsZero():
		config.policy, config.since = jetstream.DeliverByStartTimePolicy, filter.Since
	}
	return c.read(ctx, config, func(msg *nats.Msg, meta *nats.MsgMetadata) error {
		return f(stored(fromMsg(msg.Subject, msg.Header, msg.Data), meta.Sequence.Stream, meta.Timestamp))
	})
}
