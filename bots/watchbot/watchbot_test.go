package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rs/zerolog"

	"foundry/bots/internal/bottest"
	"foundry/pkg/bus"
	"foundry/pkg/gitrepo/git"
	"foundry/pkg/message"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"watchbot": main})
}

func TestScripts(t *testing.T) {
	b := bottest.New(t, definition())
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("FOUNDRY_BUS", b.URL)
			env.Setenv("FOUNDRY_BUS_NKEY", b.NKey)
			env.Setenv("FOUNDRY_STATE", filepath.Join(env.WorkDir, "state"))
			env.Setenv("GIT_CONFIG_NOSYSTEM", "1")
			env.Setenv("GIT_CONFIG_GLOBAL", filepath.Join(env.WorkDir, "gitconfig"))
			return os.WriteFile(filepath.Join(env.WorkDir, "gitconfig"),
				[]byte("[user]\nname = Ann Author\nemail = ann@example.org\n[init]\ndefaultBranch = main\n"), 0o644)
		},
	})
}

func TestAnnounceOnce(t *testing.T) {
	f := newFarm(t)
	f.push("main", "one")
	w := f.watch(options{}, f.dir)
	f.poll(w)
	f.poll(w)
	f.expect("main one")
	f.push("main", "skipped")
	f.push("main", "two")
	f.poll(w)
	f.poll(f.watch(options{}, f.dir, f.dir+"#main", f.dir+"#m*")) // as after a restart
	f.expect("main one", "main two")
	f.git("commit", "--quiet", "--allow-empty", "--amend", "-m", "two, amended")
	f.poll(w)
	f.expect("main one", "main two", "main two, amended")
}

func TestMessage(t *testing.T) {
	f := newFarm(t)
	head := f.push("main", "Grüße\x1b[1m")
	f.poll(f.watch(options{}, f.dir))
	raw, err := f.bot.Bus.Lookup(t.Context(), message.Commits, message.CommitID(&message.Commit{
		Origin: message.Origin{Repository: f.dir, Branch: "main", Ref: head},
	}))
	if err != nil {
		t.Fatal(err)
	}
	m, body, err := f.bot.Sealer.Open(raw)
	if err != nil {
		t.Fatal(err)
	}
	c := body.(*message.Commit)
	seconds := f.git("log", "-1", "--format=%ct")
	if c.Author != "Ann Author" || c.Subject != "Grüße [1m" || fmt.Sprint(c.Time.Unix()) != seconds || m.Context != message.ContextOf(c) {
		t.Errorf("%+v in %s", c, m.Context)
	}
}

// TestCredentials watches a plain web server that asks for a password, which must not get out.
func TestCredentials(t *testing.T) {
	f := newFarm(t)
	f.push("main", "one")
	f.git("update-server-info")
	files := http.FileServer(http.Dir(f.dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "s3cret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		files.ServeHTTP(w, r)
	}))
	defer server.Close()
	f.poll(f.watch(options{}, strings.Replace(server.URL, "//", "//ann:s3cret@", 1)+"/.git"))
	f.expect("main one")
	err := f.bot.Bus.Tail(t.Context(), bus.Filter{}, func(raw bus.Raw) error {
		if strings.Contains(string(raw.Payload), "s3cret") || !strings.Contains(string(raw.Payload), server.URL+"/.git") {
			t.Errorf("message: %s", raw.Payload)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if f.logs.count("s3cret") > 0 {
		t.Error("the password was logged")
	}
}

func TestGlobs(t *testing.T) {
	f := newFarm(t)
	f.push("main", "one")
	f.git("tag", "-a", "-m", "release", "v1")
	f.push("debian/sid", "two")
	f.git("tag", "blob", f.git("hash-object", "-w", "/dev/null"))
	err := f.watch(options{}, f.dir+"#*", f.dir+"#tags/*").run(t.Context())
	if !errors.Is(err, git.ErrNoCommit) || !strings.Contains(err.Error(), "tags/blob") {
		t.Errorf("a tag without a commit: %v", err)
	}
	f.git("tag", "--delete", "blob")
	w := f.watch(options{}, f.dir+"#*", f.dir+"#tags/*")
	f.poll(w)
	got := f.commits()
	slices.Sort(got)
	want := []string{"debian/sid two", "main one", "tags/v1 one"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("announced (-want +got):\n%s", diff)
	}
	f.push("debian/bookworm", "three")
	f.poll(w)
	if got := f.commits(); len(got) != 4 || got[3] != "debian/bookworm three" {
		t.Errorf("a new branch: %q", got)
	}
}

// TestForget deletes a branch, which is then not known any more.
func TestForget(t *testing.T) {
	f := newFarm(t)
	f.push("main", "one")
	f.push("topic", "two")
	w := f.watch(options{}, f.dir+"#topic", f.dir+"#*")
	f.poll(w)
	f.git("checkout", "--quiet", "main")
	f.git("branch", "-D", "topic")
	if err := w.run(t.Context()); !errors.Is(err, git.ErrNoBranch) {
		t.Errorf("deleted branch: %v", err)
	}
	value, _, err := f.bot.Values.Get(t.Context(), w.repositories[0].known.key("topic"))
	if err != nil || len(value) != 0 {
		t.Errorf("the deleted branch is known: %q, %v", value, err)
	}
	f.push("topic", "three")
	f.poll(w)
	f.expect("main one", "topic two", "topic three")
}

// forgetful is values as a watchbot sees them that is killed before it can put.
type forgetful struct{ bus.Values }

var errKilled = errors.New("killed")

func (forgetful) Put(context.Context, string, []byte, uint64) error { return errKilled }

func TestKilledBeforePut(t *testing.T) {
	f := newFarm(t)
	f.push("main", "one")
	values := f.bot.Values
	f.bot.Values = forgetful{values}
	if err := f.watch(options{}, f.dir).run(t.Context()); !errors.Is(err, errKilled) {
		t.Errorf("got %v", err)
	}
	f.expect("main one")
	f.bot.Values = values
	f.poll(f.watch(options{}, f.dir))
	f.expect("main one")
	if f.logs.count("announced before") != 1 {
		t.Error("the second watchbot did not try to announce")
	}
}

// TestManyWatchbots has several watchbots poll at once.
func TestManyWatchbots(t *testing.T) {
	f := newFarm(t)
	var watchers []*watcher
	for range 4 {
		watchers = append(watchers, f.watch(options{}, f.dir))
	}
	var want []string
	for _, subject := range []string{"one", "two", "three"} {
		f.push("main", subject)
		want = append(want, "main "+subject)
		var all sync.WaitGroup
		for _, w := range watchers {
			all.Go(func() {
				if err := w.run(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		f.expect(want...)
	}
}

func TestNewOnly(t *testing.T) {
	f := newFarm(t)
	f.push("main", "old")
	f.git("tag", "v1")
	specs := []string{f.dir + "#*", f.dir + "#tags/*"}
	f.poll(f.watch(options{NewOnly: true}, specs...))
	f.push("topic", "new")
	f.git("tag", "v2")
	f.poll(f.watch(options{NewOnly: true}, specs...))
	f.poll(f.watch(options{NewOnly: true}, specs...))
	got := f.commits()
	slices.Sort(got)
	if diff := cmp.Diff([]string{"tags/v2 new", "topic new"}, got); diff != "" {
		t.Errorf("announced (-want +got):\n%s", diff)
	}
}

func TestCommitSpec(t *testing.T) {
	f := newFarm(t)
	first := f.push("main", "one")
	f.push("main", "two")
	w := f.watch(options{}, f.dir+"#"+first)
	f.poll(w)
	f.poll(w)
	f.poll(f.watch(options{}, f.dir+"#"+first))
	f.expect("main one")
}

// TestFailingRepository watches a good and a bad repository until the good one has been announced
// twice.
func TestFailingRepository(t *testing.T) {
	f := newFarm(t)
	f.push("main", "one")
	w := f.watch(options{}, filepath.Join(f.dir, "none"), f.dir, f.dir+"#nowhere")
	w.once, w.interval = false, 50*time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.run(ctx) }()
	pushed := false
	err := f.bot.Bus.Tail(ctx, bus.Filter{Follow: true}, func(raw bus.Raw) error {
		if pushed {
			return errKilled
		}
		pushed = true
		f.push("main", "two")
		return nil
	})
	if !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	f.expect("main one", "main two")
	if n := f.logs.count("no such repository"); n != 1 {
		t.Errorf("the bad repository was logged %d times", n)
	}
	if n := f.logs.count("no such branch"); n != 1 {
		t.Errorf("the missing branch was logged %d times", n)
	}
}

func TestHealth(t *testing.T) {
	logs := new(lines)
	h := health{log: zerolog.New(logs)}
	for _, test := range []struct {
		err  error
		want time.Duration // delay, give or take a tenth
		logs int           // lines so far
	}{
		{nil, time.Minute, 0},
		{git.ErrUnreachable, 2 * time.Minute, 1},
		{git.ErrUnreachable, 4 * time.Minute, 1},
		{git.ErrAuth, 8 * time.Minute, 2},
		{git.ErrAuth, maxDelay, 2},
		{git.ErrAuth, maxDelay, 2},
		{&missingError{git.ErrNoBranch}, time.Minute, 3},
		{nil, time.Minute, 4},
		{nil, time.Minute, 4},
	} {
		h.note(test.err)
		if d := h.delay(time.Minute); d < test.want*9/10 || d > test.want*11/10 {
			t.Errorf("after %v: delay %s, want %s", test.err, d, test.want)
		}
		if n := logs.count("\n"); n != test.logs {
			t.Errorf("after %v: %d lines logged, want %d", test.err, n, test.logs)
		}
	}
	if d := h.delay(time.Hour); d < 54*time.Minute {
		t.Errorf("delay of an hour: %s", d)
	}
}
