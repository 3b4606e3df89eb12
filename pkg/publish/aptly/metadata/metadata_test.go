package metadata

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/publish"
)

func suite() publish.Suite {
	return publish.Suite{
		Codename: "bookworm", Suite: "stable", Component: "main", Architectures: []string{"amd64", "arm64"},
		Origin: "acme", Label: "acme", Description: "-dashed ",
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

// TestIndexes looks where packages are listed, and what is made anew when one of them changes.
func TestIndexes(t *testing.T) {
	list := []Package{
		{Architecture: "all", Paragraph: []byte("Package: doc\n\n")},
		{Architecture: "amd64", Paragraph: []byte("Package: hello\n\n")},
		{Architecture: "source", Paragraph: []byte("Package: hello-source\n\n")},
	}
	fresh, listed, err := Indexes(t.Context(), suite(), list, Release{})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"main/binary-amd64/Packages": "Package: doc\n\nPackage: hello\n\n",
		"main/binary-arm64/Packages": "Package: doc\n\n",
		"main/source/Sources":        "Package: hello-source\n\n",
	} {
		if diff := cmp.Diff(want, string(fresh[path])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	if len(fresh) != 9 || len(listed) != 9 {
		t.Errorf("%d files made and %d listed, want 9: three indexes, each plain, .gz and .xz", len(fresh), len(listed))
	}
	list[1].Paragraph = []byte("Package: hello\nVersion: 2\n\n")
	list = append(list, Package{Architecture: "arm64", Udeb: true, Paragraph: []byte("Package: installer\n\n")})
	fresh, again, err := Indexes(t.Context(), suite(), list, Release{Files: listed})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"main/binary-amd64/Packages", "main/debian-installer/binary-amd64/Packages", "main/debian-installer/binary-arm64/Packages"}
	plain := slices.DeleteFunc(slices.Sorted(maps.Keys(fresh)), func(s string) bool { return filepath.Ext(s) != "" })
	if diff := cmp.Diff(want, plain); diff != "" {
		t.Errorf("made anew (-want +got):\n%s", diff)
	}
	if again["main/source/Sources.xz"] != listed["main/source/Sources.xz"] || len(again) != 15 {
		t.Errorf("%d files listed: %v", len(again), again)
	}
}
