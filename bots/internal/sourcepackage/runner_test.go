package sourcepackage

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"foundry/pkg/bot"
)

func newRunner(t *testing.T, log *bytes.Buffer) *Runner {
	t.Helper()
	r, err := NewRunner(t.TempDir(), time.Unix(1_000_000_000, 0), log)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRunGivesNothingAway looks at what a program gets to see of this one.
func TestRunGivesNothingAway(t *testing.T) {
	t.Setenv("FOUNDRY_TEST_SECRET", "secret")
	out, err := newRunner(t, new(bytes.Buffer)).Output(t.Context(), 1<<20, Call{Dir: "/", Args: []string{"env"}})
	if err != nil || strings.Contains(out, "secret") || !strings.Contains(out, "SOURCE_DATE_EPOCH=1000000000\n") {
		t.Errorf("%v:\n%s", err, out)
	}
}

// TestRunEndsAll ends a program whose child would keep the output open for ever.
func TestRunEndsAll(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begun := time.Now()
	err := newRunner(t, new(bytes.Buffer)).Run(ctx, Call{Dir: "/", Args: []string{"sh", "-c", "sleep 600 & wait"}})
	if err == nil || time.Since(begun) >= endWait { // the child was alive
		t.Errorf("%v after %s", err, time.Since(begun))
	}
	if err := ToolFault(ctx, err, ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the end of the time", err)
	}
}

// TestToolFault decides whose fault it is, by real programs.
func TestToolFault(t *testing.T) {
	for _, tt := range []struct {
		script, reason, hint string
		ours                 bool // the package is not at fault
	}{
		{"echo 'x: error: bad patch' >&2; echo more >&2; exit 2", "sh: bad patch", "look", false},
		{"echo last; exit 1", "sh: last", "look", false},
		{"echo 'tar: No space left on device' >&2; exit 2", "sh: tar: No space left on device", "make room", true},
		{"kill -9 $$", "sh: signal: killed", "", true},
	} {
		var log bytes.Buffer
		err := ToolFault(t.Context(), newRunner(t, &log).Run(t.Context(), Call{Dir: "/", Args: []string{"sh", "-c", tt.script}}), "look")
		var failure *bot.Failure
		if err == nil || err.Error() != tt.reason || errors.As(err, &failure) == tt.ours {
			t.Errorf("%s: %v (%T), want %q", tt.script, err, err, tt.reason)
			continue
		}
		hint := bot.HintOf(err)
		if failure != nil {
			hint = failure.Hint
		}
		if !strings.HasPrefix(hint, tt.hint) || tt.hint == "" && hint != "" {
			t.Errorf("%s: hint %q, want %q", tt.script, hint, tt.hint)
		}
	}
	err := ToolFault(t.Context(), newRunner(t, new(bytes.Buffer)).Run(t.Context(), Call{Dir: "/", Args: []string{"foundry-none"}}), "look")
	if bot.HintOf(err) != "apt-get install foundry-none" {
		t.Errorf("%v, hint %q", err, bot.HintOf(err))
	}
}

// TestOutputIsBounded reads from a program that never stops writing.
func TestOutputIsBounded(t *testing.T) {
	if out, err := newRunner(t, new(bytes.Buffer)).Output(t.Context(), 1<<10, Call{Dir: "/", Args: []string{"yes"}}); err == nil {
		t.Errorf("got %d bytes", len(out))
	}
}
