package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// The states of a transaction.
const (
	stateRunning   = "running"
	statePublished = "published"
	stateFailed    = "failed"
	stateSkipped   = "skipped" // no architecture builds it
)

// entry is one verified message of a transaction.
type entry struct {
	message *message.Message
	body    message.Body
}

// transaction is the tree of messages that one commit or upload has grown into. It is filled in the order of
// the bus.
type transaction struct {
	context string
	entries []entry
	// architectures are those that some bot provisions for, so each source is to be answered for
	// each of them; empty where nobody is known.
	architectures []string
}

func (t *transaction) find(id message.ID) *entry {
	for i := range t.entries {
		if t.entries[i].message.ID == id {
			return &t.entries[i]
		}
	}
	return nil
}

// answers returns the messages that answer id.
func (t *transaction) answers(id message.ID) (answers []entry) {
	for _, e := range t.entries {
		if e.message.Parent == id && e.message.Topic != message.Rejects {
			answers = append(answers, e)
		}
	}
	return answers
}

// took is the time between a message and the one that it answers.
func (t *transaction) took(e entry) time.Duration {
	if parent := t.find(e.message.Parent); parent != nil {
		return e.message.Time.Sub(parent.message.Time)
	}
	return 0
}

// commit is the message that began the transaction, or nil.
func (t *transaction) commit() *message.Commit {
	for _, e := range t.entries {
		if c, ok := e.body.(*message.Commit); ok {
			return c
		}
	}
	return nil
}

// upload is the message that began the transaction where that was an upload, or nil.
func (t *transaction) upload() *message.Source {
	for _, e := range t.entries {
		if s, ok := e.body.(*message.Source); ok && s.Uploaded() {
			return s
		}
	}
	return nil
}

// rejects are the reports of messages of the transaction that were not believed and that nobody
// has answered either, so that they end there.
func (t *transaction) rejects() (all []entry) {
	for _, e := range t.entries {
		r, ok := e.body.(*message.Reject)
		if ok && len(t.answers(subjectID(r))) == 0 {
			all = append(all, e)
		}
	}
	return all
}

// subjectID is the id of the message that was rejected: the last part of its subject.
func subjectID(r *message.Reject) message.ID {
	return message.ID(r.Subject[strings.LastIndexByte(r.Subject, '.')+1:])
}

// rejected tells whether a message ended in a reject.
func (t *transaction) rejected(id message.ID) bool {
	return slices.ContainsFunc(t.rejects(), func(e entry) bool { return subjectID(e.body.(*message.Reject)) == id })
}

// failures are those of the transaction.
func (t *transaction) failures() (all []*message.Failure) {
	for _, e := range t.entries {
		if f, ok := e.body.(*message.Failure); ok {
			all = append(all, f)
		}
	}
	return all
}

// state tells how far the transaction is. It has ended when every message that asks for an answer
// has one.
func (t *transaction) state() string {
	published := false
	for _, e := range t.entries {
		if len(t.pending(e)) > 0 {
			return stateRunning
		}
		if e.message.Type == message.TypeDist {
			published = true
		}
	}
	switch {
	case len(t.entries) == 0:
		return stateRunning
	case len(t.failures()) > 0, len(t.rejects()) > 0:
		return stateFailed
	case published:
		return statePublished
	}
	return stateSkipped
}

// step is work that a message asks for and nobody has answered yet.
type step struct {
	bot          string
	architecture string
	since        time.Time
	waitsFor     []string // build dependencies that have to come first
}

// pending returns what e asks for and has not got.
func (t *transaction) pending(e entry) []step {
	answers := t.answers(e.message.ID)
	if t.rejected(e.message.ID) {
		return nil
	}
	next := func(bot, architecture string) []step {
		if len(answers) > 0 {
			return nil
		}
		return []step{{bot: bot, architecture: architecture, since: e.message.Time}}
	}
	switch body := e.body.(type) {
	case *message.Commit:
		return next("sourcebot", "")
	case *message.Source:
		return t.unprovisioned(e, answers)
	case *message.Provision:
		if body.Outcome != message.Ready {
			return nil // what waits is pending of its source
		}
		return next("buildbot", body.Architecture)
	case *message.Build:
		return next("signbot", body.Architecture)
	case *message.Sign:
		return next("distbot", body.Architecture)
	}
	return nil
}

// unprovisioned returns the architectures for which a source has not got its last answer yet.
func (t *transaction) unprovisioned(e entry, answers []entry) (steps []step) {
	if len(answers) == 0 && len(t.architectures) == 0 {
		return []step{{bot: "provisionbot", since: e.message.Time}}
	}
	waiting, ended := map[string]entry{}, map[string]bool{}
	arches := slices.Clone(t.architectures)
	for _, a := range answers {
		arch := message.About(a.body).Architecture
		if p, ok := a.body.(*message.Provision); ok && p.Outcome == message.Waiting {
			waiting[arch] = a
			arches = append(arches, arch)
		} else {
			ended[arch] = true
		}
	}
	slices.Sort(arches)
	for _, arch := range slices.Compact(arches) {
		s := step{bot: "provisionbot", architecture: arch, since: e.message.Time}
		if w, ok := waiting[arch]; ok {
			s.since, s.waitsFor = w.message.Time, w.body.(*message.Provision).WaitsFor
		}
		if !ended[arch] {
			steps = append(steps, s)
		}
	}
	return steps
}

// waiting returns all that is pending.
func (t *transaction) waiting() (steps []step) {
	for _, e := range t.entries {
		steps = append(steps, t.pending(e)...)
	}
	return steps
}

// errEnded ends the tailing of a transaction.
var errEnded = errors.New("transaction has ended")

// openTransaction connects to the foundry and reads what is kept of a transaction. The session is to be closed.
func (c *client) openTransaction(ctx context.Context, name string) (*session, *transaction, error) {
	s, err := c.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	t, err := s.load(ctx, name)
	if err != nil {
		s.close()
		return nil, nil, err
	}
	return s, t, nil
}

// load reads what is kept of a transaction.
func (s *session) load(ctx context.Context, name string) (*transaction, error) {
	t := &transaction{context: name, architectures: s.architectures(ctx)}
	var others []string
	err := s.Bus.Tail(ctx, bus.Filter{}, func(raw bus.Raw) error {
		if !s.take(t, raw) && begins(raw) {
			others = append(others, s.contextOf(raw))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read transaction %s: %w", name, err)
	}
	if len(t.entries) == 0 {
		return nil, bot.Hint(fmt.Errorf("no transaction %q is kept", name), bot.Nearest(name, others))
	}
	return t, nil
}

// take adds a message to the transaction if it belongs there and was not there yet.
func (s *session) take(t *transaction, raw bus.Raw) bool {
	if raw.Topic != message.Rejects && !bytes.Contains(raw.Payload, []byte(t.context)) {
		return false // without the cost of a verification
	}
	m, body, err := s.sealer.Open(raw)
	if err != nil || t.find(m.ID) != nil {
		return false
	}
	if r, ok := body.(*message.Reject); ok && t.find(subjectID(r)) == nil || !ok && m.Context != t.context {
		return false
	}
	t.entries = append(t.entries, entry{m, body})
	return true
}

func (s *session) contextOf(raw bus.Raw) string {
	m, _, err := s.sealer.Open(raw)
	if err != nil {
		return ""
	}
	return m.Context
}

// follow reads the transaction and what comes, and calls changed after each message of it, until
// it has ended or ctx does.
func (s *session) follow(ctx context.Context, name string, changed func(*transaction, entry)) (*transaction, error) {
	t := &transaction{context: name, architectures: s.architectures(ctx)}
	err := s.Bus.Tail(ctx, bus.Filter{Follow: true}, func(raw bus.Raw) error {
		if !s.take(t, raw) {
			return nil
		}
		changed(t, t.entries[len(t.entries)-1])
		if t.state() != stateRunning {
			return errEnded
		}
		return nil
	})
	if errors.Is(err, errEnded) {
		return t, nil
	}
	if err == nil {
		err = ctx.Err()
	}
	return t, err
}

// architectures lists those that bots alive provision for.
func (s *session) architectures(ctx context.Context) (all []string) {
	states, err := bot.ListBots(ctx, s.Herd)
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

// begins tells whether a message answers none, so that it begins a transaction: a commit, an upload, or
// the refusal of one.
func begins(raw bus.Raw) bool {
	return raw.Topic != message.Rejects && !bytes.Contains(raw.Payload, []byte(`"parent":"`))
}

// contexts lists the transactions that are kept and begin with prefix, the newest first.
func (s *session) contexts(ctx context.Context, prefix string) (names []string) {
	topics := []message.Topic{message.Commits, message.Sources, message.Failures}
	_ = s.Bus.Tail(ctx, bus.Filter{Topics: topics}, func(raw bus.Raw) error {
		if !begins(raw) {
			return nil
		}
		if name := s.contextOf(raw); name != "" && strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
		return nil
	}) // completion offers what it has got
	slices.Reverse(names)
	return names
}
