package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"foundry/bots/internal/bottest"
	"foundry/pkg/artifact"
	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/debian"
	"foundry/pkg/environment"
	"foundry/pkg/environment/podman"
	"foundry/pkg/message"
)

// A line is a bus with a store, on which provisions are said and a buildbot works.
type line struct {
	*bottest.Bench
	t     *testing.T
	image message.Image
}

func newLine(t *testing.T, args ...string) *line {
	t.Helper()
	l := &line{bottest.New(t, definition()), t, baseImage(t)}
	l.Start(append(args, "--cache", bottest.Cache(t), "--jobs", "2")...)
	return l
}

// baseImage is an environment with nothing but the base system.
func baseImage(t *testing.T) message.Image {
	t.Helper()
	engine, err := podman.Open(t.Context(), bottest.Cache(t))
	if err != nil {
		t.Fatalf("%v\nhint: %s", err, bot.HintOf(err))
	}
	image, err := engine.Provision(t.Context(), environment.Request{
		Base:         environment.Base{Release: "bookworm", Mirror: "http://deb.debian.org/debian"},
		Architecture: environment.HostArchitecture(),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// A recipe is a source package under test: debian/rules has these lines for the target binary.
type recipe struct {
	name     string
	arch     string // Architecture of the one binary package
	commands string
	control  string            // debian/control; empty for that of one package
	files    map[string]string // in the tree besides
}

const control = `Source: %s
Maintainer: Foundry Test <test@example.org>
Standards-Version: 4.6.2
Rules-Requires-Root: no

Package: %s
Architecture: %s
Description: test
 It is for a test.
`

// normal builds the binary package.
const normal = `mkdir -p debian/tmp/DEBIAN debian/tmp/usr/share/doc/x
id -un >debian/tmp/usr/share/doc/x/who
dpkg-gencontrol
dpkg-deb --root-owner-group -b debian/tmp ..`

// source makes the source package and stores it.
func (l *line) source(r recipe) []message.Artifact {
	l.t.Helper()
	root := l.t.TempDir()
	tree := filepath.Join(root, r.name+"-1.0")
	rules := "#!/usr/bin/make -f\nclean:\n\trm -rf debian/tmp debian/files\nbuild build-arch build-indep:\nbinary binary-arch binary-indep:\n"
	for command := range strings.Lines(r.commands) {
		rules += "\t" + strings.ReplaceAll(strings.TrimRight(command, "\n"), "$", "$$") + "\n"
	}
	if r.control == "" {
		r.control = fmt.Sprintf(control, r.name, r.name, r.arch)
	}
	contents := map[string]string{
		"debian/control":       r.control,
		"debian/changelog":     r.name + " (1.0) elsewhere; urgency=medium\n\n  * Test.\n\n -- Foundry Test <test@example.org>  Fri, 20 Nov 2026 12:00:00 +0000\n",
		"debian/rules":         rules,
		"debian/source/format": "3.0 (native)\n",
	}
	maps.Copy(contents, r.files)
	for name, content := range contents {
		path := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			l.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			l.t.Fatal(err)
		}
	}
	cmd := exec.Command("dpkg-source", "-b", tree)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("dpkg-source: %v (apt-get install dpkg-dev)\n%s", err, out)
	}
	var files []message.Artifact
	for _, name := range []string{r.name + "_1.0.dsc", r.name + "_1.0.tar.xz"} {
		ref, err := artifact.PutFile(l.t.Context(), l.Ports.Store, filepath.Join(root, name))
		if err != nil {
			l.t.Fatal(err)
		}
		files = append(files, ref)
	}
	return files
}

// provision is the message that a build of the recipe answers.
func (l *line) provision(r recipe) *message.Provision {
	l.t.Helper()
	return &message.Provision{
		Origin:       message.Origin{Repository: "/srv/git/" + r.name, Branch: "main", Ref: strings.Repeat("a", 40)},
		Package:      message.Package{Source: r.name, Version: "1.0", Codename: "acme"},
		Architecture: environment.HostArchitecture(), Outcome: message.Ready, Arch: r.arch == "any", Indep: r.arch == "all",
		Image: &l.image, Files: l.source(r), Time: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC),
	}
}

func (l *line) say(p *message.Provision) message.ID {
	l.t.Helper()
	return l.Say("provisionbot", p.Source, message.MakeID(message.Sources, message.TypeSource, "", p.Source), p, p.Architecture)
}

// text reads a log.
func (l *line) text(log message.Artifact) string {
	l.t.Helper()
	r, err := l.Ports.Store.Open(l.t.Context(), log.SHA256)
	if err != nil {
		l.t.Fatal(err)
	}
	defer r.Close()
	zip, err := zstd.NewReader(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer zip.Close()
	data, err := io.ReadAll(zip)
	if err != nil {
		l.t.Fatal(err)
	}
	return string(data)
}

func TestBuild(t *testing.T) {
	l := newLine(t)
	arch := environment.HostArchitecture()
	for _, test := range []struct {
		recipe recipe
		files  []string
	}{
		{recipe{name: "one", arch: "any", commands: normal}, []string{"one_1.0_" + arch + ".buildinfo", "one_1.0_" + arch + ".changes", "one_1.0_" + arch + ".deb"}},
		{recipe{name: "two", arch: "all", commands: normal + "\necho x >../left-over; ln -s /etc/passwd ../link"}, []string{"two_1.0_all.buildinfo", "two_1.0_all.changes", "two_1.0_all.deb"}},
	} {
		t.Run(test.recipe.name, func(t *testing.T) {
			p := l.provision(test.recipe)
			body := l.Await(l.say(p))
			build, ok := body.(*message.Build)
			if !ok {
				t.Fatalf("answer: %+v", body)
			}
			names := map[string]bool{}
			for _, f := range build.Files {
				names[f.Name] = true
			}
			if diff := cmp.Diff(test.files, slices.Sorted(maps.Keys(names))); diff != "" {
				t.Errorf("files (-want +got)\n%s", diff)
			}
			if build.Files[0].Name != build.Changes || build.ImageKey != l.image.Key || build.Seconds <= 0 || !cmp.Equal(build.SourceFiles, p.Files) {
				t.Errorf("build %+v", build)
			}
			l.checkDeb(t, build)
			log := l.text(build.Log)
			for _, want := range []string{"source: " + test.recipe.name + " 1.0", "environment: " + l.image.Key, "dpkg-buildpackage: info: binary-only upload", "buildbot: built after"} {
				if !strings.Contains(log, want) {
					t.Errorf("log lacks %q:\n%s", want, log)
				}
			}
		})
	}
}

// checkDeb sees that the package was built by the user "build" and for the right distribution.
func (l *line) checkDeb(t *testing.T, build *message.Build) {
	t.Helper()
	dir := t.TempDir()
	for _, f := range build.Files {
		path, err := artifact.FetchFile(t.Context(), l.Ports.Store, f, dir)
		if err != nil {
			t.Fatal(err)
		}
		switch filepath.Ext(f.Name) {
		case ".deb":
			out, err := exec.Command("sh", "-c", "dpkg-deb --fsys-tarfile "+path+" | tar -xO ./usr/share/doc/x/who").Output()
			if err != nil || string(out) != "build\n" {
				t.Errorf("built by %q, %v", out, err)
			}
		case ".changes":
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			c, err := debian.ParseChanges(text)
			if err != nil || c.Distribution != "acme" {
				t.Errorf("changes %+v, %v", c, err)
			}
		}
	}
}

func TestFailures(t *testing.T) {
	l := newLine(t, "--timeout", "40s")
	changes := func(s string) string { return normal + "\n" + strings.ReplaceAll(s, "CHANGES", "../*.changes") }
	for _, test := range []struct {
		name     string
		commands string
		reason   string
		tail     string
	}{
		{"broken", "echo 'this cannot work'\nfalse", "dpkg-buildpackage ended with status 2", "this cannot work"},
		{"loop", "sleep 1000", "build took longer than 3s", "not built"},
		{"network", "getent hosts deb.debian.org || { echo 'no network'; false; }", "dpkg-buildpackage ended with status 2", "no network"},
		{"home", "mkdir -p $HOME/.cache", "dpkg-buildpackage ended with status 2", "nonexistent"},
		{"nothing", "true", "dpkg-buildpackage ended with status", ""},
		{"link", changes("(sleep 1; while [ ! -e CHANGES ]; do :; done; for d in ../*.deb; do ln -sf /etc/passwd $d; done) >/dev/null 2>&1 & sleep 0"), "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := l.provision(recipe{name: test.name, arch: "any", commands: test.commands})
			if test.name == "loop" {
				p.Timeout = 3
			}
			body := l.Await(l.say(p))
			failure, ok := body.(*message.Failure)
			if test.reason == "" && !ok {
				return // it came too late to do harm
			}
			if !ok || failure.Class != message.ClassPackage || !strings.Contains(failure.Reason, test.reason) || failure.Log == nil || failure.Hint == "" {
				t.Fatalf("answer %+v, want %q", body, test.reason)
			}
			if !strings.Contains(strings.Join(failure.Tail, "\n"), test.tail) || len(failure.Tail) > 40 {
				t.Errorf("tail %q, want %q", failure.Tail, test.tail)
			}
			if log := l.text(*failure.Log); !strings.Contains(log, test.tail) || !strings.Contains(log, "buildbot: not built after") {
				t.Errorf("log %s", log)
			}
		})
	}
}

// TestSkipped sees that a package that is not for this architecture is passed over, and what is
// wrong in a message is told.
func TestSkipped(t *testing.T) {
	l := newLine(t)
	skipped := l.provision(recipe{name: "skipped", arch: "any", commands: normal})
	skipped.Outcome, skipped.Reason, skipped.Image, skipped.Arch = message.Skipped, "not for us", nil, false
	first := l.say(skipped)
	idle := l.provision(recipe{name: "idle", arch: "any", commands: normal})
	idle.Arch = false
	second := l.say(idle)
	if f, ok := l.Await(second).(*message.Failure); !ok || f.Class != message.ClassPolicy {
		t.Errorf("answer %+v", f)
	}
	for topic, typ := range map[message.Topic]message.Type{message.Builds: message.TypeBuild, message.Failures: message.TypeFailure} {
		if _, err := l.Ports.Bus.Lookup(t.Context(), topic, message.MakeID(topic, typ, first, environment.HostArchitecture())); !errors.Is(err, bus.ErrNotFound) {
			t.Errorf("a package that is skipped has an answer on %s: %v", topic, err)
		}
	}
}
