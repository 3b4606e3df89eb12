package metadata

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/publish"
)

func suite() publish.Suite {
	return publish.Suite{
		Codename: "bookworm", Suite: "stable", Component: "main", Components: []string{"contrib", "main"},
		Architectures: []string{"amd64", "arm64"}, Origin: "acme", Label: "acme", Description: "-dashed ",
	}
}

// TestReleaseReadsAsWritten writes a Release file and reads it.
func TestReleaseReadsAsWritten(t *testing.T) {
	now := time.Date(2026, 11, 20, 23, 15, 1, 5, time.UTC)
	var want Release
	want.Follow(Release{}, now, 24*time.Hour)
	want.Files = map[string]File{
		"main/source/Sources":           {12, strings.Repeat("a", 64)},
		"main/binary-amd64/Packages.xz": {0, strings.Repeat("b", 64)},
	}
	text := want.Text(suite())
	want.SHA256 = Digest(text)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "-") || strings.HasSuffix(line, " \n") {
			t.Errorf("line %q would be signed as another", line)
		}
	}
	path := filepath.Join(t.TempDir(), "Release")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, want.Modified, want.Modified); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	got.Modified = got.Modified.UTC()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("written and read (-want +got):\n%s", diff)
	}
	for _, bad := range []string{" a b\n", " a x path\n", "Date: yesterday\n", "Valid-Until: \n x"} {
		if err := os.WriteFile(path, []byte(bad), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v, want an error that names the file", bad, err)
		}
	}
}

// TestReleaseFields looks at the fields that settings of a suite make.
func TestReleaseFields(t *testing.T) {
	release := Release{Date: time.Unix(1e9, 0), ValidUntil: time.Unix(2e9, 0), Files: map[string]File{"b": {2, "bb"}, "a": {1, "aa"}}}
	plain := publish.Suite{Codename: "sid", Component: "main", Architectures: []string{"amd64"}, ButAutomaticUpgrades: true}
	full := suite()
	full.Version, full.NotAutomatic, full.DebugComponent = "12.1", true, "debug"
	backports := full
	backports.ButAutomaticUpgrades, backports.SignedBy = true, []string{"ABCD", "EF01!"}
	const dates = "Date: Sun, 09 Sep 2001 01:46:40 UTC\nValid-Until: Wed, 18 May 2033 03:33:20 UTC\nAcquire-By-Hash: yes\n"
	const head = "Origin: acme\nLabel: acme\nSuite: stable\nVersion: 12.1\nCodename: bookworm\n" + dates + "NotAutomatic: yes\n"
	const tail = "Architectures: amd64 arm64\nComponents: main debug contrib\nDescription: -dashed\nSHA256:\n aa 1 a\n bb 2 b\n"
	for _, test := range []struct {
		suite publish.Suite
		want  string
	}{
		{plain, "Suite: sid\nCodename: sid\n" + dates + "Architectures: amd64\nComponents: main\nSHA256:\n aa 1 a\n bb 2 b\n"},
		{full, head + tail},
		{backports, head + "ButAutomaticUpgrades: yes\nSigned-By: ABCD,EF01!\n" + tail},
	} {
		if diff := cmp.Diff(test.want, string(release.Text(test.suite))); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", test.suite, diff)
		}
	}
}

// TestReleaseFollows sets the clock back: no date may go back with it.
func TestReleaseFollows(t *testing.T) {
	now := time.Date(2026, 11, 20, 23, 15, 1, 0, time.UTC)
	var first, second Release
	first.Follow(Release{}, now, time.Hour)
	second.Follow(first, now.Add(-time.Hour), time.Hour)
	if second.Date.Before(first.Date) || !second.Modified.After(first.Modified) {
		t.Errorf("date %s after %s, modified %s after %s", second.Date, first.Date, second.Modified, first.Modified)
	}
}
