package main

import (
	"slices"
	"strings"
)

// rule says of a field why it may differ, and how; foundry and other are the values, which are empty where there is
// no such field.
type rule struct {
	field  string // in small letters; empty for any
	reason string
	allows func(foundry, other string) bool
}

// rules are all that may differ, the first that fits counts.
var rules = []rule{
	{"sha1", "left out by foundry, as by Debian's archive: SHA256 decides", absent},
	{"sha512", "left out by foundry, as by Debian's archive: SHA256 decides", absent},
	{"checksums-sha1", "left out by foundry: SHA256 decides", absent},
	{"checksums-sha512", "left out by foundry: SHA256 decides", absent},
	{"files", "the order of files in a list says nothing", sameLines},
	{"checksums-sha256", "the order of files in a list says nothing", sameLines},
	{"description", "blanks at the ends of lines", trimmed},
	{"", "line breaks and blanks in a field of one line (deb822(5)): written as one line", folded},
}

func absent(foundry, _ string) bool { return foundry == "" }

func sameLines(foundry, other string) bool {
	sorted := func(s string) []string {
		list := strings.Split(strings.TrimSpace(s), "\n")
		for i := range list {
			list[i] = strings.TrimSpace(list[i])
		}
		slices.Sort(list)
		return list
	}
	return slices.Equal(sorted(foundry), sorted(other))
}

func trimmed(foundry, other string) bool {
	ends := func(s string) string {
		list := strings.Split(s, "\n")
		for i := range list {
			list[i] = strings.TrimRight(list[i], " \t")
		}
		return strings.Join(list, "\n")
	}
	return ends(foundry) == ends(other)
}

func folded(foundry, other string) bool {
	return foundry != "" && other != "" && strings.Join(strings.Fields(foundry), " ") == strings.Join(strings.Fields(other), " ")
}

// explain returns why the field may differ as it does, or "".
func explain(field, foundry, other string) string {
	for _, r := range rules {
		if (r.field == "" || r.field == field) && r.allows(foundry, other) {
			return r.reason
		}
	}
	return ""
}
