package upload_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foundry/pkg/bot"
)

// TestNotWritable: a folder that the bot may not write into is told with what to do.
func TestNotWritable(t *testing.T) {
	in := newIncoming(t)
	if err := os.Mkdir(filepath.Join(in.Dir, ".lock"), 0o755); err != nil { // stops root as well
		t.Fatal(err)
	}
	err := in.Scan(t.Context())
	if err == nil || !strings.Contains(bot.HintOf(err), "write into "+in.Dir) {
		t.Errorf("%v, hint %q", err, bot.HintOf(err))
	}
}
