package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"foundry/bots/foundry/transaction"
	"foundry/bots/internal/bottest"
	"foundry/pkg/bot"
	"foundry/pkg/environment/podman"
)

// programsDir is the folder that programs has made, if it has.
var programsDir atomic.Pointer[string]

// programs builds all programs once and returns their folder, which any user may read.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "foundry-programs-")
	if err != nil {
		return "", err
	}
	programsDir.Store(&dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	args := []string{"build", "-o", dir + "/", "foundry/bots/foundry"}
	for _, program := range bot.Programs() {
		args = append(args, "foundry/bots/"+program)
	}
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("build programs: %w: %s", err, out)
	}
	return dir, nil
})

func program(t *testing.T, name string) string {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// needsTime leaves out a scenario with real containers when tests are to be short.
func needsTime(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes minutes: real containers and real apt")
	}
}

const (
	testRelease  = "bookworm"
	testCodename = "acme" // not a Debian release, so that the two are not mistaken for one another
	testMirror   = "http://deb.debian.org/debian"
)

// house is a foundry under test: a state folder, a configuration, "foundry up" as a process.
type house struct {
	t      *testing.T
	dir    string
	config string
	serve  string // address of the apt repository
	up     *exec.Cmd
	ended  chan error // of "foundry up"
	log    string     // path of what "foundry up" writes
	gpg    *gpgHome
}

// newHouse writes the configuration of a foundry for this machine's architecture that watches the
// given repositories, and starts it. extra is put in front of the file,
// where common keys stand.
func newHouse(t *testing.T, extra string, repositories ...string) *house {
	t.Helper()
	dir, err := os.MkdirTemp("", "foundry-house-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	serve, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, dir: dir, config: filepath.Join(dir, "foundry.toml"), serve: serve, log: filepath.Join(dir, "up.log")}
	args := []string{
		"init", "--config", h.config, "--state", h.state(), "--cache", bottest.Cache(t), "--release", testRelease,
		"--codename", testCodename, "--mirror", testMirror, "--serve", serve, "--interval", "1s", "--name", "test",
	}
	for _, r := range repositories {
		args = append(args, "--repository", r)
	}
	h.foundry(args...)
	text, err := os.ReadFile(h.config)
	if err != nil {
		t.Fatal(err)
	}
	bumping := strings.Replace(string(text), "autobump = false", "autobump = true", 1)
	if err := os.WriteFile(h.config, []byte(extra+"\n"+bumping), 0o600); err != nil {
		t.Fatal(err)
	}
	h.gpg = newGPGHome(t)
	h.gpg.export(filepath.Join(h.state(), "trust", "committers.asc"))
	return h
}

func (h *house) state() string { return filepath.Join(h.dir, "state") }

// start runs "foundry up" until the end of the test.
func (h *house) start() {
	h.t.Helper()
	log, err := os.OpenFile(h.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		h.t.Fatal(err)
	}
	defer log.Close()
	h.up = exec.Command(program(h.t, "foundry"), "up", "--config", h.config, "--json", "-v")
	h.up.Stdout, h.up.Stderr = log, log
	if err := h.up.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.ended = make(chan error, 1)
	go func() { h.ended <- h.up.Wait() }()
	h.t.Cleanup(h.stop)
	h.await("foundry is up")
}

// await waits for a line of the log that holds text.
func (h *house) await(text string) {
	h.t.Helper()
	until(h.t, "log line "+text, func() bool {
		content, err := os.ReadFile(h.log)
		select {
		case err := <-h.ended:
			h.up = nil
			h.t.Fatalf("foundry up has ended: %v\n%s", err, content)
		default:
		}
		return err == nil && strings.Contains(string(content), text)
	})
}

// until waits for what has no event to wait for.
func until(t *testing.T, what string, happened func() bool) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !happened() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// stop ends "foundry up" gracefully and shows its log when the test has failed.
func (h *house) stop() {
	if h.up == nil {
		return
	}
	_ = h.up.Process.Signal(syscall.SIGTERM)
	if err := <-h.ended; err != nil {
		h.t.Errorf("foundry up: %v", err)
	}
	h.up = nil
	if h.t.Failed() {
		content, _ := os.ReadFile(h.log)
		h.t.Logf("log of foundry up:\n%s", content)
	}
}

// foundry runs a command of the herder that has to succeed, and returns what it prints.
func (h *house) foundry(args ...string) string {
	h.t.Helper()
	out, errs, status := h.try(args...)
	if status != 0 {
		h.t.Fatalf("foundry %s: exit status %d\n%s%s", strings.Join(args, " "), status, out, errs)
	}
	return out
}

// try runs a command of the herder.
func (h *house) try(args ...string) (out, errs string, status int) {
	h.t.Helper()
	if args[0] != "init" {
		args = append(args, "--config", h.config)
	}
	cmd := exec.Command(program(h.t, "foundry"), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		h.t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// show returns a transaction as JSON.
func (h *house) show(name string) (r transaction.Report) {
	h.t.Helper()
	if err := json.Unmarshal([]byte(h.foundry("show", name, "--json")), &r); err != nil {
		h.t.Fatal(err)
	}
	return r
}

// install installs a package of the house in a clean container, runs command there, and returns
// what it said and the package file.
func (h *house) install(pkg, command string) (said, deb string) {
	h.t.Helper()
	engine, err := podman.Open(h.t.Context(), bottest.Cache(h.t))
	if err != nil {
		h.t.Fatal(err)
	}
	var log bytes.Buffer
	dir, err := os.MkdirTemp(h.dir, "install-")
	if err != nil {
		h.t.Fatal(err)
	}
	said, debs, err := installation{
		release: testRelease, mirror: testMirror, uri: "http://" + h.serve, codename: testCodename,
		key: filepath.Join(h.state(), "repo", "test", "test.asc"), pkg: pkg, command: command, dir: dir,
	}.run(h.t.Context(), engine, &log)
	if err != nil || len(debs) != 1 {
		h.t.Fatalf("install %s: %d packages, %v\n%s", pkg, len(debs), err, log.String())
	}
	return said, debs[0]
}

// smartHTTP serves the git repositories below dir with git's own http backend.
func smartHTTP(t *testing.T, dir string) string {
	t.Helper()
	out, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.Handler(&cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1"},
	}))
	t.Cleanup(server.Close)
	return server.URL
}
