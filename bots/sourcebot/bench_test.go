package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"foundry/bots/internal/bottest"
	"foundry/pkg/artifact"
	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/message"
	"foundry/schemas"
)

// commitTime is when the commits of the tests are made.
const commitTime = "2026-11-20T23:15:01+01:00"

func commitClock(t *testing.T) time.Time {
	t.Helper()
	when, err := time.Parse(time.RFC3339, commitTime)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

// repo is a git repository made by a test.
type repo struct {
	t   *testing.T
	dir string
	env []string
	url string // where the bot finds it; "" for the folder
}

func newRepo(t *testing.T) *repo {
	t.Helper()
	r := &repo{t: t, dir: t.TempDir()}
	r.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LC_ALL=C.UTF-8", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=A B", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=C D", "GIT_COMMITTER_EMAIL=c@example.org",
		"GIT_AUTHOR_DATE=" + commitTime, "GIT_COMMITTER_DATE=" + commitTime,
	}
	r.git("init", "--quiet", "--initial-branch=main")
	return r
}

func (r *repo) run(args ...string) string {
	r.t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env = r.dir, r.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s: %v\n%s\nhint: apt-get install git pristine-tar dpkg-dev xz-utils gnupg", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r *repo) git(args ...string) string {
	r.t.Helper()
	return r.run(append([]string{"git"}, args...)...)
}

// write makes files; a text of "-> target" makes a symbolic link, one that begins with "#!" a program.
func (r *repo) write(files map[string]string) {
	r.t.Helper()
	for name, text := range files {
		path := filepath.Join(r.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			r.t.Fatal(err)
		}
		_ = os.Remove(path)
		var err error
		if target, link := strings.CutPrefix(text, "-> "); link {
			err = os.Symlink(target, path)
		} else {
			mode := os.FileMode(0o644)
			if strings.HasPrefix(text, "#!") {
				mode = 0o755
			}
			err = os.WriteFile(path, []byte(text), mode)
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

// commit commits all files and returns the hash.
func (r *repo) commit(args ...string) string {
	r.t.Helper()
	r.git("add", "-A", "-f")
	r.git(append([]string{"commit", "--quiet", "--allow-empty", "-m", "Work on it"}, args...)...)
	return r.git("rev-parse", "HEAD")
}

// signingKey makes an OpenPGP key that git signs with, and returns its fingerprint and public part.
func (r *repo) signingKey(name string) (fingerprint, public string) {
	r.t.Helper()
	home, err := os.MkdirTemp("", "gnupg") // short, for the agent's socket
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		cmd := exec.Command("gpgconf", "--kill", "all")
		cmd.Env = append(r.env, "GNUPGHOME="+home)
		_ = cmd.Run()
		os.RemoveAll(home)
	})
	r.env = slices.DeleteFunc(r.env, func(kv string) bool { return strings.HasPrefix(kv, "GNUPGHOME=") })
	r.env = append(r.env, "GNUPGHOME="+home)
	r.run("gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "", "--quick-generate-key", name+" <"+name+"@example.org>", "ed25519", "sign", "never")
	for line := range strings.Lines(r.run("gpg", "--batch", "--with-colons", "--list-keys")) {
		if fields := strings.Split(line, ":"); fields[0] == "fpr" {
			fingerprint = fields[9]
		}
	}
	r.git("config", "user.signingKey", fingerprint)
	return fingerprint, r.run("gpg", "--batch", "--armor", "--export", fingerprint)
}

// hello is the debian folder of a small package.
func hello(version, format string, more map[string]string) map[string]string {
	files := map[string]string{
		"debian/changelog": "hello (" + version + ") UNRELEASED; urgency=medium\n\n  * Say hello.\n\n -- Jörg M <joerg@example.org>  Thu, 19 Nov 2026 10:00:00 +0100\n",
		"debian/control": "Source: hello\nSection: devel\nPriority: optional\nMaintainer: Jörg M <joerg@example.org>\nStandards-Version: 4.7.0\n" +
			"Build-Depends: debhelper-compat (= 13), libfoo-dev [amd64] <!nocheck>\nBuild-Depends-Indep: doxygen\n\n" +
			"Package: hello\nArchitecture: any\nDescription: hello\n\nPackage: hello-doc\nArchitecture: all\nDescription: doc\n",
		"debian/rules": "#!/bin/sh\ntouch /tmp/sourcebot-ran-debian-rules\n",
		"hello.c":      "int main(void) { return 0; }\n",
	}
	if format != "" {
		files["debian/source/format"] = format + "\n"
	}
	maps.Copy(files, more)
	return files
}

// bench runs a sourcebot on the commits of a test.
type bench struct {
	t      *testing.T
	bot    *sourcebot
	store  *memoryStore
	values bottest.Values
	said   saidBus
	about  message.Commit // what commits say besides
	log    string         // of the last job, as streamed
}

func newBench(t *testing.T, args ...string) *bench {
	t.Helper()
	b := &bench{t: t, store: &memoryStore{files: map[message.Digest][]byte{}}}
	o := new(options)
	fs := flagSet(o)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	if err := o.check(); err != nil {
		t.Fatal(err)
	}
	b.bot = &sourcebot{options: *o, mirrors: t.TempDir()}
	if o.committers == "" {
		b.bot.committers = filepath.Join(t.TempDir(), "committers.asc")
	}
	return b
}

// make works on one commit as the bot would, and checks that what it answers can be sent.
func (b *bench) make(r *repo, branch, ref string) ([]*message.Source, error) {
	b.t.Helper()
	when := commitClock(b.t)
	about := b.about
	about.Origin, about.Time = message.Origin{Repository: cmp.Or(r.url, r.dir), Branch: branch, Ref: ref}, when
	body := &about
	m, err := message.NewCommit(message.Bot{Name: "watchbot"}, body)
	if err != nil {
		b.t.Fatal(err)
	}
	stream := &memoryLogs{}
	self := message.Bot{Name: "sourcebot", Instance: "sourcebot-1", Host: "here", Endpoint: "pub/sourcebot", Version: bot.Version}
	j := &bot.Job{
		Bot:     &bot.Bot{Ports: bot.Ports{Store: b.store, Logs: stream, Bus: b.said, Values: &b.values}, Log: zerolog.Nop(), Self: self, Settings: bot.Settings{Publish: "sources"}},
		Message: m, Body: body, Log: zerolog.Nop(), Dir: b.t.TempDir(),
	}
	results, err := b.bot.do(context.Background(), j)
	b.log = stream.text.String()
	if err != nil {
		return nil, err
	}
	var sources []*message.Source
	for _, result := range results {
		answer, err := message.New(self, message.Sources, m.Context, m.ID, result.Body, result.Siblings...)
		if err != nil {
			b.t.Fatal(err)
		}
		payload, err := answer.Encode()
		if err != nil {
			b.t.Fatal(err)
		}
		if err := schemas.Validate(payload); err != nil {
			b.t.Fatalf("%v\n%s", err, payload)
		}
		sources = append(sources, result.Body.(*message.Source))
	}
	return sources, nil
}

// mustMake makes the packages of one commit.
func (b *bench) mustMake(r *repo, branch, ref string) []*message.Source {
	b.t.Helper()
	sources, err := b.make(r, branch, ref)
	if err != nil {
		b.t.Fatalf("%v\nhint: %s\n%s", err, bot.HintOf(err), b.log)
	}
	return sources
}

// unpack extracts a source package with dpkg-source and returns the folder, and that with its files.
func (b *bench) unpack(s *message.Source) (tree, dir string) {
	b.t.Helper()
	dir = b.t.TempDir()
	for _, f := range s.Files {
		if err := os.WriteFile(filepath.Join(dir, f.Name), b.store.files[f.SHA256], 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
	cmd := exec.Command("dpkg-source", "-x", s.Files[0].Name, "tree")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		b.t.Fatalf("dpkg-source -x: %v\n%s", err, out)
	}
	return filepath.Join(dir, "tree"), dir
}

func names(s *message.Source) []string {
	var list []string
	for _, f := range s.Files {
		list = append(list, f.Name)
	}
	slices.Sort(list[1:])
	return list
}

// wantFailure checks class and text of a failure.
func wantFailure(t *testing.T, err error, class, reason, hint string) {
	t.Helper()
	var f *bot.Failure
	if !errors.As(err, &f) {
		t.Fatalf("not a failure: %v", err)
	}
	if f.Class != class || !strings.Contains(f.Reason, reason) || !strings.Contains(f.Hint, hint) {
		t.Errorf("class %s, reason %q, hint %q\nwant  %s, %q, %q", f.Class, f.Reason, f.Hint, class, reason, hint)
	}
	if strings.Contains(f.Reason, "\n") || f.Hint == "" {
		t.Errorf("reason %q, hint %q: one line each", f.Reason, f.Hint)
	}
}

// saidBus has the messages with these ids.
type saidBus struct {
	bus.Bus
	ids []message.ID
}

func (b saidBus) Lookup(_ context.Context, _ message.Topic, id message.ID) (bus.Raw, error) {
	if slices.Contains(b.ids, id) {
		return bus.Raw{ID: id}, nil
	}
	return bus.Raw{}, bus.ErrNotFound
}

// memoryStore is an artifact store.
type memoryStore struct {
	mu    sync.Mutex
	files map[message.Digest][]byte
}

func (s *memoryStore) Put(_ context.Context, digest artifact.Digest, size int64, r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if int64(len(data)) != size {
		return fmt.Errorf("put %s: %d bytes instead of %d", digest, len(data), size)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[digest] = data
	return nil
}

func (s *memoryStore) Open(context.Context, artifact.Digest) (io.ReadCloser, error) {
	return nil, artifact.ErrNotFound
}
func (s *memoryStore) Has(context.Context, artifact.Digest) (bool, error)    { return false, nil }
func (s *memoryStore) Delete(context.Context, artifact.Digest) error         { return nil }
func (s *memoryStore) List(context.Context, func(artifact.Info) error) error { return nil }

// memoryLogs keeps what is streamed.
type memoryLogs struct{ text strings.Builder }

func (l *memoryLogs) Writer(string, string, string) bus.LogWriter { return l }
func (l *memoryLogs) Write(p []byte) (int, error)                 { return l.text.Write(p) }
func (l *memoryLogs) Close() error                                { return nil }
func (l *memoryLogs) Read(context.Context, string, bool, func(bus.LogChunk) error) error {
	return nil
}
