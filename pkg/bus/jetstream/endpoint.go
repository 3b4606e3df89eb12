package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"foundry/pkg/bus"
)

const (
	// metadataEndpoint holds the endpoint's name in its consumer: two names may share a consumer's.
	metadataEndpoint = "foundry-endpoint"
	// maxWaiting is how many free slots of an endpoint, in all programs, may wait at a time.
	maxWaiting = 4096
	// maxPending is how many messages of an endpoint may be in work or waiting for another try.
	maxPending = 10000
)

// ConsumerName is the name of an endpoint's consumer: consumers may not have a "/" in theirs.
func ConsumerName(endpoint string) (string, error) {
	name := strings.ReplaceAll(endpoint, "/", "_")
	if !isToken(name) || len(name) > 200 {
		return "", &Error{
			fmt.Errorf("use endpoint %q: not a name", endpoint),
			`a name is made of letters, digits, "_", "-" and "/", such as pub/buildbot_amd64`,
		}
	}
	return name, nil
}

// consumerConfig is what the consumer of e has to be. BackOff stays empty, since its first entry
// would silently take AckWait's place, and so does InactiveThreshold, since an endpoint whose bots
// are all away for a week still has its messages to come.
func consumerConfig(e bus.Endpoint, began, now time.Time) (jetstream.ConsumerConfig, error) {
	name, err := ConsumerName(e.Name)
	if err != nil {
		return jetstream.ConsumerConfig{}, err
	}
	if !isToken(string(e.Topic)) {
		return jetstream.ConsumerConfig{}, fmt.Errorf("use endpoint %s: watch %q: not a topic", e.Name, e.Topic)
	}
	filter := subjectTopics + "." + string(e.Topic)
	if e.Key != "" {
		if !isToken(e.Key) {
			return jetstream.ConsumerConfig{}, fmt.Errorf("use endpoint %s: key %q: not fit for a subject", e.Name, e.Key)
		}
		filter += "." + e.Key
	}
	config := jetstream.ConsumerConfig{
		Durable: name, Description: "foundry endpoint " + e.Name,
		FilterSubject: filter + ".>", // also what no bot would publish, so that it is refused aloud
		AckPolicy:     jetstream.AckExplicitPolicy, AckWait: e.AckWait, MaxDeliver: bus.MaxDeliver,
		MaxWaiting: maxWaiting, MaxAckPending: maxPending,
		Metadata: map[string]string{metadataEndpoint: e.Name},
	}
	switch {
	case e.From.New && began.Equal(now):
		config.DeliverPolicy = jetstream.DeliverNewPolicy
	case e.From.New, e.From.Since > 0:
		start := began.Add(-e.From.Since)
		config.DeliverPolicy, config.OptStartTime = jetstream.DeliverByStartTimePolicy, &start
	default:
		config.DeliverPolicy = jetstream.DeliverAllPolicy
	}
	return config, nil
}

// openEndpoint finds or makes the consumer of e. Where it starts and its lease count only when it is
// made; lease is the one that it has.
func (c *Conn) openEndpoint(ctx context.Context, config jetstream.ConsumerConfig) (existed bool, lease time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	there, err := c.main.Consumer(ctx, config.Durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		_, err = c.main.CreateConsumer(ctx, config)
		if err == nil {
			return false, config.AckWait, nil
		}
		if errors.Is(err, jetstream.ErrConsumerExists) {
			there, err = c.main.Consumer(ctx, config.Durable) // another was faster
		}
	}
	if err != nil {
		return false, 0, fmt.Errorf("open endpoint %s: %w", config.Metadata[metadataEndpoint], err)
	}
	return true, there.CachedInfo().Config.AckWait, sameSettings(there.CachedInfo().Config, config)
}

// sameSettings tells whether a consumer that is there does what this endpoint needs.
func sameSettings(there, want jetstream.ConsumerConfig) error {
	name := want.Metadata[metadataEndpoint]
	var difference string
	switch other, ok := there.Metadata[metadataEndpoint]; {
	case ok && other != name:
		return &Error{
			fmt.Errorf("open endpoint %s: its queue is in use by endpoint %s", name, other),
			`choose a name that differs in more than "/" and "_"`,
		}
	case there.FilterSubject != want.FilterSubject || len(there.FilterSubjects) > 0:
		have := there.FilterSubject + strings.Join(there.FilterSubjects, " ")
		difference = fmt.Sprintf("receives %q, not %q", have, want.FilterSubject)
	case there.AckPolicy != jetstream.AckExplicitPolicy:
		difference = "does not wait for acknowledgments"
	case there.MaxDeliver != want.MaxDeliver:
		difference = fmt.Sprintf("tries a message %d times, not %d", there.MaxDeliver, want.MaxDeliver)
	case len(there.BackOff) > 0:
		difference = "has delays between tries of its own"
	case there.DeliverSubject != "":
		difference = "pushes its messages"
	default:
		return nil
	}
	return &Error{
		fmt.Errorf("open endpoint %s: the one on the server %s", name, difference),
		fmt.Sprintf("choose another --endpoint, or remove it with `nats consumer rm %s %s`", streamMain, want.Durable),
	}
}
