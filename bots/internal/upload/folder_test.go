package upload_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"foundry/bots/internal/upload"
	"foundry/pkg/message"
)

// incoming is a folder that uploads arrive in, with a clock of its own.
type incoming struct {
	*bench
	*upload.Folder
	late time.Duration // by which the clock is ahead
}

func newIncoming(t *testing.T) *incoming {
	t.Helper()
	in := &incoming{bench: newBench(t)}
	in.Folder = in.open(t.TempDir())
	return in
}

func (in *incoming) open(dir string) *upload.Folder {
	return &upload.Folder{Dir: dir, Desk: in.bench.Desk, Log: zerolog.Nop(), Now: func() time.Time { return time.Now().Add(in.late) }}
}

func (in *incoming) scan() {
	in.t.Helper()
	if err := in.Scan(in.t.Context()); err != nil {
		in.t.Fatal(err)
	}
}

// left lists what is in the folder, hidden files but the lock left out.
func left(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		if e.Name() != ".lock" {
			names = append(names, e.Name())
		}
	}
	return names
}

// wantLeft compares what is in the folder, and in the one of those refused.
func (in *incoming) wantLeft(names, failed []string) {
	in.t.Helper()
	got := slices.DeleteFunc(left(in.t, in.Dir), func(name string) bool { return name == "failed" })
	if diff := cmp.Diff(slices.Sorted(slices.Values(names)), got, cmp.Transformer("", noNil)); diff != "" {
		in.t.Errorf("left in the folder, -want +got:\n%s", diff)
	}
	var refused []string
	if _, err := os.Stat(filepath.Join(in.Dir, "failed")); err == nil {
		refused = left(in.t, filepath.Join(in.Dir, "failed"))
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(failed)), refused, cmp.Transformer("", noNil)); diff != "" {
		in.t.Errorf("failed, -want +got:\n%s", diff)
	}
}

func noNil(names []string) string { return strings.Join(names, " ") }

// dput uploads with the real program, by its method local.
func dput(t *testing.T, to, changes string) {
	t.Helper()
	config := filepath.Join(t.TempDir(), "dput.cf")
	write(t, config, fmt.Sprintf("[foundry]\nmethod = local\nincoming = %s\nallow_unsigned_uploads = 0\nrun_lintian = 0\n", to))
	run(t, t.TempDir(), "dput", "--config", config, "--unchecked", "foundry", changes)
}

// TestDput takes what dput has put into the folder, and refuses what it should.
func TestDput(t *testing.T) {
	in := newIncoming(t)
	dir := t.TempDir()
	changes := pack(t, dir, "3.0 (quilt)", "1.0-1", "bookworm", "one")
	in.sign(changes)
	dput(t, in.Dir, changes)
	in.scan()
	in.wantLeft(nil, nil)
	if got := in.said(message.Sources); len(got) != 1 || message.About(got[0]).Version != "1.0-1" {
		t.Fatalf("announced: %v", got)
	}

	// Again, and the next revision, which brings no orig tarball.
	next := pack(t, dir, "3.0 (quilt)", "1.0-2", "bookworm", "one")
	in.sign(next)
	if err := os.Remove(filepath.Join(dir, "hello_1.0-1_source.foundry.upload")); err != nil { // dput's own memory
		t.Fatal(err)
	}
	dput(t, in.Dir, changes)
	dput(t, in.Dir, next)
	in.scan()
	in.wantLeft(nil, nil)
	if got := in.said(message.Sources); len(got) != 2 || message.About(got[1]).Version != "1.0-2" {
		t.Fatalf("announced: %v", got)
	}

	// For a codename that nobody has asked for.
	other := pack(t, t.TempDir(), "3.0 (native)", "2.0", "unstable", "one")
	in.sign(other)
	dput(t, in.Dir, other)
	in.scan()
	if names := left(t, in.Dir); len(names) != 4 {
		t.Errorf("refused at once, before all can have arrived: left %v", names)
	}
	in.late = 2 * time.Minute
	in.scan()
	in.wantLeft(nil, []string{
		"hello_2.0.dsc", "hello_2.0.tar.xz", "hello_2.0_source.buildinfo", "hello_2.0_source.changes", "hello_2.0_source.changes.reason",
	})
	reason := read(t, filepath.Join(in.Dir, "failed", "hello_2.0_source.changes.reason"))
	if !strings.Contains(reason, "is for unstable; built are bookworm, trixie\nhint: ") {
		t.Errorf("reason %q", reason)
	}
	failures := in.said(message.Failures)
	if len(failures) != 1 {
		t.Fatalf("%d failures", len(failures))
	}
	f, ok := failures[0].(*message.Failure)
	if !ok || f.Source != "hello" || f.Version != "2.0" || f.Branch != "unstable" || f.Class != message.ClassPolicy || f.Hint == "" {
		t.Errorf("failure %+v", failures[0])
	}
	// The same once more is no news.
	dput(t, in.Dir, other+"")
	in.late = 4 * time.Minute
	in.scan()
	if got := len(in.said(message.Failures)); got != 1 {
		t.Errorf("%d failures were reported", got)
	}
}

// TestArrival writes the files in place and piece by piece, in every order, and looks after each piece.
func TestArrival(t *testing.T) {
	in := newIncoming(t)
	first := native(t)
	in.sign(first)
	names := left(t, filepath.Dir(first))
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, "hello_") })
	for i, order := range permutations(names) {
		in.Folder = in.open(t.TempDir())
		for n, name := range order {
			text := read(t, filepath.Join(filepath.Dir(first), name))
			f, err := os.Create(filepath.Join(in.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			for _, piece := range []string{text[:len(text)/2], text[len(text)/2 : len(text)-9], text[len(text)-9:]} {
				in.scan()
				if len(left(t, in.Dir)) != n+1 {
					t.Fatalf("order %v: taken or put aside while %s arrives", order, name)
				}
				if _, err := f.WriteString(piece); err != nil {
					t.Fatal(err)
				}
			}
			f.Close()
		}
		in.scan()
		in.wantLeft(nil, nil)
		if got := len(in.said(message.Sources)); got != 1 {
			t.Fatalf("order %d: %d sources are announced", i, got)
		}
	}
}

func permutations(names []string) (all [][]string) {
	if len(names) < 2 {
		return [][]string{names}
	}
	for i := range names {
		rest := slices.Delete(slices.Clone(names), i, i+1)
		for _, p := range permutations(rest) {
			all = append(all, append([]string{names[i]}, p...))
		}
	}
	return all
}

// TestIncomplete: what does not become whole in a day is put aside, as is what nobody lists.
func TestIncomplete(t *testing.T) {
	in := newIncoming(t)
	path := into(t, in.Dir, native(t))
	in.sign(path)
	if err := os.Truncate(filepath.Join(in.Dir, "hello_1.0.tar.xz"), 100); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(in.Dir, "notes.txt"), "?")
	write(t, filepath.Join(in.Dir, ".hidden"), "?")
	if err := os.Mkdir(filepath.Join(in.Dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	for in.late = 0; in.late < 24*time.Hour; in.late += 23*time.Hour + 50*time.Minute {
		in.scan()
		if got := left(t, in.Dir); len(got) != 7 {
			t.Fatalf("after %s: left %v", in.late, got)
		}
	}
	in.late = 24*time.Hour + time.Minute
	in.scan()
	in.wantLeft([]string{".hidden", "folder"}, []string{
		"hello_1.0.dsc", "hello_1.0.tar.xz", "hello_1.0_source.buildinfo", "hello_1.0_source.changes", "hello_1.0_source.changes.reason",
		"notes.txt", "notes.txt.reason",
	})
	if got := in.said(message.Failures); len(got) != 1 || !strings.Contains(got[0].(*message.Failure).Reason, "hello_1.0.tar.xz") {
		t.Errorf("failures %v", got)
	}
}

// into copies an upload into a folder and returns the path of the .changes there.
func into(t *testing.T, dir, changes string) string {
	t.Helper()
	for _, name := range left(t, filepath.Dir(changes)) {
		if strings.HasPrefix(name, "hello_") {
			write(t, filepath.Join(dir, name), read(t, filepath.Join(filepath.Dir(changes), name)))
		}
	}
	return filepath.Join(dir, filepath.Base(changes))
}

// TestKilled: a bot that was killed after it has announced, while it removed the files, leaves nothing to
// be done twice and nothing that is lost.
func TestKilled(t *testing.T) {
	in := newIncoming(t)
	first := native(t)
	in.sign(first)
	into(t, in.Dir, first)
	in.scan()
	for _, gone := range [][]string{nil, {"hello_1.0_source.changes"}} {
		into(t, in.Dir, first)
		for _, name := range gone {
			if err := os.Remove(filepath.Join(in.Dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		in.late += 48 * time.Hour
		in.scan()
		if got := len(in.said(message.Sources)); got != 1 {
			t.Errorf("%d sources are announced", got)
		}
		if got := in.said(message.Failures); got != nil {
			t.Errorf("failures %v", got)
		}
	}
	in.wantLeft(nil, []string{
		"hello_1.0.dsc", "hello_1.0.dsc.reason", "hello_1.0.tar.xz", "hello_1.0.tar.xz.reason", "hello_1.0_source.buildinfo", "hello_1.0_source.buildinfo.reason",
	})
}

// TestTrouble: what goes wrong on the way to the bus is tried again, and an upload whose announcement got
// through all the same is not announced twice.
func TestTrouble(t *testing.T) {
	for name, through := range map[string]bool{"not published": false, "published": true} {
		t.Run(name, func(t *testing.T) {
			in := newIncoming(t)
			first := native(t)
			in.sign(first)
			into(t, in.Dir, first)
			publish := in.bench.Publish
			in.bench.Publish = func(ctx context.Context, m *message.Message) (bool, error) {
				if through {
					if _, err := publish(ctx, m); err != nil {
						return false, err
					}
				}
				return false, errors.New("the bus is gone")
			}
			if err := in.Scan(t.Context()); err == nil || !strings.Contains(err.Error(), "the bus is gone") {
				t.Fatalf("error %v", err)
			}
			if got := left(t, in.Dir); len(got) != 4 {
				t.Errorf("left %v", got)
			}
			in.bench.Publish = publish
			in.scan() // too soon
			if got := left(t, in.Dir); len(got) != 4 {
				t.Errorf("tried again at once: left %v", got)
			}
			in.late = 6 * time.Second
			in.scan()
			in.wantLeft(nil, nil)
			if got := len(in.said(message.Sources)); got != 1 {
				t.Errorf("%d sources are announced", got)
			}
		})
	}
}

// TestSeveralBots: of several bots on one folder one takes each upload.
func TestSeveralBots(t *testing.T) {
	in := newIncoming(t)
	uploads := []string{native(t), pack(t, t.TempDir(), "3.0 (native)", "1.1", "trixie", "one")}
	for _, changes := range uploads {
		in.sign(changes)
	}
	var bots sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		folder := in.open(in.Dir)
		bots.Go(func() {
			for {
				if err := folder.Scan(t.Context()); err != nil {
					t.Error(err)
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for _, changes := range uploads {
		into(t, in.Dir, changes)
	}
	for deadline := time.Now().Add(time.Minute); len(left(t, in.Dir)) > 0 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
	}
	close(stop)
	bots.Wait()
	in.wantLeft(nil, nil)
	if got := len(in.said(message.Sources)); got != len(uploads) {
		t.Errorf("%d sources are announced", got)
	}
}

// TestQuiet: a folder in which nothing happens is not worked on, one that is gone is told.
func TestQuiet(t *testing.T) {
	in := newIncoming(t)
	path := into(t, in.Dir, native(t))
	in.sign(path)
	if err := os.Truncate(filepath.Join(in.Dir, "hello_1.0.tar.xz"), 100); err != nil {
		t.Fatal(err)
	}
	in.scan()
	write(t, in.bench.Uploaders, "no keyring any more, so that a look at the upload is told")
	in.scan()
	write(t, filepath.Join(in.Dir, "notes.txt"), "?")
	if err := in.Scan(t.Context()); err == nil {
		t.Error("a change was not seen")
	}
	gone := in.open(filepath.Join(in.Dir, "gone"))
	if err := gone.Scan(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}
