package bustest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/bus"
	"foundry/pkg/message"
)

func values(t *testing.T, o Opener) {
	ctx, m := testContext(t), o.Connect(t)
	if _, _, err := m.Get(ctx, "head"); !errors.Is(err, bus.ErrNotFound) {
		t.Fatalf("get of nothing: %v", err)
	}
	if err := m.Put(ctx, "head", []byte("x"), 7); !errors.Is(err, bus.ErrConflict) {
		t.Errorf("put of what is not there: %v", err)
	}
	if err := m.Put(ctx, "head", []byte("one"), 0); err != nil {
		t.Fatal(err)
	}
	if err := m.Put(ctx, "head", []byte("x"), 0); !errors.Is(err, bus.ErrConflict) {
		t.Errorf("put of what is there: %v", err)
	}
	value, revision, err := o.Connect(t).Get(ctx, "head")
	if err != nil || string(value) != "one" {
		t.Fatalf("get: %q, %v", value, err)
	}
	if err := m.Put(ctx, "head", []byte("two"), revision); err != nil {
		t.Fatal(err)
	}
	if err := m.Put(ctx, "head", []byte("x"), revision); !errors.Is(err, bus.ErrConflict) {
		t.Errorf("put of an old revision: %v", err)
	}
	o.Restart(t)
	eventually(t, func() error {
		value, _, err = m.Get(ctx, "head")
		return err
	})
	if string(value) != "two" {
		t.Errorf("get after a restart: %q", value)
	}
}

func valuesKeys(t *testing.T, o Opener) {
	ctx, m := testContext(t), o.Connect(t)
	keys := []string{
		"", "a", "A", "a.b", ".a", "a.", "a b", "a=b", "a=20b", "=", "*", ">", "ä", "\x00\xff", "a/b", "/",
		"https://host:8080/group/repo.git#refs/heads/feature/x", strings.Repeat("k", 10000), strings.Repeat("k", 10001),
	}
	for _, key := range keys {
		if err := m.Put(ctx, key, []byte(key), 0); err != nil {
			t.Errorf("put %.40q: %v", key, err)
		}
	}
	for _, key := range keys {
		if value, _, err := m.Get(ctx, key); err != nil || string(value) != key {
			t.Errorf("get %.40q: %.40q, %v", key, value, err)
		}
	}
}

func valuesRace(t *testing.T, o Opener) {
	const members, rounds = 4, 10
	ctx := testContext(t)
	var wait sync.WaitGroup
	for range members {
		m := o.Connect(t)
		wait.Go(func() {
			for done := 0; done < rounds; {
				value, revision, err := m.Get(ctx, "count")
				if err != nil && !errors.Is(err, bus.ErrNotFound) {
					t.Error(err)
					return
				}
				n, _ := strconv.Atoi(string(value)) // empty at first
				switch err := m.Put(ctx, "count", []byte(strconv.Itoa(n+1)), revision); {
				case err == nil:
					done++
				case !errors.Is(err, bus.ErrConflict):
					t.Error(err)
					return
				}
			}
		})
	}
	wait.Wait()
	if value, _, err := o.Connect(t).Get(ctx, "count"); err != nil || string(value) != strconv.Itoa(members*rounds) {
		t.Errorf("counted to %s, %v", value, err)
	}
}

// readLog gathers the text of each step.
func readLog(t *testing.T, m Member, context string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := m.Read(testContext(t), context, false, func(c bus.LogChunk) error {
		if c.Time.IsZero() {
			t.Error("a piece of log has no time")
		}
		got[c.Step+"/"+c.Key] += string(c.Text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func logsOrder(t *testing.T, o Opener) {
	m := o.Connect(t)
	if got := readLog(t, m, "none"); len(got) != 0 {
		t.Errorf("read %v of nothing", got)
	}
	want := map[string]string{}
	var wait sync.WaitGroup
	for _, key := range []string{"amd64", "i386"} {
		var all bytes.Buffer
		for n := range 20000 {
			fmt.Fprintf(&all, "%s line %d\n", key, n)
		}
		all.Write([]byte{0, 0xff, '\n'})
		want["buildbot/"+key] = all.String()
		wait.Go(func() {
			w := m.Writer("hello-1", "buildbot", key)
			for text := all.Bytes(); len(text) > 0; {
				n, err := w.Write(text[:min(len(text), 1000)])
				if err != nil {
					t.Error(err)
				}
				text = text[n:]
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			if err := w.Close(); err != nil {
				t.Errorf("closed twice: %v", err)
			}
			if _, err := w.Write([]byte("x")); err == nil {
				t.Error("wrote after closing")
			}
		})
	}
	wait.Wait()
	if diff := cmp.Diff(want, readLog(t, o.Connect(t), "hello-1")); diff != "" {
		t.Errorf("%.2000s", diff)
	}
	if got := readLog(t, m, "hello-2"); len(got) != 0 {
		t.Errorf("read %v of another transaction", got)
	}
}

func logsFollow(t *testing.T, o Opener) {
	m := o.Connect(t)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	w := m.Writer("hello-1", "buildbot", "amd64")
	defer w.Close()
	lines, ended := make(chan string, 100), make(chan error, 1)
	go func() {
		ended <- o.Connect(t).Read(ctx, "hello-1", true, func(c bus.LogChunk) error {
			lines <- string(c.Text)
			return nil
		})
	}()
	for n := range 3 {
		want := fmt.Sprintf("line %d\n", n)
		if _, err := w.Write([]byte(want)); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-lines:
			if got != want {
				t.Errorf("read %q, want %q", got, want)
			}
		case <-ctx.Done():
			t.Fatal("nothing is read")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Read returned %v after its context ended", err)
	}
	err := m.Read(testContext(t), "hello-1", true, func(bus.LogChunk) error { return errStop })
	if !errors.Is(err, errStop) {
		t.Errorf("Read returned %v, not the error of its function", err)
	}
}

// logsAway writes far more than can be kept for a bus that is away.
func logsAway(t *testing.T, o Opener) {
	m := o.Connect(t)
	w := m.Writer("hello-1", "buildbot", "amd64")
	text := bytes.Repeat([]byte("0123456789abcde\n"), 4096)
	o.Cut(t)
	for range 300 {
		began := time.Now()
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Fatalf("a write took %s", took)
		}
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	w = m.Writer("hello-1", "buildbot", "amd64")
	if _, err := w.Write([]byte("end\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := readLog(t, m, "hello-1")["buildbot/amd64"]; !strings.HasSuffix(got, "end\n") {
		t.Errorf("the log ends in %.100q", got[max(0, len(got)-100):])
	}
}

func control(instance string) bus.Raw {
	return bus.Raw{
		Topic: message.ControlTopic, Key: instance, ID: "0123",
		Payload: []byte(`{"stop":1}`), Signature: []byte{1, 0xff}, Signer: "ABC",
	}
}

func herd(t *testing.T, o Opener) {
	ctx, m := testContext(t), o.Connect(t)
	heard := make(chan bus.Raw, 1)
	for _, name := range []string{"one", "two"} {
		state := bus.State{Instance: name, Bot: "buildbot", PID: 7, State: "idle", Version: "v1.2", Jobs: []bus.Job{}}
		calls := 0
		join := func() bus.State {
			calls++
			now := state
			now.Done = int64(calls)
			return now
		}
		err := o.Connect(t).Join(t.Context(), name, join, func(r bus.Raw) error {
			heard <- r
			if name == "two" {
				return errors.New("not believed")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var first, second []bus.State
	for _, list := range []*[]bus.State{&first, &second} {
		eventually(t, func() (err error) {
			*list, err = m.List(ctx, 200*time.Millisecond)
			if err == nil && len(*list) != 2 {
				err = fmt.Errorf("found %v", *list)
			}
			return err
		})
	}
	if second[0].Instance != "one" || second[0].PID != 7 || second[0].Done <= first[0].Done {
		t.Errorf("found %+v, then %+v", first, second)
	}
	if err := m.Control(ctx, "one", control("one")); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(control("one"), <-heard, onReceipt); diff != "" {
		t.Error(diff)
	}
	if err := m.Control(ctx, "two", control("two")); err == nil || !strings.Contains(err.Error(), "not believed") {
		t.Errorf("refused control: %v", err)
	}
	if !m.Connected() {
		t.Error("not connected")
	}
}

func herdMissing(t *testing.T, o Opener) {
	m := o.Connect(t)
	if states, err := m.List(testContext(t), 50*time.Millisecond); err != nil || len(states) != 0 {
		t.Errorf("found %v, %v", states, err)
	}
	for _, instance := range []string{"nobody", "*", ">", "", "a.b"} {
		if err := m.Control(testContext(t), instance, control(instance)); !errors.Is(err, bus.ErrNotFound) {
			t.Errorf("control of %q: %v", instance, err)
		}
	}
	ctx, leave := context.WithCancel(t.Context())
	join := func() bus.State { return bus.State{Instance: "one", Bot: "signbot"} }
	if err := o.Connect(t).Join(ctx, "one", join, func(bus.Raw) error { return nil }); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { return m.Control(t.Context(), "one", control("one")) })
	leave()
	eventually(t, func() error {
		if err := m.Control(t.Context(), "one", control("one")); !errors.Is(err, bus.ErrNotFound) {
			return fmt.Errorf("control of one that has left: %w", err)
		}
		return nil
	})
}

func herdCut(t *testing.T, o Opener) {
	m := o.Connect(t)
	join := func() bus.State { return bus.State{Instance: "one", Bot: "signbot"} }
	if err := o.Connect(t).Join(t.Context(), "one", join, func(bus.Raw) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for _, disturb := range []func(*testing.T){o.Cut, o.Restart} {
		disturb(t)
		eventually(t, func() error { return m.Control(t.Context(), "one", control("one")) })
	}
}
