package jetstream

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// servicePrefix begins the names of foundry's services: NATS has one name space for all.
const servicePrefix = "foundry-"

// semver is what a service's version has to look like (semver.org).
var semver = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)

// joinTime is how long the server may take to note a new service.
const joinTime = 10 * time.Second

// Join makes the bot findable as a NATS service, and returns when it is. What changes is in the
// service's statistics, since its metadata cannot change.
func (c *Conn) Join(ctx context.Context, instance string, state func() bus.State, control func(bus.Raw) error) error {
	self := state()
	version := strings.TrimPrefix(self.Version, "v")
	if !semver.MatchString(version) {
		version = "0.0.0"
	}
	service, err := micro.AddService(c.nc, micro.Config{
		Name: servicePrefix + message.SafeKey(self.Bot), Version: version,
		Description:  "foundry bot " + self.Bot,
		Metadata:     map[string]string{"instance": instance, "host": self.Host, "endpoint": self.Endpoint},
		StatsHandler: func(*micro.Endpoint) any { return state() },
	})
	if err != nil {
		return fmt.Errorf("join herd as %s: %w", instance, err)
	}
	answer := micro.HandlerFunc(func(r micro.Request) {
		text := ""
		if err := control(controlRaw(r)); err != nil {
			text = err.Error()
		}
		if err := r.Respond([]byte(text)); err != nil {
			c.log.Warn().Err(err).Msg("could not answer a control message")
		}
	})
	err = service.AddEndpoint("control", answer,
		micro.WithEndpointSubject(subjectControl+"."+message.SafeKey(instance)), micro.WithEndpointQueueGroupDisabled())
	if err != nil {
		return fmt.Errorf("join herd as %s: %w", instance, errors.Join(err, service.Stop()))
	}
	// Whoever asks from now on has to find the bot, so the server must know of it.
	if err := c.nc.FlushTimeout(joinTime); err != nil {
		return fmt.Errorf("join herd as %s: %w", instance, errors.Join(err, service.Stop()))
	}
	context.AfterFunc(ctx, func() {
		if err := service.Stop(); err != nil && !c.nc.IsClosed() {
			c.log.Warn().Err(err).Msg("could not leave herd")
		}
	})
	return nil
}

// controlRaw takes a control message as it came; it is believed no more than others.
func controlRaw(r micro.Request) bus.Raw {
	raw := fromMsg(r.Subject(), nats.Header(r.Headers()), r.Data())
	raw.Topic = message.ControlTopic
	raw.Key = strings.TrimPrefix(r.Subject(), subjectControl+".")
	raw.ID = message.ID(r.Headers().Get(nats.MsgIdHdr))
	return raw
}

// List asks all bots for their state and gathers answers for the given time.
func (c *Conn) List(ctx context.Context, wait time.Duration) ([]bus.State, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	inbox, err := c.nc.SubscribeSync(c.nc.NewInbox())
	if err != nil {
		return nil, fmt.Errorf("list bots: %w", err)
	}
	defer func() { _ = inbox.Unsubscribe() }() // fails only when the connection is closed
	if err := c.nc.PublishRequest(micro.APIPrefix+".STATS", inbox.Subject, nil); err != nil {
		return nil, fmt.Errorf("list bots: %w", err)
	}
	var states []bus.State
	for {
		msg, err := inbox.NextMsgWithContext(ctx)
		switch {
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrNoResponders):
			slices.SortFunc(states, func(a, b bus.State) int {
				return cmp.Or(cmp.Compare(a.Bot, b.Bot), cmp.Compare(a.Instance, b.Instance))
			})
			return states, nil
		case err != nil:
			return nil, fmt.Errorf("list bots: %w", err)
		}
		if state, ok := stateOf(msg.Data); ok {
			states = append(states, state)
		}
	}
}

// stateOf finds a bot's state in the statistics of a service. Others' services are passed over.
func stateOf(data []byte) (bus.State, bool) {
	var stats micro.Stats
	if json.Unmarshal(data, &stats) != nil || !strings.HasPrefix(stats.Name, servicePrefix) {
		return bus.State{}, false
	}
	for _, endpoint := range stats.Endpoints {
		var state bus.State
		if endpoint != nil && json.Unmarshal(endpoint.Data, &state) == nil && state.Instance != "" {
			return state, true
		}
	}
	return bus.State{}, false
}

// Control sends raw to one bot and returns what it answers.
func (c *Conn) Control(ctx context.Context, instance string, raw bus.Raw) error {
	subject := subjectControl + "." + message.SafeKey(instance)
	var answer *nats.Msg
	// not tried again: a bot that is told to stop twice gives its jobs back
	err := c.once(ctx, subject, func(ctx context.Context) (err error) {
		answer, err = c.nc.RequestMsgWithContext(ctx, toMsg(subject, raw))
		return err
	})
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("control %s: %w", instance, bus.ErrNotFound)
	case err != nil:
		return fmt.Errorf("control %s: %w", instance, err)
	case len(answer.Data) > 0:
		return fmt.Errorf("%s answers: %s", instance, answer.Data)
	}
	return nil
}
