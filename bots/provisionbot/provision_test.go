package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/environment"
	"foundry/pkg/message"
)

func TestParts(t *testing.T) {
	tests := []struct {
		name          string
		architectures []string
		arch          string
		dep, indep    bool
		reason        string
	}{
		{"Any", []string{"any"}, "amd64", true, false, ""},
		{"AnyElsewhere", []string{"any"}, "arm64", true, false, ""},
		{"AnyAndAll", []string{"any", "all"}, "amd64", true, true, ""},
		{"AnyAndAllElsewhere", []string{"any", "all"}, "arm64", true, false, ""},
		{"All", []string{"all"}, "amd64", false, true, ""},
		{"AllElsewhere", []string{"all"}, "arm64", false, false, "its packages for all architectures are built on amd64"},
		{"Wildcard", []string{"linux-any"}, "arm64", true, false, ""},
		{"CPUWildcard", []string{"any-amd64"}, "amd64", true, false, ""},
		{"OtherSystem", []string{"kfreebsd-any"}, "amd64", false, false, "not for amd64: its architectures are kfreebsd-any"},
		{"Named", []string{"i386", "arm64"}, "arm64", true, false, ""},
		{"NotNamed", []string{"i386", "arm64"}, "amd64", false, false, "not for amd64: its architectures are i386 arm64"},
		{"None", nil, "amd64", false, false, "not for amd64: its architectures are "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dep, indep, reason := parts(&message.Source{Architectures: test.architectures, IndepArchitecture: "amd64"}, test.arch)
			if dep != test.dep || indep != test.indep || reason != test.reason {
				t.Errorf("%v, %v, %q; want %v, %v, %q", dep, indep, reason, test.dep, test.indep, test.reason)
			}
		})
	}
}

// TestKeepsTo: a repository may keep its packages to some architectures.
func TestKeepsTo(t *testing.T) {
	for arch, want := range map[string]string{
		"amd64": "", "arm64": "", "i386": "not for i386: its repository keeps to amd64 any-arm64",
		"hurd-i386": "its packages for all architectures are built on amd64", // the nearer reason
	} {
		source := &message.Source{Architectures: []string{"linux-any", "all"}, IndepArchitecture: "amd64", Only: []string{"amd64", "any-arm64"}}
		dep, indep, reason := parts(source, arch)
		if reason == "" && !dep || indep != (arch == "amd64") {
			t.Errorf("%s: %v, %v", arch, dep, indep)
		}
		if reason != want {
			t.Errorf("%s: %q, want %q", arch, reason, want)
		}
	}
}

// TestPolicyGoesOn: what a repository says about its builds reaches who builds.
func TestPolicyGoesOn(t *testing.T) {
	source := &message.Source{
		Architectures: []string{"any"}, Only: []string{"amd64"}, Network: true, Outputs: []string{"=report", "!tmp"},
		Profiles: []string{"nocheck"}, Options: []string{"terse"}, Timeout: 7200,
	}
	p := &provisioner{options: &options{Arch: "i386"}}
	results, err := p.do(t.Context(), &bot.Job{Body: source, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	want := &message.Provision{
		Architecture: "i386", Outcome: message.Skipped, Reason: "not for i386: its repository keeps to amd64",
		Network: true, Outputs: source.Outputs, Profiles: source.Profiles, Options: source.Options, Timeout: 7200,
	}
	if diff := cmp.Diff(want, results[0].Body); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestRequest(t *testing.T) {
	source := &message.Source{
		Package: message.Package{Source: "hello", Version: "1", Codename: "acme"},
		Relations: message.Relations{
			BuildDepends:     "debhelper-compat (= 13),\n libfoo-dev [linux-any], libbar-dev [!amd64], dh-check <!nocheck>, b [i386] | a | c, d (<< 2) | d (>= 3) | e",
			BuildDependsArch: "arch-only", BuildDependsIndep: "indep-only",
			BuildConflicts: "bad", BuildConflictsArch: "bad-arch", BuildConflictsIndep: "bad-indep",
		},
		Profiles: []string{"nocheck"},
	}
	p := &provisioner{options: &options{
		Arch: "amd64", Mirror: "http://mirror/debian", MirrorKeyring: "/k", Components: "main, contrib", Proxy: "http://proxy:3128",
		bases: map[debian.Codename]string{"acme": "bookworm"},
		sources: []environment.SourceList{
			{URI: "http://x", Suite: codenameToken + "-extra", Components: []string{"main"}},
			{URI: "http://y", Suite: "stable", Components: []string{"main"}},
		},
	}}
	want := environment.Request{
		Base:         environment.Base{Release: "bookworm", Mirror: "http://mirror/debian", Keyring: "/k", Components: []string{"main", "contrib"}},
		Proxy:        "http://proxy:3128",
		Architecture: "amd64", Profiles: []string{"nocheck"},
		Sources: []environment.SourceList{
			{URI: "http://x", Suite: "acme-extra", Components: []string{"main"}},
			{URI: "http://y", Suite: "stable", Components: []string{"main"}},
		},
	}
	for _, test := range []struct {
		name               string
		arch, indep        bool
		depends, conflicts string
	}{
		{"Both", true, true, "debhelper-compat (= 13), libfoo-dev, a | c, d (<< 2) | d (>= 3) | e, arch-only, indep-only", "bad, bad-arch, bad-indep"},
		{"Arch", true, false, "debhelper-compat (= 13), libfoo-dev, a | c, d (<< 2) | d (>= 3) | e, arch-only", "bad, bad-arch"},
		{"Indep", false, true, "debhelper-compat (= 13), libfoo-dev, a | c, d (<< 2) | d (>= 3) | e, indep-only", "bad, bad-indep"},
	} {
		t.Run(test.name, func(t *testing.T) {
			want.Depends, want.Conflicts = test.depends, test.conflicts
			got, err := p.request(source, &message.Provision{Arch: test.arch, Indep: test.indep})
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
		})
	}
	p.FirstAlternative = true
	if got, err := p.request(source, &message.Provision{Arch: true}); err != nil || !strings.Contains(got.Depends, " a, d (<< 2) | d (>= 3), arch-only") {
		t.Errorf("with the first alternative: %q, %v", got.Depends, err)
	}
	if p.sources[0].Suite != codenameToken+"-extra" {
		t.Error("the template of the suite has changed")
	}
	source.Relations.BuildDepends = "libfoo ("
	if _, err := p.request(source, &message.Provision{Arch: true}); err == nil {
		t.Error("relations that cannot be parsed are taken")
	}
}

func TestOnThisHost(t *testing.T) {
	for address, want := range map[string]bool{
		"nats://127.0.0.1:4222": true, "nats://[::1]:4222": true, "nats://localhost:4222": true, "tls://127.8.8.8:1": true,
		"nats://bus.example.org:4222": false, "nats://192.0.2.1:4222": false, "": false, "nats://localhost.example.org": false, "%": false,
	} {
		if got := onThisHost(address); got != want {
			t.Errorf("onThisHost(%q) = %v, want %v", address, got, want)
		}
	}
}
