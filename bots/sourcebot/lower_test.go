package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foundry/bots/internal/bottest"
	"foundry/bots/internal/published"
	"foundry/pkg/debian"
	"foundry/pkg/message"
)

// contentOf is the content of a source package's .dsc.
func (b *bench) contentOf(s *message.Source) message.Digest {
	b.t.Helper()
	content, err := published.Content(b.store.files[s.Files[0].SHA256])
	if err != nil {
		b.t.Fatal(err)
	}
	return content
}

// publish notes that an archive has a package.
func (b *bench) publish(p message.Package, content message.Digest) {
	b.t.Helper()
	if err := published.Note(b.t.Context(), &b.values, "apt", p, content); err != nil {
		b.t.Fatal(err)
	}
}

// wantTop checks the newest entry of a changelog.
func wantTop(t *testing.T, tree, version, words string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tree, "debian", "changelog"))
	if err != nil {
		t.Fatal(err)
	}
	changelog, err := debian.ParseChangelog(text)
	if err != nil {
		t.Fatal(err)
	}
	if top := changelog.Top(); top.Version.String() != version || !strings.Contains(top.Changes, words) {
		t.Errorf("%+v, want version %s and %q", top, version, words)
	}
}

// TestNoStepBack: what no repository would take is refused before it is made.
func TestNoStepBack(t *testing.T) {
	r := newRepo(t)
	r.write(hello("1.0", "3.0 (native)", nil))
	first := r.commit()
	r.write(map[string]string{"hello.c": "int other;\n"})
	second := r.commit()
	b := newBench(t, "--codename", "bookworm", "--allow-unsigned")
	s := b.mustMake(r, "main", first)[0]
	b.publish(s.Package, b.contentOf(s))

	again := b.mustMake(r, "main", first)[0]
	if again.Files[0] != s.Files[0] {
		t.Errorf("made again: %v, then %v", s.Files[0], again.Files[0])
	}
	_, err := b.make(r, "main", second)
	wantFailure(t, err, message.ClassPolicy, "hello 1.0 is not what apt has as this version for bookworm: their contents differ", "raise the version")

	b.publish(message.Package{Source: "hello", Version: "1.1", Codename: "bookworm"}, "")
	b.store.files = map[message.Digest][]byte{}
	_, err = b.make(r, "main", second)
	wantFailure(t, err, message.ClassPolicy, "hello 1.0 is lower than version 1.1, which apt has for bookworm", "above 1.1")
	if len(b.store.files) > 1 { // the log
		t.Errorf("%d files were made before", len(b.store.files))
	}
	b.bot.downgrade = true
	b.mustMake(r, "main", second)

	// Each codename is held to its own.
	both := newBench(t, "--codename", "bookworm", "--codename", "trixie", "--allow-unsigned")
	both.publish(message.Package{Source: "hello", Version: "1.0", Codename: "bookworm"}, "")
	_, err = both.make(r, "main", first)
	wantFailure(t, err, message.ClassPolicy, "hello 1.0~deb12u0 is lower than version 1.0, which apt has for bookworm", "above 1.0")
	both = newBench(t, "--codename", "bookworm", "--codename", "trixie", "--allow-unsigned")
	both.publish(message.Package{Source: "hello", Version: "1.0~deb13u0", Codename: "trixie"}, "")
	both.mustMake(r, "main", first)
}

// TestRebuildAndBumpGoUp: what --autobump and rebuilds make of a published commit is no step back.
func TestRebuildAndBumpGoUp(t *testing.T) {
	r := newRepo(t)
	r.write(hello("1.0", "3.0 (native)", nil))
	ref := r.commit()
	for _, args := range [][]string{nil, {"--autobump"}, {"--autobump", "--autobump-template", "~%(date)s.%(time)s"}} {
		b := newBench(t, append(args, "--codename", "bookworm", "--allow-unsigned")...)
		before := ""
		for count := range 3 {
			b.about = message.Commit{Count: count, Bump: count > 0}
			s := b.mustMake(r, "main", ref)[0]
			b.publish(s.Package, b.contentOf(s))
			if s.Version == before {
				t.Errorf("%v: rebuild %d has version %s too", args, count, s.Version)
			}
			before = s.Version
			if count > 0 {
				tree, _ := b.unpack(s)
				wantTop(t, tree, s.Version, "Rebuild.")
			}
		}
		b.about = message.Commit{}
		_, err := b.make(r, "main", ref)
		wantFailure(t, err, message.ClassPolicy, "is lower than version "+before, "above")
	}
}

// TestAnnouncedAlready: a commit whose packages have been announced is not held to what came after, as
// when a new endpoint begins with old commits.
func TestAnnouncedAlready(t *testing.T) {
	r := newRepo(t)
	r.write(hello("1.0", "3.0 (native)", nil))
	ref := r.commit()
	b := newBench(t, "--codename", "bookworm", "--codename", "trixie", "--allow-unsigned")
	first := b.mustMake(r, "main", ref)
	commit := message.CommitID(&message.Commit{Origin: message.Origin{Repository: r.dir, Branch: "main", Ref: ref}})
	id := func(codename debian.Codename) message.ID {
		return message.MakeID(message.Sources, message.TypeSource, commit, string(codename))
	}
	b.said.ids = []message.ID{id("bookworm")}
	b.publish(message.Package{Source: "hello", Version: "9", Codename: "bookworm"}, "")
	rest := b.mustMake(r, "main", ref)
	if len(rest) != 1 || rest[0].Codename != "trixie" || rest[0].Version != first[1].Version {
		t.Errorf("the rest: %+v", rest)
	}
	b.said.ids = append(b.said.ids, id("trixie"))
	b.publish(message.Package{Source: "hello", Version: "9", Codename: "trixie"}, "")
	if rest := b.mustMake(r, "main", ref); len(rest) != 0 {
		t.Errorf("nothing was left to do: %+v", rest)
	}
}

// TestRefusalOnTheBus has the program answer a commit on a real bus, where a repository has said what it has.
func TestRefusalOnTheBus(t *testing.T) {
	r := newRepo(t)
	r.write(hello("1.0", "3.0 (native)", nil))
	b := bottest.New(t, definition())
	p := message.Package{Source: "hello", Version: "2.0", Codename: "bookworm"}
	if err := published.Note(t.Context(), b.Ports.Values, "apt", p, ""); err != nil {
		t.Fatal(err)
	}
	b.Start("--codename", "bookworm", "--allow-unsigned")
	say := func(branch, ref string) message.Body {
		c := &message.Commit{Origin: message.Origin{Repository: r.dir, Branch: branch, Ref: ref}, Time: commitClock(t)}
		return b.Await(b.Say("watchbot", "hello", "", c, branch, ref))
	}
	ref := r.commit()
	failure, ok := say("main", ref).(*message.Failure)
	if !ok || failure.Class != message.ClassPolicy || failure.Reason != "hello 1.0 is lower than version 2.0, which apt has for bookworm" || failure.Hint == "" {
		t.Errorf("%+v", failure)
	}
	r.write(hello("2.1", "3.0 (native)", map[string]string{"debian/foundry.toml": "network = true\noutputs = [\"=report\"]\n"}))
	source, ok := say("main", r.commit()).(*message.Source)
	if !ok || source.Version != "2.1" || !source.Network || len(source.Outputs) != 1 {
		t.Errorf("%+v", source)
	}
}
