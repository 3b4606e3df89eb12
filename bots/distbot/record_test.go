package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foundry/bots/internal/bottest"
	"foundry/bots/internal/published"
	"foundry/pkg/message"
)

// TestRecord: what is published is on record before anybody hears of it, and a distbot that starts on a new
// bus records what it has.
func TestRecord(t *testing.T) {
	f := newFixture(t)
	s := f.sign(t, "1.0-2")
	if _, err := f.run(t, s); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(f.dir, "hello_1.0-2.dsc"))
	if err != nil {
		t.Fatal(err)
	}
	these, err := published.Content(text)
	if err != nil {
		t.Fatal(err)
	}
	check := func(version string, content message.Digest, words string) {
		t.Helper()
		err := published.Check(t.Context(), f.Values, message.Package{Source: "hello", Version: version, Codename: "bookworm"}, content)
		if words == "" && err != nil || words != "" && (err == nil || !strings.Contains(err.Error(), words)) {
			t.Errorf("%s: %v, want %q", version, err, words)
		}
	}
	check("1.0-1", "", "lower than version 1.0-2, which test has for bookworm")
	check("1.0-2", these, "")
	check("1.0-2", message.Digest(strings.Repeat("a", 64)), "contents differ")
	check("1.0-3", "", "")

	f.Values = new(bottest.Values)
	check("1.0-1", "", "")
	f.record(t.Context())
	check("1.0-1", "", "lower than version 1.0-2, which test has for bookworm")
	check("1.0-2", these, "")
}
