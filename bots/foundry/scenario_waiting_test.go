package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"foundry/bots/foundry/transaction"
)

// small fills a work tree with a native package that needs nothing but what every build has. What
// it installs is the output of a command of its build.
func (w *workTree) small(name, version, depends, command string) {
	w.t.Helper()
	w.write("debian/source/format", "3.0 (native)\n")
	w.write("debian/changelog", name+" ("+version+") acme; urgency=low\n\n  * Small.\n\n -- A <a@b.invalid>  Fri, 20 Nov 2026 12:00:00 +0000\n")
	w.write("debian/control", "Source: "+name+"\nMaintainer: A <a@b.invalid>\nSection: misc\nPriority: optional\nStandards-Version: 4.6.2\n"+
		"Rules-Requires-Root: no\nBuild-Depends: "+depends+"\n\nPackage: "+name+"\nArchitecture: all\nDescription: small\n Very.\n")
	w.write("debian/rules", "#!/usr/bin/make -f\nbuild build-arch build-indep binary-arch:\nclean:\n\trm -rf debian/tmp debian/files\n"+
		"binary: binary-indep\nbinary-indep:\n\tinstall -d debian/tmp/DEBIAN debian/tmp/usr/share/"+name+"\n"+
		"\t"+command+" >debian/tmp/usr/share/"+name+"/text\n\tdpkg-gencontrol\n\tdpkg-deb --root-owner-group -b debian/tmp ..\n")
}

// TestPackageWaitsForAnother sends a package that build-depends on a new version of another, with an
// older one in the repository, and sends that after it. Then it rebuilds it for the version after that.
func TestPackageWaitsForAnother(t *testing.T) {
	needsTime(t)
	root := t.TempDir()
	h := newHouse(t, "")
	h.start()
	needed, needs := newWorkTree(t, h.gpg, root, "foundry-needed"), newWorkTree(t, h.gpg, root, "foundry-needs")
	needed.small("foundry-needed", "1", "dpkg-dev", "echo one")
	needed.commit("One")
	needed.push()
	if out, status := h.follow(needed.bare + "#main"); status != 0 {
		t.Fatalf("the older one: exit status %d\n%s", status, out)
	}

	needs.small("foundry-needs", "1", "foundry-needed (>= 2)", "cat /usr/share/foundry-needed/text")
	needs.commit("Needs two")
	needs.push()
	context := strings.TrimSpace(h.foundry("submit", needs.bare+"#main"))
	until(t, "foundry-needs to wait", func() bool {
		return slices.ContainsFunc(h.show(context).Waiting, func(s transaction.Pending) bool { return len(s.WaitsFor) > 0 })
	})
	if out := h.foundry("show", context); !strings.Contains(out, "waiting for foundry-needed (>= 2)") {
		t.Errorf("show does not tell:\n%s", out)
	}

	needed.small("foundry-needed", "2", "dpkg-dev", "echo two")
	needed.commit("Two")
	needed.push()
	if out, status := h.follow(needed.bare + "#main"); status != 0 {
		t.Fatalf("the newer one: exit status %d\n%s", status, out)
	}
	if out, status := h.follow(needs.bare + "#main"); status != 0 || !strings.Contains(out, "waiting for foundry-needed (>= 2)") {
		t.Fatalf("the one that needs it: exit status %d\n%s", status, out)
	}
	if out := h.foundry("rebuild", "foundry-needed", "--rebuild-dependents"); !strings.Contains(out, "acme: 1 done") {
		t.Errorf("what was built with the newer one: %s", out)
	}

	needed.small("foundry-needed", "3", "dpkg-dev", "echo three")
	needed.commit("Three")
	needed.push()
	out := h.foundry("submit", needed.bare+"#main", "--rebuild-dependents", "--timeout", "5m")
	if !strings.Contains(out, "acme: 1 published") {
		t.Errorf("a version on: %s", out)
	}
	if said, deb := h.install("foundry-needs", "cat /usr/share/foundry-needs/text"); said != "three\n" || !strings.Contains(deb, "+build1_") {
		t.Errorf("%s was built with %q", filepath.Base(deb), said)
	}
}
