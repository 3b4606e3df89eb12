package main

import (
	"testing"

	"foundry/bots/foundry/transaction"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/bus"
)

func TestTroubles(t *testing.T) {
	states := []bus.State{
		{Instance: "provisionbot-1", Bot: "provisionbot", Arch: "amd64", LastError: "2026-11-21T00:00:00Z hello-1: no space left"},
		{Instance: "sourcebot-1", Bot: "sourcebot", LastError: "2026-11-21T00:00:00Z other-2: not ours"},
		{Instance: "buildbot-1", Bot: "buildbot", Arch: "i386"},
	}
	waiting := []transaction.Step{{Bot: "sourcebot"}, {Bot: "provisionbot", Architecture: "amd64"}, {Bot: "buildbot", Architecture: "amd64"}}
	want := []string{
		"provisionbot-1 will try again: no space left",
		"a step waits: there is no buildbot amd64",
	}
	if diff := cmp.Diff(want, troubles("hello-1", states, waiting)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
