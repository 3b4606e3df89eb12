package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"foundry/bots/internal/bottest"
	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/environment"
)

// colony is a foundry whose bots were started one by one, against a bus that none of them runs.
type colony struct {
	*yard
	args  []string // that every program gets
	serve string
	mu    sync.Mutex
	ended map[int]error // bots that have ended, by process
}

func newColony(t *testing.T) *colony {
	t.Helper()
	y := newYard(t)
	url, err := os.ReadFile(bot.BusFile(y.state))
	y.ok(err)
	y.ok(os.Remove(bot.BusFile(y.state)))
	serve, err := freeAddress()
	y.ok(err)
	c := &colony{
		yard: y, serve: serve, ended: map[int]error{},
		args: []string{"--bus", strings.TrimSpace(string(url)), "--state", y.state, "--cache", bottest.Cache(t)},
	}
	// The herder makes what the bots may use but not make, as an administrator does once.
	if out, status := c.call("foundry", "list"); status != 0 {
		t.Fatalf("foundry list: exit status %d\n%s", status, out)
	}
	return c
}

// bot starts one and returns its process id.
func (c *colony) bot(name string, env []string, args ...string) int {
	c.t.Helper()
	cmd := exec.Command(program(c.t, name), append(args, c.args...)...)
	cmd.Env = append(os.Environ(), env...)
	log, err := os.CreateTemp(c.state, name+"-*.log")
	c.ok(err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	c.ok(cmd.Start())
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := cmd.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ended[cmd.Process.Pid] = err
	}()
	c.t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		<-done
		if c.t.Failed() {
			content, _ := os.ReadFile(log.Name())
			c.t.Logf("log of %s:\n%s", name, content)
		}
	})
	return cmd.Process.Pid
}

// call runs a program to its end.
func (c *colony) call(name string, args ...string) (out string, status int) {
	c.t.Helper()
	cmd := exec.Command(program(c.t, name), append(args, c.args...)...)
	text, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		c.t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// alive lists the bots, as one of them tells.
func (c *colony) alive() (states []bus.State) {
	c.t.Helper()
	out, status := c.call("watchbot", "--list", "--json")
	if status != 0 {
		c.t.Fatalf("watchbot --list: exit status %d\n%s", status, out)
	}
	c.ok(json.Unmarshal([]byte(out), &states))
	return states
}

// TestBotsAlone starts each bot by hand in an order that is not that of the pipeline, two of them in one
// endpoint, and stops them by id and by process.
func TestBotsAlone(t *testing.T) {
	needsTime(t)
	c := newColony(t)
	root, gpg := t.TempDir(), newGPGHome(t)
	gpg.export(filepath.Join(c.state, "trust", "committers.asc"))
	w := newWorkTree(t, gpg, root, "foundry-hello")
	c.ok(unpackDemo(w.dir))
	w.commit("Say hello")
	w.push()

	arch := environment.HostArchitecture()
	c.bot("distbot", nil, "--name", "alone", "--codename", "acme", "--arch", arch, "--output", filepath.Join(root, "apt"),
		"--gpg-key", filepath.Join(c.state, "keys", "repository.asc"), "--description", "Alone", "--serve", c.serve)
	first := c.bot("buildbot", []string{"FOUNDRY_BUILDBOT_ARCH=" + arch}, "--endpoint", "pub/buildbot_"+arch)
	c.bot("buildbot", nil, "--endpoint", "pub/buildbot_"+arch, "--arch", arch)
	c.bot("signbot", nil, "--gpg-key", filepath.Join(c.state, "keys", "package.asc"))
	c.bot("provisionbot", nil, "--arch", arch, "--base", "acme="+testRelease, "--mirror", testMirror)
	c.bot("sourcebot", nil, "--codename", "main:acme")
	c.bot("watchbot", nil, "--repository", w.bare+"#main", "--interval", "1s")
	until(t, "seven bots", func() bool { return len(c.alive()) == 7 })

	if out, status := c.call("foundry", "submit", w.bare+"#main", "--wait", "--timeout", "10m"); status != 0 {
		t.Fatalf("submit: exit status %d\n%s", status, out)
	}
	if _, err := os.Stat(filepath.Join(root, "apt", "dists", "acme", "InRelease")); err != nil {
		t.Error(err)
	}

	if out, status := c.call("watchbot", "--stop", "nobody"); status != 1 || !strings.Contains(out, `"nobody"`) || !strings.Contains(out, "hint: ") {
		t.Errorf("stop of an unknown id: exit status %d\n%s", status, out)
	}
	for _, s := range c.alive() {
		id := s.Instance
		if s.PID == first {
			id = strconv.Itoa(first) // one of the two buildbots by its process
		}
		if out, status := c.call("watchbot", "--stop", id); status != 0 {
			t.Errorf("stop %s: exit status %d\n%s", id, status, out)
		}
	}
	until(t, "the end of all bots", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.ended) == 7
	})
	for pid, err := range c.ended {
		if err != nil {
			t.Errorf("process %d: %v", pid, err)
		}
	}
}

// TestBadPackages sends packages that cannot be built, each for another reason, and expects that the
// reason is told.
func TestBadPackages(t *testing.T) {
	needsTime(t)
	root := t.TempDir()
	t.Setenv("FOUNDRY_PROVISIONBOT_DEPENDENCY_GRACE", "1ms")
	h := newHouse(t, "")
	h.start()
	control := func(depends string) string {
		return "Source: bad\nMaintainer: A <a@b.invalid>\nSection: misc\nPriority: optional\nStandards-Version: 4.6.2\n" +
			"Build-Depends: debhelper-compat (= 13)" + depends + "\n\nPackage: bad\nArchitecture: all\nDescription: bad\n"
	}
	changelog := "bad (1.0) acme; urgency=low\n\n  * Bad.\n\n -- A <a@b.invalid>  Fri, 20 Nov 2026 12:00:00 +0000\n"
	for _, test := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"no debian folder", map[string]string{"README": "x"}, []string{"sourcebot", "debian"}},
		{"changelog does not parse", map[string]string{"debian/changelog": "nonsense\n", "debian/control": control("")}, []string{"changelog", "line 1"}},
		{"no such dependency", map[string]string{
			"debian/changelog": changelog, "debian/control": control(", no-such-package-dev (>= 7), no-other-dev"),
			"debian/source/format": "3.0 (native)\n", "debian/rules": "#!/usr/bin/make -f\n%:\n\tdh $@\n",
		}, []string{"provisionbot", "no-such-package-dev (>= 7)", "no-other-dev", "waiting for", "foundry retry no-such-dependency-"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorkTree(t, h.gpg, root, strings.ReplaceAll(test.name, " ", "-"))
			for name, text := range test.files {
				w.write(name, text)
			}
			w.commit("Bad")
			w.push()
			out, status := h.follow(w.bare + "#main")
			if status != 1 {
				t.Errorf("exit status %d, want 1", status)
			}
			for _, want := range test.want {
				if !strings.Contains(out, want) {
					t.Errorf("%q is not told:\n%s", want, out)
				}
			}
		})
	}
}
