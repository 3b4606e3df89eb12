package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"foundry/pkg/artifact"
	"foundry/pkg/message"
)

func TestPlainLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"plain\ttext – ü":          "plain\ttext – ü",
		"\x1b[1;31mred\x1b[0m end": "red end",
		"\x1b]0;title\x07after":    "after",
		"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\": "link",
		"\x1bPdevice\x1b\\x":                       "x",
		"\x1bcreset":                               "reset",
		"\x1b(Bcharset":                            "charset",
		"unfinished \x1b[":                         "unfinished ",
		"10%\r20%\r":                               "10%\n20%",
		"bell\a null\x00 del\x7f":                  "bell null del",
		"c1 \u009b31m":                             "c1 31m",
		"bidi \u202eevil":                          "bidi evil",
		"invalid \xff\xfe":                         "invalid \uFFFD",
	} {
		if got := plainLine([]byte(in)); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzPlainLine(f *testing.F) {
	f.Add([]byte("\x1b[31m red \x1b]0;x\x07"))
	f.Add([]byte("\xc2\x9b31m"))
	f.Fuzz(func(t *testing.T, in []byte) {
		out := plainLine(in)
		if !utf8.ValidString(out) {
			t.Errorf("%q becomes %q, which is no UTF-8", in, out)
		}
		for _, r := range out {
			if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
				t.Errorf("%q keeps %q", in, r)
			}
		}
	})
}

func TestLogPrinter(t *testing.T) {
	a, b := newStepLog("buildbot", "amd64"), newStepLog("provisionbot", "")
	var out bytes.Buffer
	p := &logPrinter{out: &out, partial: map[stepLog][]byte{}}
	for _, piece := range []struct {
		log  stepLog
		text string
	}{{a, "one\ntw"}, {b, "other\nunfinished"}, {a, "o\n"}} {
		if err := p.write(piece.log, time.Time{}, []byte(piece.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.end(); err != nil {
		t.Fatal(err)
	}
	want := "── buildbot amd64 ──\none\n── provisionbot ──\nother\n── buildbot amd64 ──\ntwo\n── provisionbot ──\nunfinished\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestLogPrinterEndlessLine(t *testing.T) {
	var out bytes.Buffer
	p := &logPrinter{out: &out, partial: map[stepLog][]byte{}}
	for range 10 {
		if err := p.write(stepLog{}, time.Time{}, bytes.Repeat([]byte("x"), maxLogLine/4)); err != nil {
			t.Fatal(err)
		}
	}
	if kept := len(p.partial[stepLog{}]); kept >= maxLogLine || out.Len() < 2*maxLogLine {
		t.Errorf("%d bytes are held back, %d written", kept, out.Len())
	}
}

// stream writes a step's log to the bus.
func (y *yard) stream(context, step, key, text string) {
	y.t.Helper()
	w := y.Logs.Writer(context, step, key)
	_, err := io.WriteString(w, text)
	y.ok(err)
	y.ok(w.Close())
}

// keepLog puts a compressed log into the store.
func (y *yard) keepLog(name, text string) message.Artifact {
	y.t.Helper()
	path := filepath.Join(y.t.TempDir(), name)
	var zipped bytes.Buffer
	w, err := zstd.NewWriter(&zipped)
	y.ok(err)
	_, err = io.WriteString(w, text)
	y.ok(err)
	y.ok(w.Close())
	y.ok(os.WriteFile(path, zipped.Bytes(), 0o644))
	ref, err := artifact.PutFile(y.t.Context(), y.Store, path)
	y.ok(err)
	return ref
}

func TestLogs(t *testing.T) {
	y := newYard(t)
	commit := y.announce(sampleCommit())
	name := commit.Context
	status, _, errs := y.cli("logs", name)
	if want := "foundry: no log of " + name + " is kept\nhint: wait for it with --follow\n"; status != 1 || errs != want {
		t.Errorf("without logs: exit status %d, %q", status, errs)
	}
	y.stream(name, "sourcebot", "source", "\x1b[1mfetching\x1b[0m\n")
	y.stream(name, "provisionbot", "amd64", "streamed only\nno newline")
	failure := sampleFailure(sampleCommit().Origin)
	log := y.keepLog("sourcebot_hello_1.0-1.log.zst", "fetching\n\x1b[31mchangelog\x1b[0m is empty\n")
	failure.Log, failure.Architecture = &log, ""
	y.say("sourcebot", message.Failures, commit, failure, "sourcebot")

	want := "── sourcebot source ──\nfetching\nchangelog is empty\n── provisionbot amd64 ──\nstreamed only\nno newline\n"
	if diff := cmp.Diff(want, y.must("logs", name)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, y.must("logs", name, "-f")); diff != "" {
		t.Errorf("--follow of a transaction that has ended: %s", diff)
	}
	if diff := cmp.Diff("── provisionbot amd64 ──\nstreamed only\nno newline\n", y.must("logs", name, "--arch", "amd64")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff("fetching\n\x1b[31mchangelog\x1b[0m is empty\n", y.must("logs", name, "--step", "sourcebot", "--raw")); diff != "" {
		t.Error(diff)
	}
	var line logLine
	y.ok(json.Unmarshal([]byte(strings.SplitN(y.must("logs", name, "--json", "--step", "provisionbot"), "\n", 2)[0]), &line))
	if line.Step != "provisionbot" || line.Key != "amd64" || line.Line != "streamed only" || line.Time.IsZero() {
		t.Errorf("as JSON: %+v", line)
	}
	status, _, errs = y.cli("logs", name, "--step", "buildbot")
	if status != 1 || !strings.Contains(errs, "hint: there are logs of sourcebot source, provisionbot amd64") {
		t.Errorf("log that is not there: exit status %d, %q", status, errs)
	}
	y.ok(y.Store.Delete(t.Context(), log.SHA256))
	if diff := cmp.Diff("── sourcebot source ──\nfetching\n", y.must("logs", name, "--step", "sourcebot")); diff != "" {
		t.Errorf("with the artifact gone: %s", diff)
	}
}

func TestLogsUnknownContext(t *testing.T) {
	y := newYard(t)
	commit := y.announce(sampleCommit())
	wrong := commit.Context[:len(commit.Context)-1] + "x"
	status, _, errs := y.cli("logs", wrong)
	if status != 1 || !strings.Contains(errs, wrong) || !strings.Contains(errs, `did you mean "`+commit.Context+`"?`) {
		t.Errorf("exit status %d, %q", status, errs)
	}
	if status, _, _ := y.cli("logs"); status != 2 {
		t.Errorf("without a context: exit status %d", status)
	}
}

func TestLogsAlteredArtifact(t *testing.T) {
	y := newYard(t)
	commit := y.announce(sampleCommit())
	failure := sampleFailure(sampleCommit().Origin)
	log := y.keepLog("sourcebot.log.zst", strings.Repeat("text\n", 1000))
	failure.Log = &log
	y.say("sourcebot", message.Failures, commit, failure, "sourcebot")
	alterStored(y, log)
	if status, _, errs := y.cli("logs", commit.Context); status != 1 || !strings.Contains(errs, "show log of sourcebot amd64: read sourcebot.log.zst") {
		t.Errorf("exit status %d, %q", status, errs)
	}
}

// alterStored alters one byte of an artifact behind the store's back.
func alterStored(y *yard, ref message.Artifact) {
	y.t.Helper()
	found := false
	y.ok(filepath.WalkDir(filepath.Join(y.state, "store"), func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(strings.ReplaceAll(path, "/", ""), string(ref.SHA256)) {
			return err
		}
		found = true
		flipByte(y.t, path, ref.Size/2)
		return nil
	}))
	if !found {
		y.t.Fatalf("%s is not in the store's folder", ref.SHA256)
	}
}

// flipByte alters one byte of a file.
func flipByte(t *testing.T, path string, at int64) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[at] ^= 1
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// What is written while the transaction runs is shown as it comes, and the end of the
// transaction ends it.
func TestLogsFollow(t *testing.T) {
	y := newYard(t)
	commit := y.announce(sampleCommit())
	y.stream(commit.Context, "sourcebot", "", "early\n")
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := y.client(w).logs(t.Context(), commit.Context, logSelection{follow: true})
		w.Close()
		ended <- err
	}()
	lines := bufio.NewScanner(r)
	expect := func(want string) {
		t.Helper()
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("got %q, want %q", lines.Text(), want)
		}
	}
	expect("── sourcebot ──")
	expect("early")
	y.stream(commit.Context, "sourcebot", "", "late\n")
	expect("late")
	y.stream(commit.Context, "sourcebot", "", "last words")
	y.say("sourcebot", message.Failures, commit, sampleFailure(sampleCommit().Origin), "sourcebot")
	expect("last words")
	if lines.Scan() {
		t.Errorf("more: %q", lines.Text())
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
