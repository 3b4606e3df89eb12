package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"foundry/pkg/bot"
	"foundry/pkg/environment"
	"foundry/pkg/message"
)

// stage returns the only message of a topic in the transaction of a commit.
func stage[T any](t *testing.T, h *house, ref string, topic message.Topic) (body T) {
	t.Helper()
	found := 0
	for _, s := range h.show(h.announced(ref)).Stages {
		if s.Topic == topic {
			found++
			if err := json.Unmarshal(s.Data, &body); err != nil {
				t.Fatal(err)
			}
		}
	}
	if found != 1 {
		t.Fatalf("%d messages on %s, want one", found, topic)
	}
	return body
}

// TestKillEveryBot kills each bot with SIGKILL once, in the middle of its step of one transaction.
// Nothing may be lost and nothing published twice.
func TestKillEveryBot(t *testing.T) {
	needsTime(t)
	root := t.TempDir()
	gpg := newGPGHome(t)
	w := newWorkTree(t, gpg, root, "foundry-hello")
	if err := unpackDemo(w.dir); err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, `ack-wait = "2s"`, w.bare+"#main")
	gpg.export(filepath.Join(h.state(), "trust", "committers.asc"))
	h.start()

	var killed sync.Map
	var killers sync.WaitGroup
	for _, name := range bot.Programs() {
		killers.Go(func() { killed.Store(name, h.killInStep(name)) })
	}
	ref := w.commit("Say hello")
	w.push()
	context := h.announced(ref)
	out, status := h.follow(w.bare + "#" + ref)
	if status != 0 {
		t.Fatalf("exit status %d\n%s", status, out)
	}
	killers.Wait()
	for _, name := range bot.Programs() {
		if pid, _ := killed.Load(name); pid == 0 {
			t.Errorf("%s was not killed in its step", name)
		}
	}

	count := map[message.Topic]int{}
	for _, s := range h.show(context).Stages {
		count[s.Topic]++
	}
	for _, topic := range []message.Topic{message.Commits, message.Sources, message.Provisions, message.Builds, message.Signs, message.Dists} {
		if count[topic] != 1 {
			t.Errorf("%d messages on %s, want one", count[topic], topic)
		}
	}
	if count[message.Failures] != 0 {
		t.Errorf("%d failures", count[message.Failures])
	}
	index, err := os.ReadFile(filepath.Join(h.state(), "repo", "test", "dists", testCodename, "main", "binary-"+environment.HostArchitecture(), "Packages"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(index), "Package: foundry-hello\n"); n != 1 {
		t.Errorf("the package stands %d times in the index, want once", n)
	}
	said, deb := h.install("foundry-hello", "foundry-hello")
	if strings.TrimSpace(said) != demoGreeting {
		t.Errorf("the program says %q", said)
	}
	checkTrace(t, h, deb)
}

// killInStep waits until a bot has begun to work, kills it, and returns its process id. A bot that
// watches a topic works when there is something in the scratch folder of a job; the watchbot when
// it has fetched something.
func (h *house) killInStep(name string) (pid int) {
	if name == "watchbot" {
		until(h.t, "a mirror", func() bool {
			mirrors, _ := filepath.Glob(filepath.Join(h.state(), "heads", "*"))
			return len(mirrors) > 0
		})
		return h.kill(h.pidOf(name))
	}
	pattern := filepath.Join(h.state(), "work", name, "*", "job-*", "*")
	until(h.t, "a job of "+name, func() bool {
		files, _ := filepath.Glob(pattern)
		if len(files) == 0 {
			return false
		}
		process, _, _ := strings.Cut(strings.TrimPrefix(files[0], filepath.Join(h.state(), "work", name)+"/"), "-")
		pid, _ = strconv.Atoi(process)
		return true
	})
	return h.kill(pid)
}

func (h *house) kill(pid int) int {
	if pid <= 0 || syscall.Kill(pid, syscall.SIGKILL) != nil {
		return 0
	}
	return pid
}

// pidOf finds the process of a bot of this house by its command line.
func (h *house) pidOf(name string) int {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(line), "/"+name+"\x00") && strings.Contains(string(line), h.state()) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			return pid
		}
	}
	return 0
}
