package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// shelf is a yard with published packages, and one who answers for all bots of the pipeline.
type shelf struct {
	*yard
	relations map[string]string // Build-Depends by source package
	versions  map[string]string // of binary packages

	mu      sync.Mutex
	fails   map[string]bool
	silent  map[string]bool
	rebuilt []string // source packages with their versions, in order
}

func newShelf(t *testing.T) *shelf {
	s := &shelf{yard: newYard(t), relations: map[string]string{}, versions: map[string]string{}, fails: map[string]bool{}, silent: map[string]bool{}}
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() {
		err := s.Bus.Tail(ctx, bus.Filter{Topics: []message.Topic{message.Commits}, Follow: true}, func(raw bus.Raw) error {
			m, body, err := s.sealer.Open(raw)
			if c, ok := body.(*message.Commit); err == nil && ok && c.Bump {
				s.rebuild(m, c)
			}
			return err
		})
		if err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); ended.Wait() })
	return s
}

// rebuild does what the bots do for a commit that is built again.
func (s *shelf) rebuild(m *message.Message, c *message.Commit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := message.RepositoryName(c.Repository)
	if s.silent[name] {
		return
	}
	version := fmt.Sprintf("1+build%d", c.Count)
	s.rebuilt = append(s.rebuilt, name+" "+version)
	if s.fails[name] {
		s.say("sourcebot", message.Failures, m, &message.Failure{
			Origin: c.Origin, Package: message.Package{Source: name, Version: version, Codename: "acme"},
			Stage: "sourcebot", Class: message.ClassPackage, Reason: "does not build",
		}, "sourcebot")
		return
	}
	s.answer(m, s.made(name, version, c.Origin))
}

// order returns what was rebuilt since it was asked last.
func (s *shelf) order() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	names, s.rebuilt = s.rebuilt, nil
	return names
}

// made is the source package of that name, which makes "lib" and its name.
func (s *shelf) made(name, version string, origin message.Origin) *message.Source {
	return &message.Source{
		Origin: origin, Package: message.Package{Source: name, Version: version, Codename: "acme"},
		Format: "3.0 (native)", Architectures: []string{"any"}, IndepArchitecture: "amd64", Binaries: []string{"lib" + name},
		Relations: message.Relations{BuildDepends: s.relations[name]}, Time: sampleCommit().Time,
		Files: []message.Artifact{{Name: name + "_" + version + ".dsc", Size: 1, SHA256: message.Digest(strings.Repeat("0", 64))}},
	}
}

// answer says that a commit has become a source package and that it is published.
func (s *shelf) answer(parent *message.Message, source *message.Source) {
	m := s.say("sourcebot", message.Sources, parent, source, source.Codename)
	image := &message.Image{
		Key: strings.Repeat("1", 64), ID: "sha256:" + strings.Repeat("2", 64), Base: strings.Repeat("3", 64),
		Packages: []string{"debhelper=13"},
	}
	for name, version := range s.versions {
		if strings.Contains(source.Relations.BuildDepends, name) {
			image.Packages = append(image.Packages, name+"="+version)
		}
	}
	provision := s.say("provisionbot", message.Provisions, m, &message.Provision{
		Origin: source.Origin, Package: source.Package, Architecture: "amd64", Outcome: message.Ready, Arch: true,
		Image: image, Files: source.Files, Time: source.Time,
	}, "amd64")
	s.out(provision, source)
}

// out says that a source package is published.
func (s *shelf) out(m *message.Message, source *message.Source) {
	s.versions[source.Binaries[0]] = source.Version
	s.say("distbot", message.Dists, m, &message.Dist{
		Origin: source.Origin, Package: source.Package, Architecture: "amd64", Archive: "test",
		Packages: []message.Published{{
			Package: source.Binaries[0], Version: source.Version, Architecture: "amd64", Filename: "pool/x.deb", Size: 1,
			SHA256: message.Digest(strings.Repeat("0", 64)),
		}},
		Release: message.Digest(strings.Repeat("0", 64)), Key: strings.Repeat("A", 40),
	}, "amd64")
}

// publish puts version 1 of a package there.
func (s *shelf) publish(name, depends string) {
	s.t.Helper()
	s.publishCommit(name, depends, "1")
}

func (s *shelf) publishCommit(name, depends, version string) {
	s.t.Helper()
	s.relations[name] = depends
	c := sampleCommit()
	c.Repository, c.Ref = "/srv/git/"+name, strings.Repeat(version, 40)
	s.answer(s.announce(c), s.made(name, version, c.Origin))
}

func (s *shelf) plan(args ...string) (r rebuildReport) {
	s.t.Helper()
	_, out, errs := s.cli(append([]string{"rebuild", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		s.t.Fatalf("%v\n%s", err, errs)
	}
	return r
}

// states are lines of level, name, state and whether a reason is given.
func (r rebuildReport) states() (all []string) {
	for _, p := range r.Packages {
		line := fmt.Sprintf("%d %s %s", p.Level, p.Source, p.State)
		if p.Reason != "" {
			line += ": " + p.Reason
		}
		all = append(all, line)
	}
	return all
}

// family publishes base, and what build-depends on it: b and c themselves, c also on b, d on c only,
// e and f on each other and on base. other needs none of them. Then there is a new base.
func (s *shelf) family() {
	s.publish("base", "")
	s.publish("bb", "libbase (>= 1), debhelper")
	s.publish("cc", "libbb, libbase | libother, libnone [i386]")
	s.publish("dd", "libcc")
	s.publish("ee", "libff, libbase")
	s.publish("ff", "libee, libbase <!nocheck>")
	s.publish("other", "libothers | libbase, libbase [!amd64]")
	s.publishCommit("base", "", "2")
}

func TestRebuildPlan(t *testing.T) {
	s := newShelf(t)
	s.family()
	direct := []string{"1 bb planned", "1 ee planned", "1 ff planned", "2 cc planned"}
	if diff := cmp.Diff(direct, s.plan("base", "--rebuild-dependents", "--dry-run").states()); diff != "" {
		t.Errorf("direct (-want +got)\n%s", diff)
	}
	all := append(slices.Clone(direct), "3 dd planned")
	if diff := cmp.Diff(all, s.plan("base", "--rebuild-dependents", "--transitive", "--dry-run").states()); diff != "" {
		t.Errorf("transitive (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"1 bb planned", "2 cc planned"}, s.plan("cc", "bb", "--dry-run").states()); diff != "" {
		t.Errorf("packages themselves (-want +got)\n%s", diff)
	}
	if out := s.must("rebuild", "dd", "--rebuild-dependents"); !strings.Contains(out, "nothing build-depends on dd") {
		t.Errorf("of a leaf: %s", out)
	}
	if did := s.order(); did != nil {
		t.Errorf("rebuilt %q", did)
	}
	for _, test := range []struct {
		args   []string
		status int
		words  string
	}{
		{[]string{"rebuild"}, 2, "one or more source packages"},
		{[]string{"rebuild", "bas"}, 1, `did you mean "base"?`},
		{[]string{"rebuild", "base", "--codename", "acne"}, 1, "no source package base is published in acne"},
		{[]string{"rebuild", "base", "--transitive"}, 2, "without --rebuild-dependents"},
	} {
		if status, _, errs := s.cli(test.args...); status != test.status || !strings.Contains(errs, test.words) {
			t.Errorf("%q: exit status %d\n%s", test.args, status, errs)
		}
	}
}

// TestRebuildInOrder rebuilds, is asked again, and again when there is news.
func TestRebuildInOrder(t *testing.T) {
	s := newShelf(t)
	s.family()
	s.must("rebuild", "base", "--rebuild-dependents")
	did := s.order()
	if len(did) == 4 {
		slices.Sort(did[:3]) // one level
	}
	if diff := cmp.Diff([]string{"bb 1+build1", "ee 1+build1", "ff 1+build1", "cc 1+build1"}, did); diff != "" {
		t.Errorf("rebuilt (-want +got)\n%s", diff)
	}
	want := []string{"1 bb done", "1 ee done", "1 ff done", "2 cc done"}
	if diff := cmp.Diff(want, s.plan("base", "--rebuild-dependents").states()); diff != "" || s.order() != nil {
		t.Errorf("once more (-want +got)\n%s", diff)
	}
	s.publishCommit("bb", "libbase", "2")
	want = []string{"1 bb done", "1 ee done", "1 ff done", "2 cc planned"}
	if diff := cmp.Diff(want, s.plan("base", "--rebuild-dependents", "--dry-run").states()); diff != "" {
		t.Errorf("planned with a new bb (-want +got)\n%s", diff)
	}
	want = []string{"1 bb done", "1 ee done", "1 ff done", "2 cc published"}
	if diff := cmp.Diff(want, s.plan("base", "--rebuild-dependents").states()); diff != "" {
		t.Errorf("with a new bb (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"cc 1+build2"}, s.order()); diff != "" {
		t.Errorf("rebuilt with a new bb (-want +got)\n%s", diff)
	}
	s.must("rebuild", "dd")
	if diff := cmp.Diff([]string{"dd 1+build1"}, s.order()); diff != "" {
		t.Errorf("rebuilt itself (-want +got)\n%s", diff)
	}
}

// TestRebuildGoesOn is interrupted while a package is being built.
func TestRebuildGoesOn(t *testing.T) {
	s := newShelf(t)
	s.family()
	s.silent["ee"] = true
	status, _, errs := s.cli("rebuild", "base", "--rebuild-dependents", "--timeout", "1s")
	if status != 1 || !strings.Contains(errs, "1 of 3 packages") || !strings.Contains(errs, "foundry rebuild base --codename acme --rebuild-dependents") {
		t.Errorf("exit status %d\n%s", status, errs)
	}
	first := s.order()
	s.mu.Lock()
	s.silent["ee"] = false
	s.mu.Unlock()
	done := make(chan string)
	go func() {
		_, out, _ := s.cli("rebuild", "base", "--rebuild-dependents")
		done <- out
	}()
	// The one that was announced is taken up by its bot at last, after the second call has begun.
	err := s.Bus.Tail(t.Context(), bus.Filter{Topics: []message.Topic{message.Commits}}, func(raw bus.Raw) error {
		m, body, err := s.sealer.Open(raw)
		if c, ok := body.(*message.Commit); err == nil && ok && c.Bump && message.RepositoryName(c.Repository) == "ee" {
			s.rebuild(m, c)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case out := <-done:
		if !strings.Contains(out, "acme: 2 published, 2 done") && !strings.Contains(out, "acme: 1 published, 3 done") {
			t.Errorf("the second call: %s", out)
		}
	case <-time.After(time.Minute):
		t.Fatal("the second call does not end")
	}
	if diff := cmp.Diff([]string{"ee 1+build1", "cc 1+build1"}, s.order()); diff != "" || len(first) != 2 {
		t.Errorf("first %q, then (-want +got)\n%s", first, diff)
	}
}

// TestRebuildLeavesOut has a package that fails, and one that was uploaded.
func TestRebuildLeavesOut(t *testing.T) {
	s := newShelf(t)
	s.family()
	s.fails["bb"] = true
	s.relations["gg"] = "libbase"
	uploaded := s.made("gg", "1", message.Origin{Repository: message.UploadRepository, Branch: "acme", Ref: strings.Repeat("a", 64)})
	m, err := message.NewUpload(botSelf("sourcebot"), uploaded)
	s.ok(err)
	s.ok(s.Bus.Publish(t.Context(), s.raw("sourcebot", m)))
	s.out(m, uploaded)
	s.publishCommit("base", "", "3")
	want := []string{
		"1 bb failed: sourcebot: does not build", "1 ee published", "1 ff published",
		"1 gg left out: it was uploaded: upload a new version of it", "2 cc left out: bb was not rebuilt",
	}
	if diff := cmp.Diff(want, s.plan("base", "--rebuild-dependents").states()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	s.fails["bb"] = false
	status, out, _ := s.cli("rebuild", "base", "--rebuild-dependents")
	if status != 1 || !strings.Contains(out, "acme: 2 published, 2 done, 1 left out") {
		t.Errorf("once more: exit status %d\n%s", status, out)
	}
}
