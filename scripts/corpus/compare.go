package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"foundry/pkg/debian"
)

// What may differ, and why. All else is a difference.
//
//   - The content of files, and with it md5sums and Installed-Size in dbgsym packages: each build has a
//     path of its own, as on Debian's builders, and a compiler writes that into debugging information
//     unless a package says otherwise. How many packages are the same to the byte is counted.
//   - Build-Ids of dbgsym packages, and the names of their files that are made of those: a build id is
//     a hash of the above.
//   - Of a .buildinfo, when, where and by which kernel it was built, and the hashes of packages.
//   - Of a .changes, sizes and hashes of files.

// differences tells in what b is unlike a.
func differences(a, b *build) (all []string) {
	report := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	lists("the .changes", "lists", a.files, b.files, report)
	fields("the .changes", a.changes, b.changes, []string{"Files", "Checksums-Sha1", "Checksums-Sha256"}, report)
	lists("the .changes", "has", sections(a.changes), sections(b.changes), report)
	fields("the .buildinfo", a.buildinfo, b.buildinfo, []string{
		"Build-Date", "Build-Path", "Build-Kernel-Version", "Checksums-Md5", "Checksums-Sha1", "Checksums-Sha256",
	}, report)
	for _, name := range slices.Sorted(maps.Keys(a.packages)) {
		if theirs, ours := a.packages[name], b.packages[name]; ours != nil {
			comparePackage(name, theirs, ours, report)
		}
	}
	return all
}

func comparePackage(name string, theirs, ours *binary, report func(string, ...any)) {
	var leave []string
	if strings.Contains(name, "-dbgsym_") {
		leave = []string{"Build-Ids", "Installed-Size"}
	}
	fields(name, theirs.control, ours.control, leave, report)
	lists(name, "has", describe(theirs.files, false), describe(ours.files, false), report)
	lists(name, "has in its control archive", describe(theirs.members, true), describe(ours.members, true), report)
}

// fields compares two stanzas.
func fields(what string, a, b debian.Stanza, leave []string, report func(string, ...any)) {
	names := map[string]bool{}
	for _, s := range []debian.Stanza{a, b} {
		for _, f := range s {
			names[f.Name] = !slices.Contains(leave, f.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		x, inA := a.Lookup(name)
		y, inB := b.Lookup(name)
		if names[name] && (x != y || inA != inB) {
			report("%s: field %s is %q instead of %q", what, name, y, x)
		}
	}
}

// lists tells what is in one of two lists only.
func lists(what, verb string, a, b []string, report func(string, ...any)) {
	for _, x := range a {
		if !slices.Contains(b, x) {
			report("%s: %s no %s", what, verb, x)
		}
	}
	for _, x := range b {
		if !slices.Contains(a, x) {
			report("%s: %s %s besides", what, verb, x)
		}
	}
}

// sections are the names of a .changes' files, with section and priority.
func sections(changes debian.Stanza) (lines []string) {
	for line := range strings.Lines(changes.Get("Files")) {
		if words := strings.Fields(line); len(words) == 5 {
			lines = append(lines, strings.Join(words[2:], " "))
		}
	}
	return lines
}

// buildID is a file's name in a dbgsym package.
var buildID = regexp.MustCompile(`(/\.build-id/)[0-9a-f]{2}(/[0-9a-f]+\.debug)?`)

// describe is a line for each entry. Of a control archive the content counts too, but for hashes of
// files and the control file, which is compared by itself.
func describe(entries []entry, control bool) (lines []string) {
	for _, e := range entries {
		path := buildID.ReplaceAllStringFunc(e.path, func(s string) string {
			if strings.HasSuffix(s, ".debug") {
				return "/.build-id/XX/X.debug"
			}
			return "/.build-id/XX"
		})
		line := fmt.Sprintf("%s %c %04o %s", path, e.kind, e.mode, e.owner)
		if e.link != "" {
			line += " -> " + e.link
		}
		if control && path != "./md5sums" && path != "./control" {
			line += " " + e.content[:12]
		}
		lines = append(lines, line)
	}
	return lines
}

// same counts the packages that are the same to the byte.
func same(a, b *build) (n int) {
	for name, p := range a.packages {
		if q := b.packages[name]; q != nil && p.digest == q.digest {
			n++
		}
	}
	return n
}
