package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// scribe fills a ledger with what bots might have said.
type scribe struct {
	*ledger
	sequence uint64
}

func newScribe() *scribe { return &scribe{ledger: newLedger()} }

func (s *scribe) say(topic message.Topic, context string, parent message.ID, body message.Body, siblings ...string) message.ID {
	s.sequence++
	m := &message.Message{
		ID: message.MakeID(topic, body.Type(), parent, append([]string{context}, siblings...)...), Context: context, Parent: parent, Time: time.Now(),
	}
	s.take(bus.Raw{Topic: topic, Sequence: s.sequence, Stored: time.Now()}, m, body)
	return m.ID
}

// source is a package that makes "lib" and its name, for the given architectures.
func (s *scribe) source(name string, architectures ...string) message.ID {
	b := source(name, "", architectures...)
	b.Binaries = []string{"lib" + name}
	return s.say(message.Sources, name, "", b)
}

func (s *scribe) waits(name, arch string, relations ...string) {
	b := source(name, "", "any")
	s.say(message.Provisions, name, "", &message.Provision{
		Package: b.Package, Architecture: arch, Outcome: message.Waiting, WaitsFor: relations,
	}, arch, waitingSibling)
}

func (s *scribe) fails(name, arch, reason string) {
	s.say(message.Failures, name, "", &message.Failure{Package: source(name, "").Package, Architecture: arch, Reason: reason}, arch)
}

// told is what is told of a package's circle.
func (s *scribe) told(name, arch string) string {
	for _, w := range s.waiters(arch) {
		if w.Package.Source == name {
			return strings.TrimPrefix(s.circle(w, time.Now()), circleReason)
		}
	}
	return "does not wait"
}

func TestCircle(t *testing.T) {
	const two = "aa waits for libbb of bb, bb waits for libaa of aa"
	for _, test := range []struct {
		name string
		fill func(s *scribe)
		aa   string // told of aa on amd64
	}{
		{"Two", func(*scribe) {}, two},
		{"AnotherBringsIt", func(s *scribe) {
			b := source("cc", "", "any")
			b.Binaries = []string{"libaa"}
			s.say(message.Sources, "cc", "", b)
		}, ""},
		{"AnotherHasBroughtIt", func(s *scribe) {
			s.say(message.Dists, "cc", "", &message.Dist{
				Package: source("cc", "").Package, Packages: []message.Published{{Package: "libaa", Version: "1", Architecture: "all"}},
			})
		}, ""},
		{"AnotherHasBroughtItElsewhere", func(s *scribe) {
			s.say(message.Dists, "cc", "", &message.Dist{
				Package: source("cc", "").Package, Packages: []message.Published{{Package: "libaa", Version: "1", Architecture: "i386"}},
			})
		}, two},
		{"AnotherFailed", func(s *scribe) {
			b := source("cc", "", "any")
			b.Binaries = []string{"libaa"}
			s.say(message.Sources, "cc", "", b)
			s.fails("cc", "amd64", "x")
		}, two},
		{"AnotherIsForOtherArchitectures", func(s *scribe) {
			b := source("cc", "", "i386")
			b.Binaries = []string{"libaa"}
			s.say(message.Sources, "cc", "", b)
		}, two},
		{"AnotherIsForAllArchitectures", func(s *scribe) {
			b := source("cc", "", "all")
			b.Binaries, b.IndepArchitecture = []string{"libaa"}, "arm64"
			s.say(message.Sources, "cc", "", b)
		}, ""},
		{"NewCommitOfOneOfThem", func(s *scribe) {
			s.say(message.Commits, "x", "", &message.Commit{Origin: message.Origin{Repository: "/srv/git/bb"}})
		}, ""},
		{"NewCommitOfAnother", func(s *scribe) {
			s.say(message.Commits, "x", "", &message.Commit{Origin: message.Origin{Repository: "/srv/git/zz"}})
		}, two},
		{"OneWasTold", func(s *scribe) { s.fails("bb", "amd64", circleReason+two) }, two},
		{"OneFailedOfSomethingElse", func(s *scribe) { s.fails("bb", "amd64", "x") }, ""},
		{"WaitsForMore", func(s *scribe) { s.waits("aa", "amd64", "libbb", "libnone") }, two},
		{"OneIsReady", func(s *scribe) {
			s.say(message.Provisions, "bb", "", &message.Provision{Package: source("bb", "").Package, Architecture: "amd64", Outcome: message.Ready})
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScribe()
			s.source("aa", "any")
			s.source("bb", "any")
			s.waits("aa", "amd64", "libbb")
			s.waits("bb", "amd64", "libaa")
			s.source("dd", "any")
			s.waits("dd", "amd64", "libaa")
			test.fill(s)
			if got := s.told("aa", "amd64"); got != test.aa {
				t.Errorf("told %q, want %q", got, test.aa)
			}
			if got := s.told("dd", "amd64"); got != "" {
				t.Errorf("of one outside is told %q", got)
			}
			if got := s.told("aa", "i386"); got != "does not wait" {
				t.Errorf("on another architecture is told %q", got)
			}
		})
	}
}

// TestCircleThroughAll has a package on i386 wait for one that amd64 builds for all, which waits for
// the first one there.
func TestCircleThroughAll(t *testing.T) {
	s := newScribe()
	s.source("aa", "any")
	s.source("bb", "all")
	s.waits("aa", "i386", "libbb")
	if got := s.told("aa", "i386"); got != "" {
		t.Errorf("told %q while bb is on its way", got)
	}
	s.waits("bb", "amd64", "libaa")
	if got := s.told("aa", "i386"); got != "" {
		t.Errorf("told %q while aa is on its way on amd64", got)
	}
	s.waits("aa", "amd64", "libbb")
	if got := s.told("aa", "amd64"); got != "aa waits for libbb of bb, bb waits for libaa of aa" {
		t.Errorf("told %q", got)
	}
}

// TestCircleIsSound compares with what would come of random packages if each were built as soon as
// it can be: none of a circle is, and where nothing moves and all could be brought, one is told.
func TestCircleIsSound(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	circles := 0
	for round := range 300 {
		s, count := newScribe(), 2+random.IntN(7)
		needs := make([][]string, count)
		var said strings.Builder
		for i := range count {
			s.source(fmt.Sprint("p", i), "any")
			for range random.IntN(3) {
				r := fmt.Sprint("libp", random.IntN(count))
				if random.IntN(3) == 0 {
					r += fmt.Sprint(" | libp", random.IntN(count))
				}
				needs[i] = append(needs[i], r)
			}
			if needs[i] != nil {
				s.waits(fmt.Sprint("p", i), "amd64", needs[i]...)
			}
			fmt.Fprintf(&said, "p%d needs %q\n", i, needs[i])
		}
		built := map[string]bool{}
		for changed := true; changed; {
			changed = false
			for i := range count {
				name := fmt.Sprint("libp", i)
				if !built[name] && !slices.ContainsFunc(needs[i], func(r string) bool {
					a, b, _ := strings.Cut(r, " | ")
					return !built[a] && !built[b]
				}) {
					built[name], changed = true, true
				}
			}
		}
		told := 0
		for i := range count {
			got := s.told(fmt.Sprint("p", i), "amd64")
			if strings.Contains(got, " waits for ") {
				told++
				if built[fmt.Sprint("libp", i)] {
					t.Fatalf("round %d: p%d can be built, but is told %q\n%s", round, i, got, &said)
				}
			}
		}
		if len(built) < count && told == 0 {
			t.Fatalf("round %d: only %v can be built, and no circle is told\n%s", round, built, &said)
		}
		circles += told
	}
	if circles == 0 {
		t.Error("no circle in all rounds")
	}
}

// TestCommitsAreCountedOn until they seem to be passed over.
func TestCommitsAreCountedOn(t *testing.T) {
	s := newScribe()
	s.source("aa", "any")
	s.waits("aa", "amd64", "libnone")
	later := time.Now().Add(commitPatience + time.Second)
	hope := func(now time.Time) bool { return s.hope(s.waiters("amd64")[0], now) }
	if hope(time.Now()) {
		t.Error("there is hope of nothing")
	}
	commit := func(name string) message.ID {
		return s.say(message.Commits, name, "", &message.Commit{Origin: message.Origin{Repository: "/srv/git/" + name}})
	}
	commit("passed")
	if !hope(later) {
		t.Error("no hope, as if the only commit had been passed over")
	}
	second, third := commit("second"), commit("third")
	s.say(message.Sources, "second", second, source("second", ""))
	if !hope(time.Now()) || !hope(later) {
		t.Error("no hope of the commits that are left")
	}
	s.say(message.Rejects, "", "", &message.Reject{Subject: "foundry.topic.commits.third." + string(third)})
	if !hope(time.Now()) {
		t.Error("no hope of a commit that was overtaken a moment ago")
	}
	if hope(later) {
		t.Error("hope of a commit that was overtaken long ago")
	}
}

// TestLongCircle takes no more than a moment.
func TestLongCircle(t *testing.T) {
	s := newScribe()
	const count = 500
	for i := range count {
		s.source(fmt.Sprintf("p%03d", i), "any")
		s.waits(fmt.Sprintf("p%03d", i), "amd64", fmt.Sprintf("libp%03d", (i+1)%count))
	}
	begun := time.Now()
	if got := s.told("p007", "amd64"); strings.Count(got, " waits for ") != count || !strings.HasPrefix(got, "p000 waits for libp001 of p001, ") {
		t.Errorf("told %.200q", got)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestLedgerForgets what the bus keeps no longer.
func TestLedgerForgets(t *testing.T) {
	s := newScribe()
	s.source("aa", "any")
	s.waits("aa", "amd64", "libbb")
	s.say(message.Commits, "x", "", new(message.Commit))
	s.forget(time.Now().Add(time.Hour))
	if len(s.commits)+len(s.sources)+len(s.ways)+len(s.names)+len(s.waiters("amd64")) > 0 {
		t.Errorf("left: %+v", s.ledger)
	}
}
