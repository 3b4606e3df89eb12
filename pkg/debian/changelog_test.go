package debian

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const goodChangelog = `hello (1:2.10-3) unstable; urgency=Low

  * Say hello.
	with a tab

 -- Jörg Maintainer <joerg@example.org>  Fri, 20 Nov 2026 23:15:01 +0100

hello (1:2.10-2) bookworm trixie; urgency=medium, binary-only=yes

  * Before.

 -- A B <a@example.org>  Mon, 4 May 2020 01:02:03 -0700

hello (2.9) unstable; priority=LOW
  * Old.
 -- A B <a@example.org>, an unreadable signature

hello (2.8-1) unstable; urgency=low

  * Older.

 -- A B <a@example.org>  Sun, 03 May 1998 01:02:03 +0000

Local variables:
mode: debian-changelog
End:
`

func TestParseChangelog(t *testing.T) {
	c := mustChangelog(t, goodChangelog)
	zone := time.FixedZone("", 3600)
	want := Entry{
		Source: "hello", Version: Version{1, "2.10", "3"}, Distributions: []string{"unstable"}, Urgency: "low",
		Changes: "  * Say hello.\n\twith a tab", Maintainer: "Jörg Maintainer <joerg@example.org>",
		Date: time.Date(2026, 11, 20, 23, 15, 1, 0, zone), Line: 1,
	}
	if diff := cmp.Diff(want, c.Top()); diff != "" {
		t.Errorf("first entry, -want +got:\n%s", diff)
	}
	var versions []string
	for _, e := range c {
		versions = append(versions, e.Version.String())
	}
	if diff := cmp.Diff([]string{"1:2.10-3", "1:2.10-2", "2.8-1"}, versions); diff != "" {
		t.Errorf("versions, -want +got:\n%s", diff)
	}
	again := mustChangelog(t, c[0].String()+c[1].String())
	if diff := cmp.Diff(c[0].String(), again[0].String()); diff != "" {
		t.Errorf("written and read again:\n%s", diff)
	}
}

func TestParseChangelogErrors(t *testing.T) {
	trailer := "\n -- A B <a@example.org>  Fri, 20 Nov 2026 23:15:01 +0000\n"
	for name, test := range map[string]struct{ text, want string }{
		"empty":               {"", "no entry"},
		"only blank lines":    {"\n\n\n", "no entry"},
		"text first":          {"\n  * change\n", "line 2: found changes"},
		"bad heading":         {"hello 1.0 unstable\n", "line 1: heading is not"},
		"bad version":         {"hello (a1) unstable; urgency=low\n" + trailer, "line 1: parse version"},
		"version with slash":  {"hello (1.0/../x) unstable; urgency=low\n" + trailer, "line 1: parse version"},
		"source with slash":   {"../x (1.0) unstable; urgency=low\n" + trailer, "line 1: heading"},
		"capital source":      {"Hello (1.0) unstable; urgency=low\n" + trailer, "line 1: invalid source package name"},
		"no distribution":     {"hello (1.0); urgency=low\n" + trailer, "line 1: heading is not"},
		"no trailer":          {"hello (1.0) unstable; urgency=low\n\n  * x\n", "line 1: the entry has no line"},
		"trailer, one space":  {"hello (1.0) unstable; urgency=low\n\n  * x\n\n -- A <a@b> Fri, 20 Nov 2026 23:15:01 +0000\n", "line 5: line is not of the form"},
		"trailer, bad date":   {"hello (1.0) unstable; urgency=low\n\n  * x\n\n -- A <a@b>  yesterday\n", "line 5: date is not"},
		"heading in an entry": {"hello (1.0) unstable; urgency=low\n\n  * x\nhello (0.9) unstable; urgency=low\n" + trailer, "line 4: found the next heading"},
		"trailer first":       {" -- A <a@b>  Fri, 20 Nov 2026 23:15:01 +0000\n", "line 1: found \" -- \""},
		"too large":           {strings.Repeat("\n", maxChangelog+1), "more than"},
		"conflict markers":    {"<<<<<<< HEAD\nhello (1.0) unstable; urgency=low\n" + trailer, "line 1: heading"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := ParseChangelog([]byte(test.text))
			if err == nil {
				t.Fatalf("no error, but %v", c)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q does not say %q", err, test.want)
			}
		})
	}
}

func TestCarriageReturns(t *testing.T) {
	c := mustChangelog(t, strings.ReplaceAll(goodChangelog, "\n", "\r\n"))
	if len(c) != 3 || strings.Contains(c.Top().Changes, "\r") {
		t.Errorf("%d entries, first %q", len(c), c.Top().Changes)
	}
}

func FuzzChangelog(f *testing.F) {
	f.Add([]byte(goodChangelog))
	f.Add([]byte("hello (1) u; urgency=low\n -- <>  Fri, 20 Nov 2026 23:15:01 +0000\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseChangelog(data)
		if err != nil {
			return
		}
		top := c.Top()
		if !ValidPackageName(top.Source) || top.Date.IsZero() && !strings.Contains(string(data), " 0001 ") {
			t.Fatalf("believed %+v", top)
		}
		if !ValidFileName(DscName(top.Source, top.Version)) {
			t.Fatalf("no file name: %q", DscName(top.Source, top.Version))
		}
	})
}
