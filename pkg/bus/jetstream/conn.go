// Package jetstream keeps foundry's bus in NATS JetStream, in a server of its own inside the
// program (StartServer) or in any server or cluster that is reached by a URL (Connect).
//
// All messages are in one stream, FOUNDRY, on subjects foundry.topic.<topic>.<key>.<id>, one
// message for each subject: publishing an id again is refused by the server for as long as the
// first is kept. Text of running jobs is in FOUNDRY_LOG, small values are in the key-value bucket
// FOUNDRY, and the server's reports of messages that were tried too often are in FOUNDRY_GIVEN_UP,
// since they are otherwise lost when nobody listens. What is not to be kept, control and the
// questions who is there, has subjects outside every stream: a stream would answer such a request
// before the bot it is meant for.
//
// An endpoint is a durable pull consumer. One message is asked for by each free slot and none
// ahead, or a busy bot would sit on messages that an idle one could take.
package jetstream

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"foundry/pkg/bus"
)

// Options says how to reach the bus.
type Options struct {
	URL      string         // "nats://host:4222", several separated by commas
	NKeyFile string         // path of an nkey seed, see LoadOrCreateNKey; empty for a server without accounts
	Name     string         // of the program, shown by the server
	Wait     time.Duration  // how long a server that does not answer is waited for; zero is 10 s
	Log      zerolog.Logger // of connection losses and the like
}

// Conn is a connection to the bus. It survives the loss of the server and may be used concurrently.
type Conn struct {
	nc   *nats.Conn
	js   jetstream.JetStream
	logs jetstream.JetStream // publishes without waiting
	main jetstream.Stream    // FOUNDRY
	kv   jetstream.KeyValue
	log  zerolog.Logger

	mu        sync.Mutex
	attempts  map[*attempt]struct{} // questions whose answer is waited for
	reconnect chan struct{}         // closed at the next reconnect
	failed    chan struct{}         // closed when the connection is of no more use
	closed    chan struct{}         // closed when it has ended
	failure   error
}

var (
	_ bus.Bus    = (*Conn)(nil)
	_ bus.Values = (*Conn)(nil)
	_ bus.Logs   = (*Conn)(nil)
	_ bus.Herd   = (*Conn)(nil)
)

const (
	defaultWait  = 10 * time.Second
	dialTimeout  = 2 * time.Second
	retryConnect = 100 * time.Millisecond
	closeTimeout = 5 * time.Second
	// requestTimeout is how long one question to the server may take.
	requestTimeout = 5 * time.Second
)

// Error is trouble with the bus that a person can do something about.
type Error struct {
	Err    error
	Advice string
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Hint says what to do about it, in one line.
func (e *Error) Hint() string { return e.Advice }

// Connect reaches the server and makes what is missing of streams and buckets there; what is there
// is used as it is. Its errors are *Error where a person can help.
func Connect(ctx context.Context, o Options) (*Conn, error) {
	c := &Conn{
		log: o.Log, attempts: map[*attempt]struct{}{},
		reconnect: make(chan struct{}), failed: make(chan struct{}),
		closed: make(chan struct{}),
	}
	if o.Wait == 0 {
		o.Wait = defaultWait
	}
	settings, err := c.settings(o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.Wait)
	defer cancel()
	if c.nc, err = dial(ctx, o.URL, settings); err != nil {
		return nil, err
	}
	if err := c.open(ctx); err != nil {
		c.nc.Close()
		return nil, err
	}
	return c, nil
}

// open checks the server behind a new connection and finds or makes the streams.
func (c *Conn) open(ctx context.Context) error {
	if err := checkVersion(c.nc.ConnectedServerVersion(), redact(c.nc.ConnectedUrl())); err != nil {
		return err
	}
	js, err := jetstream.New(c.nc, jetstream.WithDefaultTimeout(requestTimeout))
	if err != nil {
		return fmt.Errorf("open jetstream: %w", err)
	}
	c.js = js
	c.logs, err = jetstream.New(c.nc, jetstream.WithPublishAsyncTimeout(logAckWait))
	if err != nil {
		return fmt.Errorf("open jetstream: %w", err)
	}
	return c.setUp(ctx)
}

func (c *Conn) settings(o Options) ([]nats.Option, error) {
	settings := []nats.Option{
		nats.Name(o.Name),
		nats.MaxReconnects(-1), // exhausted attempts would close the connection for good
		nats.ReconnectWait(200 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond),
		nats.Timeout(dialTimeout),
		nats.PingInterval(20 * time.Second),
		nats.IgnoreAuthErrorAbort(), // a server that is set up anew may know us again later
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				c.log.Warn().Err(err).Msg("lost connection to bus")
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			c.log.Info().Str("url", redact(nc.ConnectedUrl())).Msg("connected to bus again")
			c.reconnected()
		}),
		nats.ErrorHandler(c.onError),
		nats.ClosedHandler(func(*nats.Conn) {
			c.fail(nats.ErrConnectionClosed)
			close(c.closed)
		}),
	}
	if o.NKeyFile != "" {
		public, err := loadNKey(o.NKeyFile)
		if err != nil {
			return nil, err
		}
		key, err := nats.NkeyOptionFromSeed(o.NKeyFile)
		if err != nil {
			return nil, fmt.Errorf("read nkey %s: %w", o.NKeyFile, err)
		}
		settings = append(settings, key, nats.CustomInboxPrefix(inboxPrefix(public)))
	}
	return settings, nil
}

// inboxPrefix is where answers to a user arrive. Each has its own, so that a server can keep one
// from listening to another's.
func inboxPrefix(public string) string { return "_INBOX_" + public }

// dial connects, and tries again while nobody answers: the server may be starting too.
func dial(ctx context.Context, address string, settings []nats.Option) (*nats.Conn, error) {
	shown := redact(address)
	for {
		nc, err := nats.Connect(address, settings...)
		switch {
		case err == nil:
			return nc, nil
		case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired),
			errors.Is(err, nats.ErrNkeysNotSupported), strings.Contains(strings.ToLower(err.Error()), "authorization"):
			return nil, &Error{
				fmt.Errorf("connect to bus %s: not authorized", shown),
				"add this program's nkey to the users of the server, or name the right one",
			}
		case errors.As(err, new(*url.Error)): // its words would quote the password
			return nil, &Error{fmt.Errorf("connect to bus %s: not a URL", shown), "a bus URL reads nats://HOST:PORT"}
		case !waitable(err):
			return nil, &Error{fmt.Errorf("connect to bus %s: %w", shown, err), "a bus URL reads nats://HOST:PORT"}
		}
		select {
		case <-ctx.Done():
			return nil, &Error{
				fmt.Errorf("connect to bus %s: no server answers: %w", shown, err),
				"start one with `foundry up`, or say where it is with --bus",
			}
		case <-time.After(retryConnect):
		}
	}
}

// waitable tells errors that a server which is about to start causes from those that stay.
func waitable(err error) bool {
	if errors.Is(err, os.ErrNotExist) {
		return false
	}
	text := err.Error()
	return errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrTimeout) ||
		strings.Contains(text, "refused") || strings.Contains(text, "timeout") ||
		strings.Contains(text, "no such host") || strings.Contains(text, "EOF") || strings.Contains(text, "reset")
}

// checkVersion refuses servers that lose data or lack what is needed.
func checkVersion(version, address string) error {
	var numbers [2]int
	for i, part := range strings.SplitN(version, ".", 3) {
		if i < len(numbers) {
			numbers[i], _ = strconv.Atoi(part)
		}
	}
	if numbers[0] > 2 || numbers[0] == 2 && numbers[1] >= 11 {
		return nil
	}
	return &Error{
		fmt.Errorf("connect to bus %s: nats-server %s is too old", address, version),
		"foundry needs nats-server 2.11 or later: older ones may lose messages",
	}
}

// redact takes user and password out of the URLs of address: a user alone is a token. It does not
// ask whether they are URLs, since one that is malformed is shown too.
func redact(address string) string {
	parts := strings.Split(address, ",")
	for i, part := range parts {
		scheme, rest, found := strings.Cut(part, "://")
		if !found {
			scheme, rest = "", part
		}
		if at := strings.LastIndex(rest, "@"); at >= 0 {
			rest = rest[at+1:]
		}
		if parts[i] = rest; found {
			parts[i] = scheme + "://" + rest
		}
	}
	return strings.Join(parts, ",")
}

// onError hears what the server refuses outside of an answer, permissions above all.
func (c *Conn) onError(_ *nats.Conn, sub *nats.Subscription, err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		event := c.log.Warn().Err(err)
		if sub != nil {
			event = event.Str("subject", sub.Subject)
		}
		event.Msg("trouble on bus")
		return
	}
	c.mu.Lock()
	known := false
	for a := range c.attempts {
		if strings.Contains(err.Error(), strconv.Quote(a.subject)) {
			a.cancel(denied(err))
			known = true
		}
	}
	c.mu.Unlock()
	if known {
		return
	}
	c.log.Error().Err(err).Msg("bus refused")
	c.fail(denied(err))
}

func denied(err error) error {
	return &Error{err, "give this program's nkey the role it needs, see deploy/ for the server's users"}
}

// fail marks the connection as of no more use: without a permission it lacks, a bot would wait
// for ever and look idle.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure == nil {
		c.failure = err
		close(c.failed)
	}
}

func (c *Conn) reconnected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for a := range c.attempts {
		a.cancel(errLost)
	}
	close(c.reconnect)
	c.reconnect = make(chan struct{})
}

// nextReconnect is closed when the connection has been lost and found again.
func (c *Conn) nextReconnect() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reconnect
}

// NATS is the connection itself, for the artifact store that shares it.
func (c *Conn) NATS() *nats.Conn { return c.nc }

// Connected reports whether the server can be reached at this moment.
func (c *Conn) Connected() bool { return c.nc.IsConnected() }

// Close sends what is under way and ends the connection.
func (c *Conn) Close() error {
	if c.nc.IsClosed() {
		return nil
	}
	if !c.nc.IsConnected() {
		c.nc.Close()
		return nil
	}
	if err := c.nc.Drain(); err != nil {
		c.nc.Close()
		return fmt.Errorf("close bus: %w", err)
	}
	select {
	case <-c.closed:
	case <-time.After(closeTimeout):
		c.nc.Close()
	}
	return nil
}
