package main

import (
	"encoding/json"
	"strings"
	"testing"

	"foundry/bots/foundry/transaction"

	"foundry/pkg/message"
)

// rejects reports, as the program of that name, that a message was not believed.
func (y *yard) rejects(program string, rejected *message.Message, reason string) {
	y.t.Helper()
	m, err := message.New(botSelf(program), message.Rejects, "", "", &message.Reject{
		Subject: "foundry.topic." + string(rejected.Topic) + ".hello." + string(rejected.ID), Reason: reason,
		SHA256: message.Digest(strings.Repeat("0", 64)), Size: 1, Sequence: 1,
	}, reason)
	y.ok(err)
	y.ok(y.Bus.Publish(y.t.Context(), y.raw(program, m)))
}

// TestRejectEndsATransaction sees that nobody waits for an answer to what was not believed, unless
// somebody else has believed it.
func TestRejectEndsATransaction(t *testing.T) {
	y := newYard(t)
	commit := y.announce(sampleCommit())
	state := func() (r transaction.Report) {
		y.ok(json.Unmarshal([]byte(y.must("show", commit.Context, "--json")), &r))
		return r
	}
	if r := state(); r.State != transaction.Running || len(r.Waiting) != 1 {
		t.Errorf("before: %s, waiting for %d", r.State, len(r.Waiting))
	}
	y.rejects("sourcebot", commit, "no keys may speak on commits")
	if r := state(); r.State != transaction.Failed || len(r.Waiting) != 0 {
		t.Errorf("after: %s, waiting for %d", r.State, len(r.Waiting))
	}
	out := y.must("show", commit.Context)
	for _, want := range []string{"no keys may speak on commits", "foundry retry " + commit.Context} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not told:\n%s", want, out)
		}
	}
	y.say("sourcebot", message.Failures, commit, &message.Failure{
		Origin: sampleCommit().Origin, Stage: "sourcebot", Class: message.ClassPackage, Reason: "bad",
	}, "sourcebot")
	if out := y.must("show", commit.Context); strings.Contains(out, "foundry retry "+commit.Context) {
		t.Errorf("told to retry what another has answered:\n%s", out)
	}
}
