// Package transaction puts the messages of a transaction together to the tree that one commit or upload has grown
// into, and tells how far that is.
package transaction

import (
	"slices"
	"strings"
	"time"

	"foundry/pkg/message"
)

// The states of a transaction.
const (
	Running   = "running"
	Published = "published"
	Failed    = "failed"
	Skipped   = "skipped" // no architecture builds it
)

// Entry is one verified message of a transaction.
type Entry struct {
	Message *message.Message
	Body    message.Body
}

// Transaction is the tree of messages that one commit or upload has grown into. It is filled in the order of
// the bus.
type Transaction struct {
	Context string
	Entries []Entry
	// Architectures are those that some bot provisions for, so each source is to be answered for
	// each of them; empty where nobody is known.
	Architectures []string
}

// Find returns the message of that id, or nil.
func (t *Transaction) Find(id message.ID) *Entry {
	for i := range t.Entries {
		if t.Entries[i].Message.ID == id {
			return &t.Entries[i]
		}
	}
	return nil
}

// Answers returns the messages that answer id.
func (t *Transaction) Answers(id message.ID) (answers []Entry) {
	for _, e := range t.Entries {
		if e.Message.Parent == id && e.Message.Topic != message.Rejects {
			answers = append(answers, e)
		}
	}
	return answers
}

// Took is the time between a message and the one that it answers.
func (t *Transaction) Took(e Entry) time.Duration {
	if parent := t.Find(e.Message.Parent); parent != nil {
		return e.Message.Time.Sub(parent.Message.Time)
	}
	return 0
}

// Commit is the message that began the transaction, or nil.
func (t *Transaction) Commit() *message.Commit {
	for _, e := range t.Entries {
		if c, ok := e.Body.(*message.Commit); ok {
			return c
		}
	}
	return nil
}

// Upload is the message that began the transaction where that was an Upload, or nil.
func (t *Transaction) Upload() *message.Source {
	for _, e := range t.Entries {
		if s, ok := e.Body.(*message.Source); ok && s.Uploaded() {
			return s
		}
	}
	return nil
}

// Rejects are the reports of messages of the transaction that were not believed and that nobody
// has answered either, so that they end there.
func (t *Transaction) Rejects() (all []Entry) {
	for _, e := range t.Entries {
		r, ok := e.Body.(*message.Reject)
		if ok && len(t.Answers(SubjectID(r))) == 0 {
			all = append(all, e)
		}
	}
	return all
}

// SubjectID is the id of the message that was rejected: the last part of its subject.
func SubjectID(r *message.Reject) message.ID {
	return message.ID(r.Subject[strings.LastIndexByte(r.Subject, '.')+1:])
}

// rejected tells whether a message ended in a reject.
func (t *Transaction) rejected(id message.ID) bool {
	return slices.ContainsFunc(t.Rejects(), func(e Entry) bool { return SubjectID(e.Body.(*message.Reject)) == id })
}

// Failures are those of the transaction.
func (t *Transaction) Failures() (all []*message.Failure) {
	for _, e := range t.Entries {
		if f, ok := e.Body.(*message.Failure); ok {
			all = append(all, f)
		}
	}
	return all
}

// State tells how far the transaction is. It has ended when every message that asks for an answer
// has one.
func (t *Transaction) State() string {
	published := false
	for _, e := range t.Entries {
		if len(t.pending(e)) > 0 {
			return Running
		}
		if e.Message.Type == message.TypeDist {
			published = true
		}
	}
	switch {
	case len(t.Entries) == 0:
		return Running
	case len(t.Failures()) > 0, len(t.Rejects()) > 0:
		return Failed
	case published:
		return Published
	}
	return Skipped
}

// Step is work that a message asks for and nobody has answered yet.
type Step struct {
	Bot          string
	Architecture string
	Since        time.Time
	WaitsFor     []string // build dependencies that have to come first
}

// pending returns what e asks for and has not got.
func (t *Transaction) pending(e Entry) []Step {
	answers := t.Answers(e.Message.ID)
	if t.rejected(e.Message.ID) {
		return nil
	}
	next := func(bot, architecture string) []Step {
		if len(answers) > 0 {
			return nil
		}
		return []Step{{Bot: bot, Architecture: architecture, Since: e.Message.Time}}
	}
	switch body := e.Body.(type) {
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
func (t *Transaction) unprovisioned(e Entry, answers []Entry) (steps []Step) {
	if len(answers) == 0 && len(t.Architectures) == 0 {
		return []Step{{Bot: "provisionbot", Since: e.Message.Time}}
	}
	waiting, ended := map[string]Entry{}, map[string]bool{}
	arches := slices.Clone(t.Architectures)
	for _, a := range answers {
		arch := message.About(a.Body).Architecture
		if p, ok := a.Body.(*message.Provision); ok && p.Outcome == message.Waiting {
			waiting[arch] = a
			arches = append(arches, arch)
		} else {
			ended[arch] = true
		}
	}
	slices.Sort(arches)
	for _, arch := range slices.Compact(arches) {
		s := Step{Bot: "provisionbot", Architecture: arch, Since: e.Message.Time}
		if w, ok := waiting[arch]; ok {
			s.Since, s.WaitsFor = w.Message.Time, w.Body.(*message.Provision).WaitsFor
		}
		if !ended[arch] {
			steps = append(steps, s)
		}
	}
	return steps
}

// Waiting returns all that is pending.
func (t *Transaction) Waiting() (steps []Step) {
	for _, e := range t.Entries {
		steps = append(steps, t.pending(e)...)
	}
	return steps
}
