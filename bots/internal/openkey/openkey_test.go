package openkey

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"foundry/pkg/bot"
)

var testKind = Kind{Name: "test key", File: "test.asc", User: "foundry test"}

func newBot(t *testing.T) *bot.Bot {
	t.Helper()
	return &bot.Bot{Log: zerolog.Nop(), Settings: bot.Settings{State: t.TempDir()}}
}

// TestOpenMakes opens the key of an empty state folder, and then finds it there.
func TestOpenMakes(t *testing.T) {
	b := newBot(t)
	first, made, err := testKind.Open(t.Context(), b, "")
	if err != nil || made == nil || made.Fingerprint() != first.Fingerprint() {
		t.Fatalf("key %v was made as %v: %v", first, made, err)
	}
	if err := testKind.Try(t.Context(), first); err != nil {
		t.Error(err)
	}
	for _, spec := range []string{"", b.Path("keys", "test.asc")} {
		again, made, err := testKind.Open(t.Context(), b, spec)
		if err != nil || made != nil || again.Fingerprint() != first.Fingerprint() {
			t.Errorf("again with %q: key %v, made %v: %v", spec, again, made, err)
		}
	}
}

// TestOpenErrors wants the key named, and the hint of whoever knows most.
func TestOpenErrors(t *testing.T) {
	b := newBot(t)
	if _, _, err := testKind.Open(t.Context(), b, ""); err != nil {
		t.Fatal(err)
	}
	loose := b.Path("keys", "test.asc")
	if err := os.Chmod(loose, 0o644); err != nil {
		t.Fatal(err)
	}
	for spec, hint := range map[string]string{
		"":                                     "chmod 600 " + loose,
		loose:                                  "chmod 600 " + loose,
		filepath.Join(t.TempDir(), "none.asc"): "--gpg-key",
	} {
		_, _, err := testKind.Open(t.Context(), b, spec)
		if err == nil || !strings.HasPrefix(err.Error(), "open test key: ") || !strings.Contains(err.Error(), spec) {
			t.Errorf("%q: %v, want the key named", spec, err)
		}
		if got := bot.HintOf(err); !strings.Contains(got, hint) {
			t.Errorf("%q: hint %q, want %q", spec, got, hint)
		}
	}
}
