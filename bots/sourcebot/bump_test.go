package main

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/gitrepo"
	"foundry/pkg/message"
)

func TestBumpTemplates(t *testing.T) {
	when := time.Date(2026, 11, 21, 0, 15, 1, 0, time.FixedZone("", 3600))
	o := occasion{when, "1a2b3c4d5e6f7a8b9c0d1a2b3c4d5e6f7a8b9c0d", "feature/Do_it-", "bookworm-backports", 2}
	for template, want := range map[string]string{
		defaultTemplate:                         "+20261120.2315.g1a2b3c4",
		"~git%(date)s.%(time)s.%(hash)s":        "~git20261120.2315.1a2b3c4",
		"+%(branch)s.%(date)s.%(codename)s":     "+feature.Do.it.20261120.bookworm.backports",
		"+%(date)s%(time)s%(second)s":           "+20261120231501",
		"+%(date)s+ci%(count)s":                 "+20261120+ci2",
		"":                                      "error: it makes \"\" of a commit",
		"%(date)s":                              "error: it makes \"20261120\" of a commit",
		"-%(date)s":                             "error: it makes \"-20261120\" of a commit",
		"+%(date)s-%(time)s":                    "error: it makes \"+20261120-2315\" of a commit",
		"+%(date)s:1":                           "error: it makes \"+20261120:1\" of a commit",
		"+%(date)s ":                            "error: it makes \"+20261120 \" of a commit",
		"+%(date)s\n":                           "error: it makes \"+20261120\\n\" of a commit",
		"+%(dat)s":                              "error: unknown token %(dat)s (did you mean \"date\"?)",
		"+%(date)s%(version)s":                  "error: unknown token %(version)s",
		"+%(date)d":                             "error: a percent sign that begins no token",
		"+%(date)s%%":                           "error: a percent sign that begins no token",
		"+%(date)s+b%(count)s":                  "error: it makes \"+20261120+b9\" of a commit, the end of a binary-only",
		"+ci":                                   "error: a later commit would not get a higher version",
		"+g%(hash)s.%(date)s":                   "error: a later commit would not get a higher version",
		"+r%(count)s":                           "error: a later commit would not get a higher version",
		"+%(date)s." + strings.Repeat("x", 300): "error: parse version",
	} {
		b, err := parseBump(template)
		got := b.fill(o)
		if err != nil {
			got = "error: " + err.Error() + " (" + bot.HintOf(err) + ")"
			if bot.HintOf(err) == "" {
				t.Errorf("%q: no hint", template)
			}
		}
		if got != want && !(strings.HasPrefix(want, "error: ") && strings.HasPrefix(got, want)) {
			t.Errorf("%q makes %s, want %s", template, got, want)
		}
	}
}

func TestLongBranchInVersion(t *testing.T) {
	got := bump("~%(branch)s").fill(occasion{time.Now(), "1a2b3c4", strings.Repeat("long-", 100), "", 0})
	if len(got) > 1+maxBranch || strings.HasSuffix(got, ".") {
		t.Errorf("%q", got)
	}
}

// TestVersionsSort has dpkg compare what commits, codenames and rebuilds make of versions: each higher than
// the one before.
func TestVersionsSort(t *testing.T) {
	day := time.Date(2026, 11, 20, 23, 15, 1, 0, time.UTC)
	commits := []gitrepo.Commit{
		{Hash: strings.Repeat("f", 40), Time: day},
		{Hash: strings.Repeat("0", 40), Time: day.Add(time.Minute)},
		{Hash: strings.Repeat("8", 40), Time: day.Add(24 * time.Hour)},
	}
	codenames := []debian.Codename{"bullseye", "bookworm", "trixie", "sid"}
	for _, test := range []struct{ template, before, base, after string }{
		{"", "1.2-2", "1.2-3", "1.2-4"},
		{"", "1.2", "1.3", "1.3.1"},
		{defaultTemplate, "1:1.2-3", "1:1.2-3", "1:1.2-3.1"},
		{defaultTemplate, "1.2", "1.2", "1.2.1"},
		{defaultTemplate, "1.2~rc1", "1.2~rc1", "1.2~rc2"},
		{"~git%(date)s.%(time)s.%(hash)s", "1.2-9", "1.3-1", "1.3-1"},
		{"~%(date)s.%(time)s", "1.2.9", "1.3", "1.3"},
	} {
		o := options{autobump: test.template != "", bump: bump(test.template)}
		made := commits
		if !o.autobump {
			made = commits[:1]
		}
		base, err := debian.ParseVersion(test.base)
		if err != nil {
			t.Fatal(err)
		}
		rising := []string{test.before}
		for _, c := range made {
			each := make([][]string, len(codenames))
			for _, about := range []message.Commit{{}, {Count: 1, Bump: true}, {Count: 2, Bump: true}, {Count: 10, Bump: true}} {
				rs, err := o.releasesFor(codenames, debian.Entry{Version: base}, c, &about)
				if err != nil {
					t.Fatal(err)
				}
				for i, r := range rs {
					each[i] = append(each[i], r.version.String())
				}
			}
			for _, versions := range each {
				rising = append(rising, versions...)
			}
		}
		rising = append(rising, test.after)
		for i := range rising[1:] {
			if out, err := exec.Command("dpkg", "--compare-versions", rising[i], "lt", rising[i+1]).CombinedOutput(); err != nil {
				t.Errorf("%q: %s is not below %s: %v %s", test.template, rising[i], rising[i+1], err, out)
			}
		}
	}
}

// TestRebuildEntry: a rebuild says so in the changelog, and one that is not asked to bump changes nothing.
func TestRebuildEntry(t *testing.T) {
	top := debian.Entry{
		Source: "hello", Version: debian.Version{Upstream: "1.2", Revision: "3"}, Distributions: []string{"unstable"},
		Urgency: "low", Maintainer: "A <a@example.org>", Changes: "  * Old.",
	}
	c := gitrepo.Commit{Hash: strings.Repeat("a", 40), Time: time.Date(2026, 11, 20, 23, 15, 1, 0, time.UTC)}
	rs, err := new(options).releasesFor([]debian.Codename{"trixie"}, top, c, &message.Commit{Count: 2, Bump: true})
	if err != nil {
		t.Fatal(err)
	}
	const want = "hello (1.2-3+build2) unstable; urgency=low\n\n  * Rebuild.\n\n -- A <a@example.org>  Fri, 20 Nov 2026 23:15:01 +0000\n\n"
	if got := rs[0].entry.String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, about := range []message.Commit{{Count: 2}, {Bump: true}} {
		if rs, err = new(options).releasesFor([]debian.Codename{"trixie"}, top, c, &about); err != nil || rs[0].entry != nil {
			t.Errorf("%+v: %+v, %v", about, rs, err)
		}
	}
}
