package main

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"foundry/bots/internal/bottest"
	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// A farm is a bus, and a git repository that tests push to.
type farm struct {
	t    *testing.T
	bot  *bot.Bot
	dir  string // of the repository
	logs *lines
}

// lines collects what is logged.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), s)
}

func newFarm(t *testing.T) *farm {
	t.Helper()
	b, logs := bottest.New(t, definition()), new(lines)
	sealer, err := bot.NewSealer(b.State, "watchbot", message.Topics())
	if err != nil {
		t.Fatal(err)
	}
	f := &farm{t: t, logs: logs, dir: t.TempDir(), bot: &bot.Bot{
		Ports: b.Ports, Log: zerolog.New(logs), Sealer: sealer,
		Self:     message.Bot{Name: "watchbot", Instance: "watchbot-1", Host: "here", Endpoint: "pub/watchbot", Version: bot.Version},
		Settings: bot.Settings{State: b.State, Publish: string(message.Commits)},
	}}
	f.git("init", "--quiet", "--initial-branch=main")
	return f
}

// git runs git in the repository.
func (f *farm) git(args ...string) string {
	f.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=Ann Author", "-c", "user.email=ann@example.org"}, args...)...)
	cmd.Dir = f.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		f.t.Fatalf("git %s: %v (apt install git)\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// push makes a commit on a branch and returns its hash.
func (f *farm) push(branch, subject string) string {
	f.t.Helper()
	f.git("checkout", "--quiet", "-B", branch)
	f.git("commit", "--quiet", "--allow-empty", "-m", subject)
	return f.git("rev-parse", "HEAD")
}

// watch makes a watcher as a newly started watchbot has it.
func (f *farm) watch(o options, specs ...string) *watcher {
	f.t.Helper()
	o.Repositories, o.Once, o.Interval = specs, true, time.Hour
	if err := o.check(); err != nil {
		f.t.Fatal(err)
	}
	return newWatcher(f.bot, &o)
}

// poll polls once and fails the test if that goes wrong.
func (f *farm) poll(w *watcher) {
	f.t.Helper()
	if err := w.run(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

// commits returns all commits announced so far as "branch subject", in order of announcement.
func (f *farm) commits() []string {
	f.t.Helper()
	var all []string
	err := f.bot.Bus.Tail(f.t.Context(), bus.Filter{Topics: []message.Topic{message.Commits}}, func(raw bus.Raw) error {
		_, body, err := f.bot.Sealer.Open(raw)
		if err != nil {
			return err
		}
		c := body.(*message.Commit)
		all = append(all, c.Branch+" "+c.Subject)
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return all
}

func (f *farm) expect(want ...string) {
	f.t.Helper()
	if diff := cmp.Diff(want, f.commits()); diff != "" {
		f.t.Errorf("announced (-want +got):\n%s", diff)
	}
}
