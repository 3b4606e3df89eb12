package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"foundry/bots/internal/bottest"
	"foundry/pkg/environment"
	"foundry/pkg/message"
)

// TestProgram runs the whole program against a bus, with real podman and apt.
func TestProgram(t *testing.T) {
	b := bottest.New(t, definition())
	b.Start("--cache", bottest.Cache(t), "--base", "acme=bookworm", "--dependency-wait", "0")
	ready := b.Await(say(b, source("good", "patchutils", "any")))
	if p, ok := ready.(*message.Provision); !ok || p.Outcome != message.Ready || !p.Arch || p.Indep || p.Image == nil || len(p.Files) != 1 ||
		!slices.ContainsFunc(p.Image.Packages, func(s string) bool { return strings.HasPrefix(s, "patchutils=") }) {
		t.Errorf("answer %+v", ready)
	}
	skipped := b.Await(say(b, source("other", "patchutils", "kfreebsd-any")))
	if p, ok := skipped.(*message.Provision); !ok || p.Outcome != message.Skipped || p.Reason == "" || p.Image != nil {
		t.Errorf("answer %+v", skipped)
	}
	failed := b.Await(say(b, source("needy", "patchutils, foundry-none (>= 2)", "any")))
	if f, ok := failed.(*message.Failure); !ok || f.Class != message.ClassPackage || f.Log == nil || f.Hint == "" || f.Architecture != environment.HostArchitecture() ||
		f.Reason != "unsatisfiable build dependencies: foundry-none (>= 2)" || !strings.Contains(strings.Join(f.Tail, "\n"), "unmet dependencies") {
		t.Errorf("answer %+v", failed)
	}
	bad := b.Await(say(b, source("bad", "patchutils (", "any")))
	if f, ok := bad.(*message.Failure); !ok || f.Class != message.ClassPackage || !strings.Contains(f.Reason, "Build-Depends") {
		t.Errorf("answer %+v", bad)
	}
}

func source(name, depends string, architectures ...string) *message.Source {
	return &message.Source{
		Origin:  message.Origin{Repository: "/srv/git/" + name, Branch: "main", Ref: strings.Repeat("a", 40)},
		Package: message.Package{Source: name, Version: "1.0", Codename: "acme"},
		Format:  "3.0 (native)", Architectures: architectures, IndepArchitecture: "amd64",
		Relations: message.Relations{BuildDepends: depends},
		Files:     []message.Artifact{{Name: name + "_1.0.dsc", Size: 1, SHA256: message.Digest(strings.Repeat("0", 64))}},
		Time:      time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC),
	}
}

func say(b *bottest.Bench, s *message.Source) message.ID {
	return b.Say("sourcebot", s.Source, message.MakeID(message.Commits, message.TypeCommit, "", s.Source), s, s.Codename)
}
