package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// marker stands in what is not to be believed, so that it can be told whether it was quoted.
const marker = "MALLORY-WAS-HERE"

// startBot runs a bot on the yard's bus until the test ends.
func (y *yard) startBot(name string, args ...string) {
	y.t.Helper()
	cmd := exec.Command(program(y.t, name), append(args, "--state", y.state, "--store", y.store())...)
	log, err := os.Create(filepath.Join(y.t.TempDir(), name+".log"))
	y.ok(err)
	cmd.Stdout, cmd.Stderr = log, log
	y.ok(cmd.Start())
	y.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			content, _ := os.ReadFile(log.Name())
			y.t.Errorf("%s: %v\n%s", name, err, content)
		}
		log.Close()
	})
}

// sign seals bytes as they are with the key of a program, for a message that Seal would refuse.
func (y *yard) sign(program string, topic message.Topic, id message.ID, payload string) bus.Raw {
	y.t.Helper()
	sealer, err := bot.NewSealer(y.state, program, nil)
	y.ok(err)
	signature, err := sealer.Key.Sign([]byte(payload))
	y.ok(err)
	return bus.Raw{Topic: topic, Key: "hello", ID: id, Payload: []byte(payload), Signature: signature, Signer: sealer.Key.Fingerprint()}
}

// attacks are messages that a bot watching commits must not act on.
func (y *yard) attacks() map[string]bus.Raw {
	y.t.Helper()
	honest := func(ref string) bus.Raw {
		c := sampleCommit()
		c.Ref, c.Subject = strings.Repeat(ref, 40), marker
		m, err := message.NewCommit(botSelf("watchbot"), &c)
		y.ok(err)
		return y.raw("watchbot", m)
	}
	altered, unsigned, moved := honest("1"), honest("2"), honest("3")
	altered.Payload = []byte(strings.Replace(string(altered.Payload), "stable", "staple", 1))
	unsigned.Signature = nil
	moved.ID = message.MakeID(message.Commits, message.TypeCommit, "", "elsewhere")
	c := sampleCommit()
	c.Ref, c.Subject = strings.Repeat("4", 40), marker
	m, err := message.NewCommit(botSelf("buildbot"), &c)
	y.ok(err)
	stolen := y.raw("buildbot", m)
	id := func(s string) message.ID { return message.MakeID(message.Commits, message.TypeCommit, "", s) }
	return map[string]bus.Raw{
		"altered":                    altered,
		"unsigned":                   unsigned,
		"under another id":           moved,
		"by a key of another topic":  stolen,
		"not JSON":                   y.sign("watchbot", message.Commits, id("a"), marker),
		"not of the schema":          y.sign("watchbot", message.Commits, id("b"), `{"version":1,"subject":"`+marker+`"}`),
		"of an old version":          y.sign("watchbot", message.Commits, id("d"), strings.Replace(string(honest("5").Payload), `"version":1`, `"version":0`, 1)),
		"two truths in one envelope": y.sign("watchbot", message.Commits, id("e"), strings.Replace(string(honest("6").Payload), `{`, `{"version":1,`, 1)),
	}
}

// TestAttacksAreRejected sends a real sourcebot what it must not believe, and then what it must.
func TestAttacksAreRejected(t *testing.T) {
	y := newYard(t)
	y.startBot("sourcebot", "--codename", "acme")
	attacks := y.attacks()
	for name, raw := range attacks {
		if err := y.Bus.Publish(t.Context(), raw); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	large := y.sign("watchbot", message.Commits, "c", `{"x":"`+strings.Repeat(marker, 20_000)+`"}`)
	if err := y.Bus.Publish(t.Context(), large); err == nil {
		t.Error("a message larger than may be was published")
	}
	forged := sampleCommit()
	forged.Ref, forged.Subject = strings.Repeat("7", 40), marker
	m, err := message.NewCommit(botSelf("watchbot"), &forged)
	y.ok(err)
	y.forge(m)

	w := newWorkTree(t, newGPGHome(t), t.TempDir(), "hello")
	w.write("debian/changelog", "x")
	w.commit("Signed by nobody we know")
	w.push()
	honest := y.announce(message.Commit{
		Origin: message.Origin{Repository: w.bare, Branch: "main", Ref: w.git("rev-parse", "HEAD")}, Time: time.Now().UTC(),
	})
	if err := y.Bus.Publish(t.Context(), y.raw("watchbot", honest)); !errors.Is(err, bus.ErrDuplicate) {
		t.Errorf("replay of an honest message: %v, want %v", err, bus.ErrDuplicate)
	}
	until(t, "the answer to the honest message", func() bool { return len(y.kept(message.Failures)) > 0 })
	until(t, "the reports", func() bool { return len(y.kept(message.Rejects)) >= len(attacks)+1 })

	failures := y.kept(message.Failures)
	if len(failures) != 1 || !strings.Contains(string(failures[0].Payload), string(honest.ID)) {
		t.Errorf("%d failures, want one, of the honest message", len(failures))
	}
	if n := len(y.kept(message.Sources)); n != 0 {
		t.Errorf("%d sources of messages that were not to be believed", n)
	}
	for _, report := range y.kept(message.Rejects) {
		if strings.Contains(string(report.Payload), marker) {
			t.Errorf("report quotes what was rejected: %s", report.Payload)
		}
	}
	if n := len(y.kept(message.Rejects)); n != len(attacks)+1 {
		t.Errorf("%d reports of %d attacks", n, len(attacks)+1)
	}
	if out := y.must("tail", "rejects", "--no-follow", "--since", "1h"); !strings.Contains(out, "signature") {
		t.Errorf("foundry tail does not show the rejects: %s", out)
	}
}

// kept returns the messages of a topic.
func (y *yard) kept(topic message.Topic) (raws []bus.Raw) {
	y.t.Helper()
	y.ok(y.Bus.Tail(y.t.Context(), bus.Filter{Topics: []message.Topic{topic}}, func(raw bus.Raw) error {
		raws = append(raws, raw)
		return nil
	}))
	return raws
}
