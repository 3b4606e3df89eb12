package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"foundry/bots/internal/bottest"
	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/message"
	"foundry/pkg/publish/publishtest"
)

// spawn runs distbot as a process of its own. It is killed at the end of the test.
func spawn(t *testing.T, b *bottest.Bench, args ...string) *exec.Cmd {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command("distbot", append([]string{"--bus", b.URL, "--state", b.State, "--json"}, args...)...)
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("process %d:\n%s", cmd.Process.Pid, said.Bytes())
		}
	})
	return cmd
}

// stateOf waits until the process is listed in one of the states.
func stateOf(t *testing.T, b *bottest.Bench, cmd *exec.Cmd, states ...string) bus.State {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		list, err := b.Ports.Herd.List(ctx, 50*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			if s.PID == cmd.Process.Pid && slices.Contains(states, s.State) {
				return s
			}
		}
	}
}

// TestStandby runs two distbots on one repository with builds coming all the time. The second takes over when the first is
// killed, and a third when the second is told to stop. Nothing is lost, and a client sees all of it.
func TestStandby(t *testing.T) {
	b := bottest.New(t, definition())
	f := &fixture{dist: &dist{trust: filepath.Join(b.State, "trust", "packages.asc")}, store: b.Ports.Store, signer: newKey(t), dir: t.TempDir()}
	f.trustKey(t, f.signer)
	address := freeAddress(t)
	args := []string{"--name", "test", "--codename", "bookworm", "--arch", "amd64", "--serve", address, "--ack-wait", "1s"}
	var said []message.ID
	sayNext := func(n int) {
		t.Helper()
		for range n {
			said = append(said, say(b, f.signOf(t, "hello"+strconv.Itoa(len(said)), "1.0-1", "amd64")))
		}
	}
	takeOver := func(end syscall.Signal, first, second *exec.Cmd) {
		t.Helper()
		sayNext(4) // it has work when it ends
		if s := stateOf(t, b, second, "standby", "idle", "busy"); s.State != "standby" || s.Done > 0 || len(s.Serves) > 0 {
			t.Errorf("the second is not on standby: %+v", s)
		}
		if err := first.Process.Signal(end); err != nil {
			t.Fatal(err)
		}
		_ = first.Wait() // killed, or not
		begun := time.Now()
		stateOf(t, b, second, "idle", "busy")
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("taken over after %s", took)
		}
		sayNext(2)
		for _, id := range said {
			answer := b.Await(id)
			if _, ok := answer.(*message.Dist); !ok {
				t.Errorf("answer: %+v", answer)
			}
		}
	}
	first := spawn(t, b, args...)
	sayNext(1)
	b.Await(said[0])
	second := spawn(t, b, args...)
	stateOf(t, b, second, "standby")
	takeOver(syscall.SIGKILL, first, second)
	third := spawn(t, b, args...)
	stateOf(t, b, third, "standby")
	takeOver(syscall.SIGTERM, second, third)

	client := publishtest.NewClient(t, "http://"+address, "bookworm", "amd64", filepath.Join(b.State, "repo", "test", "test.asc"))
	client.Must(t, "apt-get", "update")
	for i := range said {
		client.Must(t, "apt-get", "download", "hello"+strconv.Itoa(i))
	}
	waiting := spawn(t, b, args...)
	stateOf(t, b, waiting, "standby")
	if err := waiting.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := waiting.Wait(); err != nil || waiting.ProcessState.ExitCode() != bot.ExitOK {
		t.Errorf("a standby that is told to stop: %v", err)
	}
}
