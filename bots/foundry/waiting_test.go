package main

import (
	"encoding/json"
	"strings"
	"testing"

	"foundry/bots/foundry/transaction"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/message"
)

// TestWaitingIsShown has a package wait for another on one architecture, and then go on.
func TestWaitingIsShown(t *testing.T) {
	y := newYard(t)
	commit := y.announce(sampleCommit())
	made := &message.Source{
		Origin: sampleCommit().Origin, Package: message.Package{Source: "hello", Version: "1.0", Codename: "bookworm"},
		Format: "3.0 (native)", Architectures: []string{"any"}, IndepArchitecture: "amd64", Time: sampleCommit().Time,
		Files: []message.Artifact{{Name: "hello_1.0.dsc", Size: 1, SHA256: message.Digest(strings.Repeat("0", 64))}},
	}
	source := y.say("sourcebot", message.Sources, commit, made, "bookworm")
	answer := func(arch, outcome string, siblings ...string) {
		p := &message.Provision{
			Origin: sampleCommit().Origin, Package: made.Package, Architecture: arch, Outcome: outcome,
			Files: []message.Artifact{}, Time: sampleCommit().Time,
		}
		if outcome == message.Waiting {
			p.WaitsFor = []string{"liba (>= 2)", "libb"}
		}
		y.say("provisionbot", message.Provisions, source, p, append([]string{arch}, siblings...)...)
	}
	show := func() (r transaction.Report) {
		y.ok(json.Unmarshal([]byte(y.must("show", commit.Context, "--json")), &r))
		return r
	}
	answer("arm64", message.Skipped)
	answer("amd64", message.Waiting, "waiting")
	r := show()
	if r.State != transaction.Running || len(r.Waiting) != 1 || r.Waiting[0].Architecture != "amd64" ||
		!cmp.Equal(r.Waiting[0].WaitsFor, []string{"liba (>= 2)", "libb"}) {
		t.Errorf("state %s, waiting %+v", r.State, r.Waiting)
	}
	const words = "waiting for liba (>= 2), libb"
	for _, args := range [][]string{{"show", commit.Context}, {"tail", "--no-follow"}} {
		if out := y.must(args...); !strings.Contains(out, words) {
			t.Errorf("%s does not tell:\n%s", args[0], out)
		}
	}
	_, out, _ := y.cli("status")
	if !strings.Contains(out, words) || !strings.Contains(out, "waiting for other packages") {
		t.Errorf("status does not tell:\n%s", out)
	}
	answer("amd64", message.Skipped)
	if r := show(); r.State != transaction.Skipped || len(r.Waiting) != 0 {
		t.Errorf("state %s, waiting %+v", r.State, r.Waiting)
	}
	if _, out, _ := y.cli("status"); strings.Contains(out, words) {
		t.Errorf("status still tells:\n%s", out)
	}
}
