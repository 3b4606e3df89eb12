package openkey

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foundry/pkg/trust/trusttest"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"foundry/pkg/bot"
	"foundry/pkg/trust"
)

// gpgKey makes a key that expires at the given time, and returns what gpg knows it by.
func gpgKey(t *testing.T, name string, expires time.Time) string {
	t.Helper()
	user := name + " <" + name + "@example.org>"
	made := expires.AddDate(-1, 0, 0).UTC().Format("20060102T150405")
	out, err := exec.Command("gpg", "--batch", "--quiet", "--passphrase", "", "--faked-system-time", made,
		"--quick-generate-key", user, "ed25519", "sign", expires.UTC().Format("20060102T150405")).CombinedOutput()
	if err != nil {
		t.Fatalf("make key: %v: %s", err, out)
	}
	return name + "@example.org"
}

// TestExpiryIsTold looks at keys with more and less time left.
func TestExpiryIsTold(t *testing.T) {
	trusttest.GPGHome(t)
	now := time.Now()
	long, soon, gone := gpgKey(t, "long", now.Add(40*24*time.Hour)), gpgKey(t, "soon", now.Add(time.Hour+10*24*time.Hour)), gpgKey(t, "gone", now.Add(-24*time.Hour))
	tests := map[string]struct {
		specs      []string
		opened     string // of the error of opening
		told       string // in the log and in --list; "" for nothing
		signatures int
	}{
		"none":              {nil, "", "", 1},
		"long":              {[]string{long}, "", "", 1},
		"soon":              {[]string{soon}, "", "expires in 10 days, on ", 1},
		"one of two soon":   {[]string{long, soon}, "", "expires in 10 days, on ", 2},
		"gone":              {[]string{gone}, "has expired on", "", 0},
		"one of two gone":   {[]string{gone, long}, "", "has expired on", 1},
		"the same twice":    {[]string{long, long}, "the same key as", "", 0},
		"one does not open": {[]string{long, "/nonexistent/key"}, "no such file", "", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			b := &bot.Bot{Log: zerolog.New(&log).Level(zerolog.WarnLevel), Settings: bot.Settings{State: t.TempDir()}}
			signer, err := testKind.OpenAll(t.Context(), b, tt.specs)
			if tt.opened != "" {
				if err == nil || !strings.Contains(err.Error(), tt.opened) || bot.HintOf(err) == "" {
					t.Errorf("%v, hint %q", err, bot.HintOf(err))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			testKind.look(ctx, b, signer)
			cancel()
			testKind.Watch(ctx, b, signer) // ends, and has nothing to say of a bot that is stopped
			for place, text := range map[string]string{"log": log.String(), "--list": b.State().LastError} {
				if (tt.told == "") != (text == "") || !strings.Contains(text, tt.told) {
					t.Errorf("%s: %q, want %q", place, text, tt.told)
				}
			}
			if tt.told != "" && !strings.Contains(log.String(), `"hint":"gpg --quick-set-expire `) {
				t.Errorf("no hint in %s", log.String())
			}
			terms, err := trust.Terms(t.Context(), signer)
			if err != nil || len(terms) != tt.signatures {
				t.Errorf("%d keys sign, want %d: %v", len(terms), tt.signatures, err)
			}
		})
	}
}

// TestSeveralSign lets one key of the state folder and one of a file sign.
func TestSeveralSign(t *testing.T) {
	b := newBot(t)
	first, _, err := testKind.Open(t.Context(), b, "")
	if err != nil {
		t.Fatal(err)
	}
	second := filepath.Join(t.TempDir(), "second.asc")
	key, _, err := trust.LoadOrCreate(second, "second")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := testKind.OpenAll(t.Context(), b, []string{b.Path("keys", "test.asc"), second})
	if err != nil {
		t.Fatal(err)
	}
	public, err := signer.Public()
	if err != nil {
		t.Fatal(err)
	}
	ring, err := trust.ParseKeyring(public)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fmt.Sprint([]string{first.Fingerprint(), key.Fingerprint()}), fmt.Sprint(ring.Fingerprints())); diff != "" {
		t.Error(diff)
	}
}
