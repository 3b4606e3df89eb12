package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/scripts/internal/rig"
)

// TestEquality compares what generated packages look like, with the aptly of the distribution.
func TestEquality(t *testing.T) {
	program, err := exec.LookPath("aptly")
	if err != nil {
		t.Fatalf("%v: apt-get install aptly", err)
	}
	r, err := rig.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	e := &equality{rig: r, aptly: program, packages: filepath.Join(r.Dir, "packages")}
	if err := e.generate(t.Context()); err != nil {
		t.Fatal(err)
	}
	report, err := e.compare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range report.problems {
		t.Error(p)
	}
	if len(report.rows) < 16 || report.rows[0].stanzas < 3000 {
		t.Errorf("too little was compared: %+v", report.rows)
	}
}

// TestDifferences alters what the other says.
func TestDifferences(t *testing.T) {
	const (
		packages    = "Package: a\nVersion: 1\nArchitecture: all\nDepends: b, c\nDescription: short\nDescription-md5: bba43c8f560fd5a52434fa8956b90803\nSHA256: 00\n\n"
		translation = "Package: a\nDescription-md5: bba43c8f560fd5a52434fa8956b90803\nDescription-en: short\n long\n\n"
	)
	for _, c := range []struct {
		name, theirs string
		ours         indexes
		want         []string
	}{
		{"same", "Package: a\nVersion: 1\nArchitecture: all\nDepends: b,\n c\nDescription: short\n long\nSHA256: 00\nSHA1: 1\n\n", nil, nil},
		{"value", "Package: a\nVersion: 1\nArchitecture: all\nDepends: b\nDescription: short\n long\nSHA256: 00\n", nil, []string{`x: main/P: a 1 all, depends: foundry "b, c", not "b"`}},
		{"field", "Package: a\nVersion: 1\nArchitecture: all\nDepends: b, c\nDescription: short\n long\nSHA256: 00\nTag: t\n", nil, []string{`x: main/P: a 1 all, tag: foundry "", not "t"`}},
		{"long", "Package: a\nVersion: 1\nArchitecture: all\nDepends: b, c\nDescription: short\n another\nSHA256: 00\n", nil, []string{`x: main/P: a 1 all, description: foundry "short\n long", not "short\n another"`}},
		{"stanzas", "Package: b\nVersion: 1\nArchitecture: all\n", nil, []string{"x: main/P: foundry lacks b 1 all", "x: main/P: only foundry has a 1 all"}},
		{"no translation", "Package: a\nVersion: 1\nArchitecture: all\nDepends: b, c\nSHA256: 00\n", indexes{"main/P": packages}, []string{"x: main/P: a 1 all: its long description is in no Translation-en"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ours := c.ours
			if ours == nil {
				ours = indexes{"main/P": packages, "main/i18n/Translation-en": translation}
			}
			r := &report{explained: map[string]int{}}
			if err := r.add("x", "main/P", ours, c.theirs); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, r.problems); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	for _, bad := range []string{"no colon\n", "Package: a\nPackage: a\n", packages + packages} {
		if _, err := parse(bad); err == nil {
			t.Errorf("parse(%q) is no error", bad)
		}
	}
}

func TestContents(t *testing.T) {
	r := &report{explained: map[string]int{}}
	ours := indexes{"main/Contents-amd64": "usr/a b   utils/x,y\nusr/c z\n"}
	if err := r.add("aptly", "main/Contents-amd64", ours, "FILE LOCATION\nusr/a b\t\ty,utils/x\nusr/d z\n"); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(r.problems, "\n"); got != "aptly: main/Contents-amd64: only foundry has \"usr/c\\tz\"\naptly: main/Contents-amd64: foundry lacks \"usr/d\\tz\"" {
		t.Error(got)
	}
}
