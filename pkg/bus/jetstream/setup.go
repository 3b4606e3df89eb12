package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"foundry/pkg/message"
)

// Names of what is kept on the server.
const (
	streamMain    = "FOUNDRY"
	streamLog     = "FOUNDRY_LOG"
	streamGivenUp = "FOUNDRY_GIVEN_UP"
	bucketValues  = "FOUNDRY"
)

const (
	mainBytes    = 1 << 30 // 30 days of a few thousand packages; the rest is artifacts
	logBytes     = 1 << 30
	logAge       = 7 * 24 * time.Hour
	givenUpBytes = 64 << 20
	// headerBytes is room for subject, signature and the other headers of a message.
	headerBytes = 16 << 10
)

const (
	advisoryMaxDeliver = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES." + streamMain
	advisoryTerminated = "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED." + streamMain
)

// streams are the settings that new streams get. Retention by limits and not by interest: an
// endpoint that is added later finds what was said before it came. Refusing new messages rather
// than dropping old ones: a full stream is trouble that shows, a lost message does not.
func streams() []jetstream.StreamConfig {
	return []jetstream.StreamConfig{{
		Name: streamMain, Description: "foundry: messages between bots",
		Subjects:  []string{subjectTopics + ".>"},
		Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage, Replicas: 1,
		Discard: jetstream.DiscardNew, DiscardNewPerSubject: true, MaxMsgsPerSubject: 1,
		MaxAge: message.MaxAge, MaxBytes: mainBytes, MaxMsgSize: message.MaxSize + headerBytes,
		Duplicates: time.Hour,
	}, {
		Name: streamLog, Description: "foundry: logs of running jobs",
		Subjects:  []string{subjectLogs + ".>"},
		Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage, Replicas: 1,
		Discard: jetstream.DiscardOld, MaxAge: logAge, MaxBytes: logBytes,
	}, {
		Name: streamGivenUp, Description: "foundry: reports of messages tried too often",
		Subjects:  []string{advisoryMaxDeliver + ".*", advisoryTerminated + ".*"},
		Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage, Replicas: 1,
		Discard: jetstream.DiscardOld, MaxAge: message.MaxAge, MaxBytes: givenUpBytes,
	}}
}

// setUp finds or makes the streams and the bucket. Where two programs start at once, the second
// finds what the first has made.
func (c *Conn) setUp(ctx context.Context) error {
	if err := c.awaitJetStream(ctx); err != nil {
		return err
	}
	for _, config := range streams() {
		stream, err := c.js.Stream(ctx, config.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			stream, err = c.js.CreateStream(ctx, config)
			if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
				stream, err = c.js.Stream(ctx, config.Name)
			}
		}
		if err != nil {
			return c.setUpError("stream "+config.Name, err)
		}
		if config.Name == streamMain {
			c.main = stream
		}
	}
	kv, err := c.js.KeyValue(ctx, bucketValues)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = c.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: bucketValues, Description: "foundry: values of bots", History: 1,
		})
		if errors.Is(err, jetstream.ErrBucketExists) {
			kv, err = c.js.KeyValue(ctx, bucketValues)
		}
	}
	if err != nil {
		return c.setUpError("bucket "+bucketValues, err)
	}
	c.kv = kv
	return c.checkMain()
}

// awaitJetStream waits for JetStream of a server that has only just started, and tells one that
// has none.
func (c *Conn) awaitJetStream(ctx context.Context) error {
	for {
		_, err := c.js.Stream(ctx, streamMain)
		switch {
		case err == nil, errors.Is(err, jetstream.ErrStreamNotFound):
			return nil
		case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
			return c.withoutJetStream(err)
		}
		select {
		case <-c.failed:
			return fmt.Errorf("open stream %s: %w", streamMain, c.failure)
		case <-ctx.Done():
			return c.withoutJetStream(err)
		case <-time.After(retryConnect):
		}
	}
}

func (c *Conn) withoutJetStream(err error) error {
	return &Error{
		fmt.Errorf("connect to bus %s: no JetStream there: %w", redact(c.nc.ConnectedUrl()), err),
		"enable it with a jetstream block in the server's configuration, see deploy/",
	}
}

// codeNoSpace is the server's answer when its storage, less what other streams have reserved, is
// smaller than a stream may grow (JSStorageResourcesExceededErr).
const codeNoSpace = 10047

func (c *Conn) setUpError(what string, err error) error {
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == codeNoSpace {
		return &Error{
			fmt.Errorf("make %s: %w", what, err),
			"the server has too little space for it: free some, or raise max_file_store",
		}
	}
	return fmt.Errorf("open %s: %w", what, err)
}

// checkMain refuses a stream whose settings would break the guarantees of the bus.
func (c *Conn) checkMain() error {
	config := c.main.CachedInfo().Config
	if config.MaxMsgsPerSubject != 1 || !config.DiscardNewPerSubject || config.Discard != jetstream.DiscardNew ||
		config.Retention != jetstream.LimitsPolicy {
		return &Error{
			fmt.Errorf("open stream %s: it would keep a message twice or drop it", streamMain),
			"it needs limits retention, one message per subject, discard new, and discard new per subject",
		}
	}
	return nil
}
