package sourcepackage

import (
	"strings"
	"testing"
)

func TestExplain(t *testing.T) {
	for name, test := range map[string]struct{ output, last, reason, hint string }{
		"local changes": {
			"dpkg-source: info: local changes detected, the modified files are:\n hello-1.0/doc/a b\n hello-1.0/x.c\ndpkg-source: info: Hint: make sure\n", "aborting due to unexpected upstream changes, see /tmp/x",
			"outside of debian: doc/a b, x.c (aborting", "debian/patches",
		},
		"many": {
			"local changes detected, the modified files are:\n h-1/a\n h-1/b\n h-1/c\n h-1/d\n h-1/e\n h-1/f\n h-1/g\n", "aborting due to unexpected upstream changes, see /tmp/x",
			"a, b, c, d, e and 2 more", "debian/patches",
		},
		"links":   {"dpkg-source: error: cannot represent change to run:\ndpkg-source: error:   new version is symlink\n", "unrepresentable changes to source", "upstream source: run", "put them back"},
		"binary":  {"dpkg-source: error: cannot represent change to a.bin: binary file contents changed\n", "unrepresentable changes to source", "upstream source: a.bin", "include-binaries"},
		"unknown": {"", "something new", "dpkg-source: something new", "dpkg-source -b ."},
		"patch": {
			"1 out of 1 hunk FAILED\ndpkg-source: error: LC_ALL=C patch -t -F 0 -N -p1 -u -V never -E -b -B .pc/a/fix.patch/ --reject-file=- < hello-1.0.orig.x/debian/patches/a/fix.patch subprocess returned exit status 1\n", "x",
			"patch debian/patches/a/fix.patch does not apply to the orig tarball", "quilt",
		},
		"applied patch": {
			"Reversed (or previously applied) patch detected!  Skipping patch.\ndpkg-source: error: LC_ALL=C patch < x.orig.y/debian/patches/fix subprocess returned exit status 1\n", "x",
			"(it is in there already)", "quilt",
		},
		"tarball": {"dpkg-source: error: tar -xf - --no-same-permissions --no-same-owner subprocess returned exit status 2\n", "x", "cannot be unpacked", "tar -tf"},
	} {
		t.Run(name, func(t *testing.T) {
			reason, hint := explain(test.output, test.last)
			if !strings.Contains(reason, test.reason) || !strings.Contains(hint, test.hint) {
				t.Errorf("%q, %q; want %q, %q", reason, hint, test.reason, test.hint)
			}
		})
	}
}

// FuzzExplain: whatever dpkg-source writes of a hostile package's names, the reason is one line.
func FuzzExplain(f *testing.F) {
	f.Add("local changes detected, the modified files are:\n a/b\n", "unexpected upstream changes")
	f.Add("error: cannot represent change to x:\n", "unrepresentable changes")
	f.Fuzz(func(t *testing.T, output, last string) {
		last, _, _ = strings.Cut(last, "\n")
		reason, hint := explain(output, last)
		if strings.Contains(reason, "\n") || hint == "" {
			t.Errorf("%q, %q", reason, hint)
		}
	})
}

func TestTail(t *testing.T) {
	out := &tail{limit: 10}
	for range 100 {
		if n, err := out.Write([]byte("abcde")); n != 5 || err != nil {
			t.Fatal(n, err)
		}
	}
	if len(out.text) > 20 || !strings.HasSuffix(string(out.text), "deabcde") {
		t.Errorf("%q", out.text)
	}
}
