package transaction

import (
	"encoding/json"
	"time"

	"foundry/pkg/message"
)

// Report is a transaction as JSON.
type Report struct {
	Context string    `json:"context"`
	State   string    `json:"state"`
	Seconds float64   `json:"seconds"` // from the first message to the last
	Stages  []Stage   `json:"stages"`
	Waiting []Pending `json:"waiting,omitempty"`
}

// Stage is one message of a report.
type Stage struct {
	ID      message.ID      `json:"id"`
	Parent  message.ID      `json:"parent,omitempty"`
	Topic   message.Topic   `json:"topic"`
	Time    time.Time       `json:"time"`
	Seconds float64         `json:"seconds"` // since the message that it answers
	Bot     message.Bot     `json:"bot"`
	Data    json.RawMessage `json:"data"`
}

// Pending is a step that is not done yet.
type Pending struct {
	Bot          string    `json:"bot"`
	Architecture string    `json:"architecture,omitempty"`
	Since        time.Time `json:"since"`
	WaitsFor     []string  `json:"waits_for,omitempty"` // build dependencies that have to come first
}

// Report tells of the transaction.
func (t *Transaction) Report() Report {
	r := Report{Context: t.Context, State: t.State(), Seconds: t.length().Seconds()}
	for _, e := range t.Entries {
		r.Stages = append(r.Stages, Stage{
			ID: e.Message.ID, Parent: e.Message.Parent, Topic: e.Message.Topic, Time: e.Message.Time,
			Seconds: t.Took(e).Seconds(), Bot: e.Message.Bot, Data: e.Message.Data,
		})
	}
	for _, s := range t.Waiting() {
		r.Waiting = append(r.Waiting, Pending(s))
	}
	return r
}

// length is the time from the first message to the last.
func (t *Transaction) length() time.Duration {
	if len(t.Entries) == 0 {
		return 0
	}
	first, last := t.Entries[0].Message.Time, t.Entries[0].Message.Time
	for _, e := range t.Entries {
		if e.Message.Time.Before(first) {
			first = e.Message.Time
		}
		if e.Message.Time.After(last) {
			last = e.Message.Time
		}
	}
	return last.Sub(first)
}
