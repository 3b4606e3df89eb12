package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"foundry/pkg/bus"
)

// givenUpConsumer is the herder's place among the reports; several herders share it.
const givenUpConsumer = "herder"

// GivenUp calls f with each message that an endpoint has tried bus.MaxDeliver times without an
// answer, as happens when every bot that takes it is killed, until ctx ends. consumer is
// ConsumerName of the endpoint. What f returns an error for comes again. Messages that a handler
// has terminated are not among them: it has said so itself.
func (c *Conn) GivenUp(ctx context.Context, f func(consumer string, raw bus.Raw) error) error {
	consumer, err := c.js.CreateOrUpdateConsumer(ctx, streamGivenUp, jetstream.ConsumerConfig{
		Durable: givenUpConsumer, Description: "foundry: herder",
		FilterSubject: advisoryMaxDeliver + ".*",
		AckPolicy:     jetstream.AckExplicitPolicy, AckWait: bus.DefaultAckWait, MaxDeliver: -1,
	})
	if err != nil {
		return fmt.Errorf("read reports of messages given up: %w", err)
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(1), jetstream.WithMessagesErrOnMissingHeartbeat(false))
	if err != nil {
		return fmt.Errorf("read reports of messages given up: %w", err)
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("read reports of messages given up: %w", err)
		}
		if err := c.report(ctx, msg, f); err != nil {
			c.log.Warn().Err(err).Msg("could not handle the report of a message given up, trying again")
			if err := msg.NakWithDelay(bus.RetryDelay(1)); err != nil {
				c.log.Warn().Err(err).Msg("could not give a report back")
			}
		}
	}
}

// advisory is the server's report that a message was tried too often (NATS ADR-29 and
// io.nats.jetstream.advisory.v1.max_deliver).
type advisory struct {
	Stream   string    `json:"stream"`
	Consumer string    `json:"consumer"`
	Sequence uint64    `json:"stream_seq"`
	Time     time.Time `json:"timestamp"`
}

// report looks the message of one report up and hands it on.
func (c *Conn) report(ctx context.Context, msg jetstream.Msg, f func(string, bus.Raw) error) error {
	var a advisory
	err := json.Unmarshal(msg.Data(), &a)
	if err != nil || a.Stream != streamMain || !strings.HasSuffix(msg.Subject(), "."+a.Consumer) {
		c.log.Warn().Str("subject", msg.Subject()).Msg("passed over a report that does not read like the server's")
		return msg.DoubleAck(ctx)
	}
	there, err := c.main.GetMsg(ctx, a.Sequence)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		c.log.Warn().Str("consumer", a.Consumer).Uint64("sequence", a.Sequence).Msg("message given up is not kept any more")
		return msg.DoubleAck(ctx)
	case err != nil:
		return fmt.Errorf("look up message %d: %w", a.Sequence, err)
	}
	raw := stored(fromMsg(there.Subject, there.Header, there.Data), there.Sequence, there.Time)
	raw.Delivery = bus.MaxDeliver
	if err := f(a.Consumer, raw); err != nil {
		return err
	}
	return msg.DoubleAck(ctx)
}
