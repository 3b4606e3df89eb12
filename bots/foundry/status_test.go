package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

// join makes a bot findable until the test ends.
func (y *yard) join(program, arch, state string) {
	y.t.Helper()
	s := bus.State{
		Instance: bot.NewInstance(program), Bot: program, PID: os.Getpid(), Host: "yard", Endpoint: strings.TrimSuffix("pub/"+program+"_"+arch, "_"),
		State: state, Since: time.Now().UTC(), Arch: arch, Version: bot.Version,
	}
	y.ok(y.Herd.Join(y.t.Context(), s.Instance, func() bus.State { return s }, func(bus.Raw) error { return nil }))
}

func TestStatus(t *testing.T) {
	y := newYard(t)
	status, out, _ := y.cli("status")
	if status != 1 || !strings.Contains(out, "✗ no buildbot is alive") {
		t.Errorf("without bots: exit status %d, %q", status, out)
	}
	for _, program := range []string{"watchbot", "sourcebot", "signbot", "distbot"} {
		y.join(program, "", "idle")
	}
	y.join("provisionbot", "amd64", "idle")
	y.join("provisionbot", "arm64", "idle")
	y.join("buildbot", "amd64", "busy")
	y.join("buildbot", "amd64", "idle")
	status, out, _ = y.cli("status")
	if status != 1 || strings.Count(out, "✗") != 1 || !strings.Contains(out, "✗ no buildbot for arm64 is alive") {
		t.Errorf("without a buildbot for arm64: exit status %d, %q", status, out)
	}
	y.join("buildbot", "arm64", "idle")

	commit := y.announce(sampleCommit())
	for i := range 7 {
		f := sampleFailure(sampleCommit().Origin)
		f.Reason = fmt.Sprintf("trouble %d", i)
		y.say("sourcebot", message.Failures, commit, f, fmt.Sprint(i))
	}
	y.say("sourcebot", message.Rejects, &message.Message{}, &message.Reject{
		Subject: "foundry.topic.commits.x.y", Reason: "no signature", SHA256: message.Digest(strings.Repeat("0", 64)), Size: 1, Sequence: 1,
	})
	out = y.must("status")
	for _, part := range []string{"bus        nats://", ", 9 messages", "pub/buildbot_amd64", "1 busy, 1 idle", "trouble 6", "trouble 2", "no signature", "every step of the pipeline has a bot"} {
		if !strings.Contains(out, part) {
			t.Errorf("status lacks %q:\n%s", part, out)
		}
	}
	if strings.Contains(out, "trouble 1") {
		t.Errorf("more than the last failures:\n%s", out)
	}
	var st struct {
		Bus       statusBus
		Endpoints []statusEndpoint
		Failures  []statusEntry
		Problems  []string
	}
	y.ok(json.Unmarshal([]byte(y.must("status", "--json")), &st))
	if !st.Bus.Reachable || st.Bus.Messages != 9 || len(st.Endpoints) != 8 || len(st.Failures) != statusLast || len(st.Problems) != 0 {
		t.Errorf("as JSON: %+v", st)
	}
}

func TestStatusWithoutBus(t *testing.T) {
	state := t.TempDir()
	status, out, errs := outside(state, "status", "--json")
	var st status0
	if err := json.Unmarshal([]byte(out), &st); err != nil || status != 1 || st.Bus.Reachable || st.Bus.Problem == "" {
		t.Errorf("no bus: exit status %d, %v, %q", status, err, out)
	}
	if !strings.Contains(errs, "hint: start one with") {
		t.Errorf("no bus: %q", errs)
	}
}

// status0 is the part of the answer that is there without a bus.
type status0 struct{ Bus statusBus }

func TestKeyStatus(t *testing.T) {
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	key := func(print string, expires time.Time, revoked bool) trust.KeyInfo {
		return trust.KeyInfo{Fingerprint: print, Expires: expires, Revoked: revoked}
	}
	soon, later, gone := now.Add(24*time.Hour), now.Add(400*24*time.Hour), now.Add(-time.Hour)
	got := keyStatus([]trusted{
		{"commits", []trust.KeyInfo{key("A", time.Time{}, false), key("B", later, false)}},
		{"sources", []trust.KeyInfo{key("A", time.Time{}, false), key("C", gone, false), key("D", time.Time{}, true)}},
		{"builds", []trust.KeyInfo{key("E", soon, false)}},
	}, now)
	want := statusKeys{
		Trusted:  5,
		Expiring: []statusKey{{"sources", key("C", gone, false)}, {"sources", key("D", time.Time{}, true)}, {"builds", key("E", soon, false)}},
		Next:     &soon,
		Missing:  []string{"provisions", "signs", "dists"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestUnserved(t *testing.T) {
	signed := map[message.ID]string{"1": "sid", "2": "sid", "3": "bookworm", "4": "experimental"}
	for name, c := range map[string]struct {
		states []bus.State
		want   []string
	}{
		"no distbot": {nil, []string{
			"1 signed builds are for bookworm, which no distbot that is alive has as --codename",
			"1 signed builds are for experimental, which no distbot that is alive has as --codename",
			"2 signed builds are for sid, which no distbot that is alive has as --codename",
		}},
		"two and a standby": {[]bus.State{
			{Bot: "distbot", State: "idle", Serves: []string{"bookworm", "trixie"}},
			{Bot: "distbot", State: "standby"},
			{Bot: "distbot", State: "busy", Serves: []string{"sid"}},
			{Bot: "signbot", State: "idle"},
		}, []string{"1 signed builds are for experimental, which no distbot that is alive has as --codename"}},
		"one that does not say": {[]bus.State{{Bot: "distbot", State: "idle"}}, nil},
	} {
		if diff := cmp.Diff(c.want, unserved(signed, c.states)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
