package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foundry/bots/internal/wire"
	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/bus/jetstream"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

// yard is a foundry without bots: a state folder with all keys, and a bus.
type yard struct {
	t *testing.T
	*session
	state string
}

// newYard starts the bus of a new state folder. args are more flags for the connection.
func newYard(t *testing.T) *yard {
	t.Helper()
	y := &yard{t: t, state: filepath.Join(t.TempDir(), "state")}
	users, err := prepareKeys(y.state)
	y.ok(err)
	server, err := jetstream.StartServer(jetstream.ServerOptions{Dir: filepath.Join(y.state, "bus"), Users: users})
	y.ok(err)
	t.Cleanup(server.Shutdown)
	y.ok(os.MkdirAll(filepath.Dir(bot.BusFile(y.state)), 0o755))
	y.ok(os.WriteFile(bot.BusFile(y.state), []byte(server.URL()+"\n"), 0o644))
	c := y.client(io.Discard)
	y.session, err = c.open(t.Context())
	y.ok(err)
	t.Cleanup(y.session.close)
	return y
}

func (y *yard) ok(err error) {
	y.t.Helper()
	if err != nil {
		y.t.Fatal(err)
	}
}

// client is one that uses the yard's state folder and, for artifacts, a folder in it.
func (y *yard) client(out io.Writer) *client {
	return &client{
		Settings: bot.Settings{State: y.state, Store: y.store()}, connect: wire.Connect, out: out, errs: y.t.Output(),
	}
}

func (y *yard) store() string { return "folder:" + filepath.Join(y.state, "store") }

// cli runs the program as a person would.
func (y *yard) cli(args ...string) (status int, out, errs string) {
	y.t.Helper()
	var stdout, stderr bytes.Buffer
	status = run(append(args, "--state", y.state, "--store", y.store()), &stdout, &stderr)
	return status, stdout.String(), stderr.String()
}

// must runs the program, which is to end with status 0.
func (y *yard) must(args ...string) string {
	y.t.Helper()
	status, out, errs := y.cli(args...)
	if status != 0 {
		y.t.Fatalf("foundry %s: exit status %d\n%s%s", strings.Join(args, " "), status, out, errs)
	}
	return out
}

func botSelf(program string) message.Bot {
	return message.Bot{Name: program, Instance: program + "-1", Host: "yard", Endpoint: "pub/" + program, Version: bot.Version}
}

// raw seals a message as the program of that name.
func (y *yard) raw(program string, m *message.Message) bus.Raw {
	y.t.Helper()
	sealer, err := bot.NewSealer(y.state, program, nil)
	y.ok(err)
	raw, err := sealer.Seal(m)
	y.ok(err)
	return raw
}

// say publishes an answer to parent as the program of that name.
func (y *yard) say(program string, topic message.Topic, parent *message.Message, body message.Body, siblings ...string) *message.Message {
	y.t.Helper()
	m, err := message.New(botSelf(program), topic, parent.Context, parent.ID, body, siblings...)
	y.ok(err)
	y.ok(y.Bus.Publish(y.t.Context(), y.raw(program, m)))
	return m
}

// announce publishes a commit.
func (y *yard) announce(c message.Commit) *message.Message {
	y.t.Helper()
	m, err := message.NewCommit(botSelf("watchbot"), &c)
	y.ok(err)
	y.ok(y.Bus.Publish(y.t.Context(), y.raw("watchbot", m)))
	return m
}

// forge publishes a message that nobody believes: with a key of its own.
func (y *yard) forge(m *message.Message) {
	y.t.Helper()
	key, err := trust.Generate("mallory")
	y.ok(err)
	payload, err := m.Encode()
	y.ok(err)
	signature, err := key.Sign(payload)
	y.ok(err)
	body, err := m.Body()
	y.ok(err)
	y.ok(y.Bus.Publish(y.t.Context(), bus.Raw{
		Topic: m.Topic, Key: message.SafeKey(body.SubjectKey()), ID: m.ID,
		Payload: payload, Signature: signature, Signer: key.Fingerprint(),
	}))
}

// sampleCommit is one of a repository that does not exist.
func sampleCommit() message.Commit {
	return message.Commit{
		Origin:  message.Origin{Repository: "/srv/git/hello.git", Branch: "stable", Ref: strings.Repeat("ab", 20)},
		Subject: "Say hello", Time: time.Date(2026, 11, 20, 23, 15, 1, 0, time.UTC),
	}
}

func sampleFailure(origin message.Origin) *message.Failure {
	return &message.Failure{
		Origin: origin, Package: message.Package{Source: "hello", Version: "1.0-1", Codename: "stable"},
		Architecture: "amd64", Stage: "sourcebot", Class: message.ClassPackage, Reason: "debian/changelog is empty", Hint: "write one",
	}
}

func TestTailFilter(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name    string
		o       tailing
		args    []string
		want    bus.Filter
		problem string
		hint    string
	}{
		{name: "default", o: tailing{follow: true}, want: bus.Filter{New: true, Follow: true}},
		{name: "all that is kept", o: tailing{follow: true, noFollow: true}, want: bus.Filter{}},
		{name: "follow=false", o: tailing{}, want: bus.Filter{}},
		{name: "duration", o: tailing{since: "90m", follow: true}, want: bus.Filter{Since: now.Add(-90 * time.Minute), Follow: true}},
		{
			name: "time", o: tailing{since: "2026-11-20T23:15:00Z"}, args: []string{"builds", "signs", "builds"},
			want: bus.Filter{Since: time.Date(2026, 11, 20, 23, 15, 0, 0, time.UTC), Topics: []message.Topic{"builds", "signs"}},
		},
		{name: "topic", args: []string{"bilds"}, problem: `no such topic "bilds"`, hint: `did you mean "builds"?`},
		{name: "control is not kept", args: []string{"control"}, problem: `no such topic "control"`, hint: "known are commits, sources, provisions, builds, tests, signs, dists, failures and rejects"},
		{name: "negative", o: tailing{since: "-1h"}, problem: `--since "-1h": neither a duration nor a time`, hint: "give one such as 90m or 24h, or 2026-11-20T23:15:00Z"},
		{name: "date", o: tailing{since: "yesterday"}, problem: `--since "yesterday": neither a duration nor a time`, hint: "give one such as 90m or 24h, or 2026-11-20T23:15:00Z"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.o.filter(test.args, now)
			if test.problem != "" {
				if err == nil || err.Error() != test.problem || bot.HintOf(err) != test.hint {
					t.Fatalf("got %v (hint %q), want %s (hint %q)", err, bot.HintOf(err), test.problem, test.hint)
				}
				if status := bot.Report(io.Discard, "foundry", err); status != bot.ExitUsage {
					t.Errorf("exit status %d", status)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTail(t *testing.T) {
	y := newYard(t)
	commit := y.announce(sampleCommit())
	y.say("sourcebot", message.Failures, commit, sampleFailure(sampleCommit().Origin), "sourcebot")
	secret := sampleCommit()
	secret.Count, secret.Subject = 1, "do not show this"
	forged, err := message.NewCommit(botSelf("watchbot"), &secret)
	y.ok(err)
	y.forge(forged)

	lines := strings.Split(strings.TrimSpace(y.must("tail", "--no-follow")), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines: %q", len(lines), lines)
	}
	for i, parts := range [][]string{
		{"commits", commit.Context, "/srv/git/hello.git#stable abababab", "Say hello", "(watchbot-1)"},
		{"failures", commit.Context, "hello 1.0-1 stable amd64 sourcebot (package): debian/changelog is empty", "(sourcebot-1)"},
		{"commits", "rejected foundry.topic.commits.hello." + string(forged.ID), "may not speak on commits"},
	} {
		for _, part := range parts {
			if !strings.Contains(lines[i], part) {
				t.Errorf("line %d lacks %q: %s", i, part, lines[i])
			}
		}
	}
	if strings.Contains(lines[2], "do not show this") {
		t.Errorf("content of a message that is not believed: %s", lines[2])
	}
	if out := y.must("tail", "--no-follow", "failures"); strings.Count(out, "\n") != 1 {
		t.Errorf("tail failures: %q", out)
	}
	if out := y.must("tail", "--no-follow", "--since", "2100-01-01T00:00:00Z"); out != "" {
		t.Errorf("tail of the future: %q", out)
	}
}

func TestTailJSON(t *testing.T) {
	y := newYard(t)
	commit := y.announce(sampleCommit())
	other := sampleCommit()
	other.Count = 1
	forged, err := message.NewCommit(botSelf("watchbot"), &other)
	y.ok(err)
	y.forge(forged)
	lines := strings.Split(strings.TrimSpace(y.must("tail", "--no-follow", "--json")), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines: %q", len(lines), lines)
	}
	var m message.Message
	y.ok(json.Unmarshal([]byte(lines[0]), &m))
	if diff := cmp.Diff(*commit, m); diff != "" {
		t.Error(diff)
	}
	var rejected struct{ Rejected message.Reject }
	y.ok(json.Unmarshal([]byte(lines[1]), &rejected))
	if r := rejected.Rejected; r.Sequence != 2 || r.Size == 0 || len(r.SHA256) != 64 || !strings.Contains(r.Reason, "may not speak on commits") {
		t.Errorf("rejected: %+v", r)
	}
	if strings.Contains(lines[1], "Say hello") {
		t.Errorf("content of a message that is not believed: %s", lines[1])
	}
}

// What is there already is not shown, what comes is.
func TestTailFollow(t *testing.T) {
	y := newYard(t)
	y.announce(sampleCommit())
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := y.client(w).tail(ctx, bus.Filter{New: true, Follow: true})
		w.Close()
		ended <- err
	}()
	seen := make(chan string)
	go func() {
		defer close(seen)
		for lines := bufio.NewScanner(r); lines.Scan(); {
			seen <- lines.Text()
		}
	}()
	var first string
	for count := 1; first == ""; count++ { // until tail listens
		c := sampleCommit()
		c.Count, c.Subject = count, fmt.Sprintf("rebuild %d", count)
		y.announce(c)
		select {
		case first = <-seen:
		case err := <-ended:
			t.Fatalf("tail ended: %v", err)
		default:
		}
	}
	cancel()
	for range seen { // what was on its way
	}
	if err := <-ended; err != nil {
		t.Errorf("tail ended with %v", err)
	}
	if !strings.Contains(first, "rebuild") {
		t.Errorf("first line is an old message: %s", first)
	}
}

func TestCompleteTopics(t *testing.T) {
	got, _ := completeTopics(nil, []string{"sources"}, "s")
	if diff := cmp.Diff([]string{"signs"}, got); diff != "" {
		t.Error(diff)
	}
}
