package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"foundry/bots/internal/bottest"
	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

// lockstepBench is a distbot for three architectures on a real bus.
type lockstepBench struct {
	*fixture
	bench *bottest.Bench
	stop  func()
}

func newLockstepBench(t *testing.T, limit time.Duration) *lockstepBench {
	t.Helper()
	b := bottest.New(t, definition())
	for _, topic := range []message.Topic{message.Provisions, message.Failures, message.Dists} {
		if err := trust.Allow(bot.TrustDir(b.State), string(topic), b.Sealer.Key); err != nil {
			t.Fatal(err)
		}
	}
	f := &fixture{store: b.Ports.Store, signer: newKey(t), dir: t.TempDir()}
	o, described := &options{lockstep: limit, keepFailed: time.Hour}, settings("bookworm")
	described.Arches = []string{"amd64", "arm64", "i386"}
	d := definition()
	var err error
	f.dist, err = o.open(t.Context(), &bot.Bot{
		Ports: b.Ports, Log: zerolog.Nop(), Sealer: b.Sealer, Self: message.Bot{Name: "distbot", Instance: "distbot-1", Host: "test", Endpoint: "pub/distbot", Version: "1"},
		Settings: bot.Settings{State: b.State, Watch: string(d.Watch), Publish: string(d.Publish)},
	}, described)
	if err != nil {
		t.Fatal(err)
	}
	f.trustKey(t, f.signer)
	repo, err := f.settings.Open(t.Context(), f.Bot, f.options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = repo.Close() })
	f.repo = repo
	s := &lockstepBench{fixture: f, bench: b}
	s.start(t)
	t.Cleanup(func() { s.stop() })
	return s
}

// start begins what a distbot does about held builds, until stop.
func (s *lockstepBench) start(t *testing.T) {
	t.Helper()
	var err error
	if s.lockstep, err = newLockstep(s.dist, s.Path("held", s.name), s.hold); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { s.lockstep.follow(ctx) })
	group.Go(func() { s.lockstep.run(ctx) })
	s.stop = func() { cancel(); group.Wait() }
}

// say publishes a message of the transaction named by its version.
func (s *lockstepBench) say(t *testing.T, topic message.Topic, version string, body message.Body, arch string) *message.Message {
	t.Helper()
	source := message.MakeID(message.Sources, message.TypeSource, "", version)
	m, err := message.New(s.Self, topic, "hello-20261120-231501-"+string(source[:6]), source, body, arch)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := s.Sealer.Seal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Bus.Publish(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	return m
}

// bring hands a signed build to the bot, which is to acknowledge it without an answer.
func (s *lockstepBench) bring(t *testing.T, version, arch string) *message.Message {
	t.Helper()
	sign := s.signFor(t, version, arch)
	sign.Log, sign.Built = sign.Files[0], []message.Artifact{}
	m := s.say(t, message.Signs, version, sign, arch)
	results, err := s.do(t.Context(), &bot.Job{Bot: s.Bot, Message: m, Body: sign, Log: zerolog.Nop(), Dir: t.TempDir()})
	if err != nil || len(results) != 0 {
		t.Fatalf("%v, %v, want it held back", results, err)
	}
	return m
}

func (s *lockstepBench) fails(t *testing.T, version, arch string) {
	t.Helper()
	s.say(t, message.Failures, version, &message.Failure{
		Origin:  message.Origin{Repository: "https://example.org/hello.git", Branch: "main", Ref: strings.Repeat("a", 40)},
		Package: message.Package{Source: "hello", Version: version, Codename: "bookworm"}, Architecture: arch,
		Stage: "buildbot", Class: message.ClassPackage, Reason: "does not compile",
	}, arch)
}

func (s *lockstepBench) skipped(t *testing.T, version, arch string) {
	t.Helper()
	s.say(t, message.Provisions, version, &message.Provision{
		Origin:  message.Origin{Repository: "https://example.org/hello.git", Branch: "main", Ref: strings.Repeat("a", 40)},
		Package: message.Package{Source: "hello", Version: version, Codename: "bookworm"}, Architecture: arch,
		Outcome: message.Skipped, Reason: "not for " + arch, Files: []message.Artifact{}, Time: time.Now(),
	}, arch)
}

// answered tells whether a message has an answer already.
func (s *lockstepBench) answered(t *testing.T, m *message.Message, arch string) bool {
	t.Helper()
	_, err := s.Bus.Lookup(t.Context(), message.Dists, message.MakeID(message.Dists, message.TypeDist, m.ID, arch, "test"))
	if err != nil && !errors.Is(err, bus.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

// published awaits that m is answered by a publication and returns it.
func (s *lockstepBench) published(t *testing.T, m *message.Message) *message.Dist {
	t.Helper()
	d, ok := s.bench.Await(m.ID).(*message.Dist)
	if !ok {
		t.Fatalf("%s was not published", m.ID)
	}
	return d
}

func files(d *message.Dist) (list []string) {
	for _, p := range d.Packages {
		list = append(list, filepath.Base(p.Filename))
	}
	return list
}

// TestLockstep brings the architectures of a source one after the other, with an end of the bot between
// them: nothing is published before the last is settled, and then all at once.
func TestLockstep(t *testing.T) {
	s := newLockstepBench(t, time.Hour)
	amd64 := s.bring(t, "1.0-1", "amd64")
	if jobs := s.State().Jobs; len(jobs) != 1 || jobs[0].Context != amd64.Context {
		t.Errorf("held and shown as %+v", jobs)
	}
	s.stop()
	s.start(t)
	arm64 := s.bring(t, "1.0-1", "arm64")
	if got := s.waitsFor(t, amd64); !slices.Equal(got, []string{"i386"}) || s.answered(t, amd64, "amd64") {
		t.Errorf("waits for %v, want i386", got)
	}
	index := filepath.Join(s.output, "dists/bookworm/main/binary-amd64/Packages")
	if text, err := os.ReadFile(index); err != nil || len(text) > 0 {
		t.Errorf("published before all were there (%v):\n%s", err, text)
	}
	s.skipped(t, "1.0-1", "i386")
	one, two := s.published(t, amd64), s.published(t, arm64)
	if one.Release != two.Release {
		t.Error("published one after the other, not together")
	}
	if diff := cmp.Diff([]string{"hello_1.0-1_amd64.deb", "hello_1.0-1.dsc"}, files(one)); diff != "" {
		t.Errorf("amd64 (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"hello_1.0-1_arm64.deb", "hello_1.0-1.dsc"}, files(two)); diff != "" {
		t.Errorf("arm64 (-want +got):\n%s", diff)
	}
	s.nothingHeld(t)

	// An architecture that failed is not waited for, and comes on its own when it was tried again.
	s.skipped(t, "1.0-2", "i386")
	amd64 = s.bring(t, "1.0-2", "amd64")
	s.fails(t, "1.0-2", "arm64")
	s.published(t, amd64)
	s.published(t, s.bring(t, "1.0-2", "arm64"))
	// What breaks a rule is a failure of each.
	s.skipped(t, "0.9-1", "i386")
	for _, m := range []*message.Message{s.bring(t, "0.9-1", "amd64"), s.bring(t, "0.9-1", "arm64")} {
		f, ok := s.bench.Await(m.ID).(*message.Failure)
		if !ok || f.Class != message.ClassPolicy || !strings.Contains(f.Reason, "higher version") || !strings.Contains(f.Hint, "kept in "+s.failed.dir) {
			t.Errorf("%+v, want a refusal", f)
		}
	}
	s.nothingHeld(t)
	if kept := names(t, s.failed.dir); len(kept) != 2 {
		t.Errorf("kept of the refused: %v", kept)
	}
}

// waitsFor returns which architectures a held build waits for.
func (s *lockstepBench) waitsFor(t *testing.T, m *message.Message) []string {
	t.Helper()
	body, err := m.Body()
	if err != nil {
		t.Fatal(err)
	}
	s.lockstep.mu.Lock()
	defer s.lockstep.mu.Unlock()
	return s.lockstep.missing(s.lockstep.builds(group{m.Context, body.(*message.Sign).Package}))
}

func (s *lockstepBench) nothingHeld(t *testing.T) {
	t.Helper()
	s.stop()
	entries, err := os.ReadDir(s.lockstep.dir)
	if err != nil || len(entries) > 0 || len(s.State().Jobs) > 0 {
		t.Errorf("left: %v, %v, %+v", entries, err, s.State().Jobs)
	}
	s.start(t)
}

// TestLockstepLimit publishes what has waited long enough, also when the bot was away meanwhile.
func TestLockstepLimit(t *testing.T) {
	s := newLockstepBench(t, time.Hour)
	m := s.bring(t, "1.0-1", "amd64")
	s.stop()
	path := filepath.Join(s.lockstep.dir, string(m.ID))
	text, err := json.Marshal(note{Since: time.Now().Add(-2 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, left := range []string{path + ".new", filepath.Join(s.lockstep.dir, strings.Repeat("0", 32))} {
		if err := os.WriteFile(left, []byte("half"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.start(t)
	s.published(t, m)
	s.nothingHeld(t)
}

// TestLockstepTrouble has the bus refuse the answers when the packages are in already, as a bot finds it
// that was killed there: it goes on where it was, and gives up after some tries.
func TestLockstepTrouble(t *testing.T) {
	s := newLockstepBench(t, time.Nanosecond)
	topic := s.Settings.Publish
	trouble := func(version string) (m *message.Message, g group) {
		t.Helper()
		s.stop()
		s.Settings.Publish = "nowhere"
		m = s.bring(t, version, "amd64")
		g = group{m.Context, message.Package{Source: "hello", Version: version, Codename: "bookworm"}}
		if err := s.lockstep.publish(t.Context(), g); err == nil || s.answered(t, m, "amd64") {
			t.Fatalf("%v, want trouble and no answer", err)
		}
		return m, g
	}
	m, _ := trouble("1.0-1")
	release, err := os.ReadFile(filepath.Join(s.output, "dists/bookworm/Release"))
	if err != nil {
		t.Fatal(err)
	}
	s.Settings.Publish = topic
	s.lockstep.hide()
	s.start(t)
	if d := s.published(t, m); string(d.Release) != fmt.Sprintf("%x", sha256.Sum256(release)) {
		t.Error("published a second time")
	}
	s.nothingHeld(t)

	m, g := trouble("1.0-2")
	for range bus.MaxDeliver - 1 {
		if err := s.lockstep.publish(t.Context(), g); err == nil {
			t.Error("no trouble")
		}
	}
	if f, ok := s.bench.Await(m.ID).(*message.Failure); !ok || f.Class != message.ClassInfrastructure {
		t.Errorf("%+v, want a failure of class infrastructure", f)
	}
	s.Settings.Publish = topic
	s.lockstep.hide()
	s.start(t)
	s.nothingHeld(t)
}
