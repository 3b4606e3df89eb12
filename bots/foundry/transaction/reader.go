package transaction

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// Reader reads transactions from the bus.
type Reader struct {
	Bus    bus.Bus
	Herd   bus.Herd
	Sealer *bus.Sealer
}

// ErrEnded ends the tailing of a transaction.
var ErrEnded = errors.New("transaction has ended")

// Load reads what is kept of a transaction.
func (r *Reader) Load(ctx context.Context, name string) (*Transaction, error) {
	t := &Transaction{Context: name, Architectures: r.Architectures(ctx)}
	var others []string
	err := r.Bus.Tail(ctx, bus.Filter{}, func(raw bus.Raw) error {
		if !r.Take(t, raw) && Begins(raw) {
			others = append(others, r.ContextOf(raw))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read transaction %s: %w", name, err)
	}
	if len(t.Entries) == 0 {
		return nil, bot.Hint(fmt.Errorf("no transaction %q is kept", name), bot.Nearest(name, others))
	}
	return t, nil
}

// Take adds a message to the transaction if it belongs there and was not there yet.
func (r *Reader) Take(t *Transaction, raw bus.Raw) bool {
	if raw.Topic != message.Rejects && !bytes.Contains(raw.Payload, []byte(t.Context)) {
		return false // without the cost of a verification
	}
	m, body, err := r.Sealer.Open(raw)
	if err != nil || t.Find(m.ID) != nil {
		return false
	}
	if reject, ok := body.(*message.Reject); ok && t.Find(SubjectID(reject)) == nil || !ok && m.Context != t.Context {
		return false
	}
	t.Entries = append(t.Entries, Entry{m, body})
	return true
}

// ContextOf is the transaction that a message belongs to, empty where it is not believed.
func (r *Reader) ContextOf(raw bus.Raw) string {
	m, _, err := r.Sealer.Open(raw)
	if err != nil {
		return ""
	}
	return m.Context
}

// Follow reads the transaction and what comes, and calls changed after each message of it, until
// it has ended or ctx does.
func (r *Reader) Follow(ctx context.Context, name string, changed func(*Transaction, Entry)) (*Transaction, error) {
	t := &Transaction{Context: name, Architectures: r.Architectures(ctx)}
	err := r.Bus.Tail(ctx, bus.Filter{Follow: true}, func(raw bus.Raw) error {
		if !r.Take(t, raw) {
			return nil
		}
		changed(t, t.Entries[len(t.Entries)-1])
		if t.State() != Running {
			return ErrEnded
		}
		return nil
	})
	if errors.Is(err, ErrEnded) {
		return t, nil
	}
	if err == nil {
		err = ctx.Err()
	}
	return t, err
}

// Architectures lists those that bots alive provision for.
func (r *Reader) Architectures(ctx context.Context) (all []string) {
	states, err := bot.ListBots(ctx, r.Herd)
	if err != nil {
		return nil // then one answer is enough for each source
	}
	for _, b := range states {
		if b.Bot == "provisionbot" && !slices.Contains(all, b.Arch) {
			all = append(all, b.Arch)
		}
	}
	return all
}

// Begins tells whether a message answers none, so that it begins a transaction: a commit, an upload, or
// the refusal of one.
func Begins(raw bus.Raw) bool {
	return raw.Topic != message.Rejects && !bytes.Contains(raw.Payload, []byte(`"parent":"`))
}

// Contexts lists the transactions that are kept and begin with prefix, the newest first.
func (r *Reader) Contexts(ctx context.Context, prefix string) (names []string) {
	topics := []message.Topic{message.Commits, message.Sources, message.Failures}
	_ = r.Bus.Tail(ctx, bus.Filter{Topics: topics}, func(raw bus.Raw) error {
		if !Begins(raw) {
			return nil
		}
		if name := r.ContextOf(raw); name != "" && strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
		return nil
	}) // completion offers what it has got
	slices.Reverse(names)
	return names
}
