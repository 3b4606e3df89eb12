package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/gitrepo"
	"foundry/pkg/message"
)

func flagSet(o *options) *pflag.FlagSet {
	fs := pflag.NewFlagSet("sourcebot", pflag.ContinueOnError)
	o.declare(fs)
	return fs
}

func TestFlagErrors(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no codename":       {nil, "no --codename"},
		"empty codename":    {[]string{"--codename", ""}, "not a codename"},
		"climbing codename": {[]string{"--codename", "a:../b"}, "not a codename"},
		"empty branch":      {[]string{"--codename", ":bookworm"}, "not a branch"},
		"bad glob":          {[]string{"--codename", "[a:bookworm"}, "not a branch"},
		"twice":             {[]string{"--codename", "bookworm", "--codename", "bookworm"}, "given twice"},
		"policy":            {[]string{"--codename", "bookworm", "--policy", "reed"}, `--policy "reed"`},
		"template token":    {[]string{"--codename", "bookworm", "--autobump-template", "+%(dat)s"}, "unknown token %(dat)s"},
		"build branch":      {[]string{"--codename", "bookworm", "--build-branch", "[x"}, "--build-branch"},
		"architecture":      {[]string{"--codename", "bookworm", "--indep-architecture", "any"}, "not an architecture"},
		"compression":       {[]string{"--codename", "bookworm", "--compression", "zip"}, "--compression"},
		"profile":           {[]string{"--codename", "bookworm", "--build-profile", "<!x>"}, "--build-profile"},
		"option":            {[]string{"--codename", "bookworm", "--build-option", "a b"}, "--build-option"},
		"timeout":           {[]string{"--codename", "bookworm", "--timeout", "0s"}, "--timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			o := new(options)
			if err := flagSet(o).Parse(test.args); err != nil {
				t.Fatal(err)
			}
			err := o.check()
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("%v does not say %q", err, test.want)
			}
			var out strings.Builder
			if status := bot.Report(&out, "sourcebot", err); status != bot.ExitUsage {
				t.Errorf("status %d", status)
			}
		})
	}
}

func TestVersionSuffixesSort(t *testing.T) {
	parse := func(s string) debian.Version {
		v, err := debian.ParseVersion(s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, base := range []string{"1.2", "1.2-3", "1:1.2-3"} {
		var before debian.Version
		for i, codename := range []debian.Codename{"bullseye", "bookworm", "trixie", "forky", "sid"} {
			v := parse(base).Append(versionSuffix(codename))
			if i > 0 && v.Compare(before) <= 0 {
				t.Errorf("%s does not sort above %s", v, before)
			}
			before = v
		}
		if before.Compare(parse(base)) != 0 {
			t.Errorf("sid has version %s", before)
		}
	}
	if got := versionSuffix("my-own_stable"); got != "~my.own.stable" {
		t.Errorf("suffix %q", got)
	}
}

func TestReleases(t *testing.T) {
	top := debian.Entry{
		Source: "hello", Version: debian.Version{Upstream: "1.2", Revision: "3"}, Distributions: []string{"UNRELEASED"},
		Urgency: "low", Maintainer: "A <a@example.org>", Date: time.Unix(1, 0), Changes: "  * Old.",
	}
	c := gitrepo.Commit{Hash: "1a2b3c4d5e6f7a8b9c0d1a2b3c4d5e6f7a8b9c0d", Subject: "Fix it", Time: time.Date(2026, 11, 20, 23, 15, 1, 0, time.UTC)}
	about := message.Commit{Origin: message.Origin{Branch: "debian/sid"}}
	text := func(o options, codenames ...debian.Codename) string {
		rs, err := o.releasesFor(codenames, top, c, &about)
		if err != nil {
			return err.Error()
		}
		var b strings.Builder
		for _, r := range rs {
			b.WriteString(string(r.codename) + " " + r.version.String() + "\n")
			if r.entry != nil {
				b.WriteString(r.entry.String())
			}
		}
		return b.String()
	}
	rebuild := func() string {
		defer func(v debian.Version) { top.Version = v }(top.Version)
		top.Version = debian.Version{Upstream: "2.0+b2"}
		return text(options{}, "bookworm")
	}
	for name, test := range map[string]struct{ got, want string }{
		"rebuild": {rebuild(), "debian/changelog: version 2.0+b2 ends like that of a binary-only rebuild"},
		"plain":   {text(options{}, "bookworm"), "bookworm 1.2-3\n"},
		"autobump": {text(options{autobump: true, bump: defaultTemplate}, "bookworm"), "bookworm 1.2-3+20261120.2315.g1a2b3c4\n" +
			"hello (1.2-3+20261120.2315.g1a2b3c4) UNRELEASED; urgency=low\n\n  * Commit 1a2b3c4d5e6f: Fix it\n\n -- A <a@example.org>  Fri, 20 Nov 2026 23:15:01 +0000\n\n"},
		"several": {text(options{}, "bookworm", "sid"), "bookworm 1.2-3~deb12u0\n" +
			"hello (1.2-3~deb12u0) bookworm; urgency=low\n\n  * Build for bookworm.\n\n -- A <a@example.org>  Fri, 20 Nov 2026 23:15:01 +0000\n\nsid 1.2-3\n"},
		"same suffix": {text(options{}, "sid", "unstable"), "codenames sid and unstable would get packages of the same version 1.2-3"},
		"same words":  {text(options{}, "a-b", "a_b"), "codenames a-b and a_b would get packages of the same version 1.2-3~a.b"},
	} {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s, -want +got:\n%s", name, diff)
		}
	}
}
