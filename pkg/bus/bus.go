// Package bus is the port through which bots hear and speak: signed messages on topics, kept
// durably and shared out among the members of an endpoint.
//
// What travels is a Raw: bytes and a signature. Sealer turns messages into Raws and back, and is
// the only way to be believed; adapters move Raws and never look inside.
//
// Guarantees of every adapter: a message whose Publish returned nil or ErrDuplicate survives a
// power failure; an id is kept once; a message is delivered to one member of each endpoint at a
// time, again after its lease runs out, and never again once its handler has returned nil.
// foundry/pkg/bus/bustest holds the contract suite that adapters pass.
package bus

import (
	"context"
	"errors"
	"time"

	"foundry/pkg/message"
)

// Errors that adapters return, wrapped.
var (
	// ErrDuplicate says that a message with this id is kept already. Whoever meant to say the same
	// thing has succeeded.
	ErrDuplicate = errors.New("message with this id is there already")
	// ErrNotFound says that no such message or value is kept.
	ErrNotFound = errors.New("not found")
	// ErrConflict says that a value was changed by another since it was read.
	ErrConflict = errors.New("changed by another")
)

// MaxDeliver is how often a message is tried before it is given up.
const MaxDeliver = 5

// Raw is a message as it travels.
type Raw struct {
	Topic     message.Topic
	Key       string     // subject token, see message.SafeKey
	ID        message.ID // as in the subject
	Payload   []byte     // JSON of a message.Message; exactly the bytes that were signed
	Signature []byte     // detached binary OpenPGP signature (RFC 9580)
	Signer    string     // fingerprint, upper-case hexadecimal; a claim until verified
	Subject   string     // for reports only; set on receipt
	Sequence  uint64     // position among all kept messages; set on receipt
	Stored    time.Time  // when it was kept; set on receipt
	Delivery  int        // 1 for the first try, set when consumed
}

// Bus publishes, shares out and looks up messages. Its methods may be called concurrently.
type Bus interface {
	// Publish keeps raw durably. It returns ErrDuplicate when the id is there already, whatever
	// the bytes.
	Publish(ctx context.Context, raw Raw) error
	// Consume takes the messages of an endpoint until ctx ends and then returns nil once every
	// handler has returned. At most Endpoint.Jobs handlers run at a time, and no message is taken
	// before there is a handler free for it. While a handler runs its lease is renewed. Any number
	// of processes may consume one endpoint.
	Consume(ctx context.Context, endpoint Endpoint, handle Handler) error
	// Lookup returns the message with this id, or ErrNotFound.
	Lookup(ctx context.Context, topic message.Topic, id message.ID) (Raw, error)
	// Tail calls f with each message in order of keeping: those kept since the given time and, with
	// Follow, those to come until ctx ends or f returns an error, which Tail returns.
	Tail(ctx context.Context, filter Filter, f func(Raw) error) error
	// Close gives the connection up after what is under way has been sent.
	Close() error
}

// An Endpoint is a group of bots that share one queue.
type Endpoint struct {
	Name    string        // "pub/buildbot_amd64": letters, digits, "_", "-" and "/"
	Topic   message.Topic // watched
	Key     string        // only messages with this subject key; empty for all
	From    From          // where a new endpoint starts
	Jobs    int           // messages handled at a time by this process, at least 1
	AckWait time.Duration // lease of a new endpoint, one that is there keeps its own; zero is DefaultAckWait. Renewed every third of it
	// Drain, when closed, stops the taking of messages while handlers finish. May be nil.
	Drain <-chan struct{}
}

// DefaultAckWait is how long a message stays with a bot that gives no sign of life.
const DefaultAckWait = 60 * time.Second

// From says where a new endpoint starts: with everything kept, with new messages only, or with
// those of the last while.
type From struct {
	New   bool
	Since time.Duration // zero, with New unset: everything
}

// A Handler works on one message. What it returns decides what becomes of the message:
// nil: done, acknowledged and never delivered again;
// an error that is ErrTerminate: never delivered again;
// an error that holds a *RetryError: delivered again after its delay;
// ErrGiveBack: delivered again at once, to another;
// any other error: delivered again after a delay that grows with each delivery.
// ctx ends when the endpoint stops at once; the handler is waited for.
type Handler func(ctx context.Context, raw Raw) error

// Outcomes of a handler beside nil.
var (
	ErrTerminate = errors.New("terminate message")
	ErrGiveBack  = errors.New("give message back")
)

// RetryError asks for another try after a delay.
type RetryError struct {
	After time.Duration
	Err   error
}

func (e *RetryError) Error() string { return e.Err.Error() }
func (e *RetryError) Unwrap() error { return e.Err }

// RetryDelay is the delay before a message is tried again after its n-th delivery (from 1), where
// a handler has not said otherwise: 5 s, 15 s, 45 s, 135 s.
func RetryDelay(n int) time.Duration {
	d := 5 * time.Second
	for ; n > 1 && d < 5*time.Minute; n-- {
		d *= 3
	}
	return d
}

// Filter says which messages to tail.
type Filter struct {
	Topics []message.Topic // empty for all
	Since  time.Time       // zero for everything kept
	New    bool            // only what comes from now on
	Follow bool            // go on after the last one kept
}

// Values keeps small values by key, without expiry and durably. A key is any string.
type Values interface {
	// Get returns the value and its revision, or ErrNotFound.
	Get(ctx context.Context, key string) (value []byte, revision uint64, err error)
	// Put writes value if the key's revision still is the given one (0: the key is not there), or
	// returns ErrConflict.
	Put(ctx context.Context, key string, value []byte, revision uint64) error
}

// Logs carries the lines of running jobs. They are kept for a while and up to a size, so the whole
// log of a finished job is an artifact besides.
type Logs interface {
	// Writer returns the log of one step of a transaction. Order is kept within a step. It may
	// batch, and must not wait for a slow bus: text that cannot be sent is dropped and counted.
	Writer(context, step, key string) LogWriter
	// Read calls f with what is kept of a transaction's logs, in order, and with follow what comes
	// until ctx ends or f returns an error, which Read returns.
	Read(ctx context.Context, context string, follow bool, f func(LogChunk) error) error
}

// LogWriter is one step's log. Close sends what is batched.
type LogWriter interface {
	Write(p []byte) (int, error)
	Close() error
}

// LogChunk is a piece of a log: some whole or partial lines.
type LogChunk struct {
	Step string // bot, "buildbot"
	Key  string // architecture
	Time time.Time
	Text []byte
}

// Herd finds the bots that are alive and reaches one of them. Nothing of it is kept.
type Herd interface {
	// Join makes a bot findable until ctx ends: state is called for each question, control for each
	// control message that arrives for the bot's instance; it verifies and answers with an error's
	// text or "".
	Join(ctx context.Context, instance string, state func() State, control func(Raw) error) error
	// List asks who is there and gathers answers for the given time.
	List(ctx context.Context, wait time.Duration) ([]State, error)
	// Control sends raw to the instance and returns its answer, or ErrNotFound when nobody answers.
	Control(ctx context.Context, instance string, raw Raw) error
	// Connected reports whether the bus can be reached at this moment.
	Connected() bool
}

// State is what a bot says of itself.
type State struct {
	Instance  string        `json:"id"`
	Bot       string        `json:"bot"`
	PID       int           `json:"pid"`
	Host      string        `json:"host"`
	Endpoint  string        `json:"endpoint"`
	State     string        `json:"state"` // "idle", "busy", "standby", "stopping"
	Jobs      []Job         `json:"jobs"`
	Since     time.Time     `json:"since"` // start of the program
	Watches   message.Topic `json:"watches"`
	Arch      string        `json:"arch,omitempty"`
	Serves    []string      `json:"serves,omitempty"` // codenames that are published
	Done      int64         `json:"done"`             // messages finished
	Failed    int64         `json:"failed"`           // failures published
	Rejected  int64         `json:"rejected"`         // messages not believed
	Version   string        `json:"version"`
	LastError string        `json:"last_error,omitempty"`
}

// Job is one message being worked on.
type Job struct {
	Context string    `json:"context"`
	ID      string    `json:"id"`
	Since   time.Time `json:"since"`
}
