package published_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"foundry/bots/internal/bottest"
	"foundry/bots/internal/published"
	"foundry/bots/internal/wire"
	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// connect starts a bus, and connects a program to it with no more rights than bots have.
func connect(t *testing.T) bus.Values {
	t.Helper()
	b := bottest.New(t, bot.Definition{Name: "distbot", Watch: message.Signs, Publish: message.Dists})
	ports, err := wire.Connect(t.Context(), bot.Connection{URL: b.URL, NKeyFile: bot.NKeyFile(b.State, "distbot"), Name: "test", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ports.Bus.Close() })
	return ports.Values
}

func hello(version string) message.Package {
	return message.Package{Source: "hello", Version: version, Codename: "trixie"}
}

const (
	these = message.Digest("1111111111111111111111111111111111111111111111111111111111111111")
	those = message.Digest("2222222222222222222222222222222222222222222222222222222222222222")
)

// wantRefusal checks what a failure of class policy says, or that there is none.
func wantRefusal(t *testing.T, err error, words string) {
	t.Helper()
	var failure *bot.Failure
	switch {
	case words == "" && err != nil:
		t.Errorf("refused: %v", err)
	case words == "":
	case !errors.As(err, &failure) || failure.Class != message.ClassPolicy || failure.Hint == "" || !strings.Contains(failure.Reason, words):
		t.Errorf("%v, want a failure with a hint that says %q", err, words)
	}
}

// TestCheck holds packages to what two archives have, over a real bus.
func TestCheck(t *testing.T) {
	values := connect(t)
	ctx := t.Context()
	for _, n := range []struct {
		archive, version string
		content          message.Digest
	}{
		{"release", "1.2-3", these},
		{"release", "1.2-2", those}, // came late: no step back
		{"testing", "1:1.0-1", those},
	} {
		if err := published.Note(ctx, values, n.archive, hello(n.version), n.content); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		p       message.Package
		content message.Digest
		words   string
	}{
		{hello("1.2-4"), "", ""},                                     // testing alone has more
		{hello("1.2-3"), these, ""},                                  // the same bytes
		{hello("1.2-3"), "", ""},                                     // not known yet
		{hello("1.2-2"), "", "hello 1.2-2 is lower than version 1:"}, // for both
		{hello("1.2-3~deb12u0"), "", "is lower than version"},
		{hello("1.2-3"), those, "is lower than version 1:1.0-1, which testing has for trixie"}, // release has other bytes
		{hello("1:1.0-1"), those, ""},
		{hello("1:1.0-1"), these, ""}, // release takes it
		{hello("1:1.0-2"), these, ""},
		{message.Package{Source: "hello", Version: "0.1", Codename: "bookworm"}, "", ""},
		{message.Package{Source: "libstdc++", Version: "0.1", Codename: "trixie"}, "", ""},
	} {
		t.Run(c.p.Version+" "+c.p.Codename, func(t *testing.T) {
			wantRefusal(t, published.Check(ctx, values, c.p, c.content), c.words)
		})
	}
	if err := published.Note(ctx, values, "testing", hello("1:1.0-1"), these); err != nil {
		t.Fatal(err)
	}
	if err := published.Note(ctx, values, "release", hello("1:1.0-1"), these); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, published.Check(ctx, values, hello("1:1.0-1"), those), "their contents differ")
	if err := published.Note(ctx, values, "release", hello("1 0"), these); err == nil {
		t.Error("a version that is none is noted")
	}
}

// TestSync: a repository that is opened says what it has, and what is known of it besides stays.
func TestSync(t *testing.T) {
	values := connect(t)
	ctx := t.Context()
	if err := published.Note(ctx, values, "a", hello("2.0-1"), these); err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{"hello": "2.0-1"}
	for i := range 500 {
		sources[fmt.Sprintf("lib%d", i)] = "1:3.0-1"
	}
	if err := published.Sync(ctx, values, "a", "trixie", sources); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, published.Check(ctx, values, hello("2.0-1"), those), "their contents differ")
	wantRefusal(t, published.Check(ctx, values, message.Package{Source: "lib499", Version: "3.0-2", Codename: "trixie"}, ""), "lower than version 1:3.0-1, which a has")
	// Made anew from a backup, the repository has less.
	if err := published.Sync(ctx, values, "a", "trixie", map[string]string{"hello": "1.0-1"}); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, published.Check(ctx, values, hello("1.0-2"), those), "")
	wantRefusal(t, published.Check(ctx, values, hello("0.9-1"), those), "lower than version 1.0-1")
	// Removed, it can come again with any version.
	if err := published.Sync(ctx, values, "a", "trixie", map[string]string{"hello": ""}); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, published.Check(ctx, values, hello("0.9-1"), those), "")
}

// TestConcurrent: archives write the same entry at a time, and none is lost.
func TestConcurrent(t *testing.T) {
	values := connect(t)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for _, version := range []string{"1.0-1", "3.0-1", "2.0-1"} {
				if err := published.Note(t.Context(), values, fmt.Sprint("archive", i), hello(version), these); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	wantRefusal(t, published.Check(t.Context(), values, hello("3.0-1~"), ""), "lower than version 3.0-1")
	wantRefusal(t, published.Check(t.Context(), values, hello("3.0-1"), those), "contents differ")
}

// TestDamaged: an entry that is no record counts as none, and is written anew.
func TestDamaged(t *testing.T) {
	for _, text := range []string{"", "null", "[]", `{"a":`, `{"a":{"version":"not a version"}}`} {
		values := new(bottest.Values)
		if err := values.Put(t.Context(), "published/trixie/hello", []byte(text), 0); err != nil {
			t.Fatal(err)
		}
		wantRefusal(t, published.Check(t.Context(), values, hello("1.0-1"), these), "")
		if err := published.Note(t.Context(), values, "a", hello("1.0-1"), these); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		wantRefusal(t, published.Check(t.Context(), values, hello("0.9"), these), "lower than version 1.0-1")
	}
}

// TestTrouble: a bus that does not answer is no refusal.
func TestTrouble(t *testing.T) {
	values := connect(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var failure *bot.Failure
	if err := published.Check(ctx, values, hello("1.0-1"), these); err == nil || errors.As(err, &failure) {
		t.Errorf("%v, want trouble", err)
	}
}

func TestContent(t *testing.T) {
	const plain = "Format: 1.0\nSource: hello\nFiles:\n - dashed\n\n"
	want, err := published.Content([]byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"signed": "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n" + strings.TrimSuffix(plain, "\n") + "-----BEGIN PGP SIGNATURE-----\n\niHUE\n-----END PGP SIGNATURE-----\n",
		"spaces": strings.ReplaceAll(plain, "hello\n", "hello \t\r\n"),
	} {
		if got, err := published.Content([]byte(text)); got != want || err != nil {
			t.Errorf("%s: %s, %v, want %s", name, got, err, want)
		}
	}
	if got, err := published.Content([]byte(plain + "Other: x\n")); got == want || err != nil {
		t.Errorf("other text has the same content: %v", err)
	}
	if _, err := published.Content([]byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nFormat")); err == nil {
		t.Error("half a signed text has content")
	}
}
