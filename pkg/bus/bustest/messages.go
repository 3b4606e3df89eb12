package bustest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// onReceipt are the fields that receipt sets.
var onReceipt = cmpopts.IgnoreFields(bus.Raw{}, "Subject", "Sequence", "Stored", "Delivery")

func publishKeeps(t *testing.T, o Opener) {
	ctx, m := testContext(t), o.Connect(t)
	big := raw(message.Builds, "amd64", 2)
	big.Payload = bytes.Repeat([]byte("x"), message.MaxSize)
	for _, want := range []bus.Raw{raw(message.Builds, "amd64", 1), big, {Topic: "builds", Key: "_", ID: "0123"}} {
		publish(t, m, want)
		got, err := o.Connect(t).Lookup(ctx, want.Topic, want.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, onReceipt, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
		if got.Sequence == 0 || time.Since(got.Stored).Abs() > time.Minute || !strings.Contains(got.Subject, string(want.ID)) {
			t.Errorf("received at %d, %s, %s", got.Sequence, got.Stored, got.Subject)
		}
	}
}

func publishDuplicate(t *testing.T, o Opener) {
	ctx, m := testContext(t), o.Connect(t)
	first := raw(message.Builds, "amd64", 1)
	publish(t, m, first)
	other := first
	other.Payload = []byte("{}")
	for _, again := range []bus.Raw{first, other} {
		if err := o.Connect(t).Publish(ctx, again); !errors.Is(err, bus.ErrDuplicate) {
			t.Errorf("publishing again: %v", err)
		}
	}
	o.Restart(t)
	if err := m.Publish(ctx, other); !errors.Is(err, bus.ErrDuplicate) {
		t.Errorf("publishing again after a restart: %v", err)
	}
	got, err := m.Lookup(ctx, first.Topic, first.ID)
	if err != nil || !bytes.Equal(got.Payload, first.Payload) {
		t.Errorf("kept %s, %v", got.Payload, err)
	}
}

func publishMalformed(t *testing.T, o Opener) {
	ctx, m := testContext(t), o.Connect(t)
	good := raw(message.Builds, "amd64", 1)
	for name, change := range map[string]func(*bus.Raw){
		"empty topic":       func(r *bus.Raw) { r.Topic = "" },
		"topic of two":      func(r *bus.Raw) { r.Topic = "builds.amd64" },
		"wildcard topic":    func(r *bus.Raw) { r.Topic = ">" },
		"empty key":         func(r *bus.Raw) { r.Key = "" },
		"wildcard key":      func(r *bus.Raw) { r.Key = "*" },
		"key with a space":  func(r *bus.Raw) { r.Key = "amd64 x" },
		"key with newlines": func(r *bus.Raw) { r.Key = "a\r\nPUB x 0\r\n\r\n" },
		"empty id":          func(r *bus.Raw) { r.ID = "" },
		"id with a dot":     func(r *bus.Raw) { r.ID = "a.b" },
		"too large":         func(r *bus.Raw) { r.Payload = make([]byte, message.MaxSize+1) },
	} {
		r := good
		change(&r)
		if err := m.Publish(ctx, r); err == nil || errors.Is(err, bus.ErrDuplicate) {
			t.Errorf("%s: %v", name, err)
		}
	}
	publish(t, m, good)
}

func publishRace(t *testing.T, o Opener) {
	ctx := testContext(t)
	var wait sync.WaitGroup
	results := make(chan error, 8)
	for range cap(results) {
		m := o.Connect(t)
		wait.Go(func() { results <- m.Publish(ctx, raw(message.Builds, "amd64", 1)) })
	}
	wait.Wait()
	close(results)
	fresh := 0
	for err := range results {
		switch {
		case err == nil:
			fresh++
		case !errors.Is(err, bus.ErrDuplicate):
			t.Error(err)
		}
	}
	if fresh != 1 {
		t.Errorf("%d publishes of one id were fresh", fresh)
	}
}

func lookupMissing(t *testing.T, o Opener) {
	ctx, m := testContext(t), o.Connect(t)
	there := raw(message.Builds, "amd64", 1)
	publish(t, m, there)
	for _, of := range []struct {
		topic message.Topic
		id    message.ID
	}{
		{message.Builds, "feed"},
		{message.Signs, there.ID},
		{message.Builds, "*"},
		{message.Builds, ""},
		{">", there.ID},
		{message.Builds, there.ID + ".x"},
		{message.Builds, "a b"},
	} {
		if _, err := m.Lookup(ctx, of.topic, of.id); !errors.Is(err, bus.ErrNotFound) {
			t.Errorf("lookup of %q %q: %v", of.topic, of.id, err)
		}
	}
}

// tail gathers payloads.
func tail(t *testing.T, m Member, filter bus.Filter) []string {
	t.Helper()
	var got []string
	last := uint64(0)
	err := m.Tail(testContext(t), filter, func(r bus.Raw) error {
		if r.Sequence <= last {
			t.Errorf("sequence %d after %d", r.Sequence, last)
		}
		last = r.Sequence
		got = append(got, string(r.Topic)+string(r.Payload))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func tailKept(t *testing.T, o Opener) {
	m := o.Connect(t)
	if got := tail(t, m, bus.Filter{}); got != nil {
		t.Errorf("tail of nothing: %v", got)
	}
	publish(t, m, raw(message.Commits, "hello", 1), raw(message.Sources, "hello", 2), raw(message.Builds, "amd64", 3))
	third, err := m.Lookup(testContext(t), message.Builds, raw(message.Builds, "amd64", 3).ID)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, m, raw(message.Commits, "hello", 4))
	for name, test := range map[string]struct {
		filter bus.Filter
		want   []string
	}{
		"all":        {bus.Filter{}, []string{`commits{"n":1}`, `sources{"n":2}`, `builds{"n":3}`, `commits{"n":4}`}},
		"one topic":  {bus.Filter{Topics: []message.Topic{message.Commits}}, []string{`commits{"n":1}`, `commits{"n":4}`}},
		"two topics": {bus.Filter{Topics: []message.Topic{message.Sources, message.Builds}}, []string{`sources{"n":2}`, `builds{"n":3}`}},
		"no such":    {bus.Filter{Topics: []message.Topic{message.Dists}}, nil},
		"since":      {bus.Filter{Since: third.Stored}, []string{`builds{"n":3}`, `commits{"n":4}`}},
		"later":      {bus.Filter{Since: time.Now().Add(time.Hour)}, nil},
		"new":        {bus.Filter{New: true}, nil},
	} {
		if diff := cmp.Diff(test.want, tail(t, m, test.filter)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if err := m.Tail(testContext(t), bus.Filter{Topics: []message.Topic{"a.b"}}, nil); err == nil {
		t.Error("tail of a malformed topic is no error")
	}
	if err := m.Tail(testContext(t), bus.Filter{}, func(bus.Raw) error { return errStop }); !errors.Is(err, errStop) {
		t.Errorf("tail returned %v, not the error of its function", err)
	}
}

func tailFollows(t *testing.T, o Opener) {
	m, listener := o.Connect(t), o.Connect(t)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	publish(t, m, many(message.Builds, "amd64", 0, 3)...)
	got, ended := make(chan string, 100), make(chan error, 1)
	go func() {
		ended <- listener.Tail(ctx, bus.Filter{Follow: true}, func(r bus.Raw) error {
			got <- string(r.Payload)
			return nil
		})
	}()
	expect := func(n int) {
		t.Helper()
		want := string(raw(message.Builds, "amd64", n).Payload)
		select {
		case payload := <-got:
			if payload != want {
				t.Fatalf("received %s, want %s", payload, want)
			}
		case err := <-ended:
			t.Fatalf("Tail returned %v", err)
		case <-ctx.Done():
			t.Fatalf("no message %d", n)
		}
	}
	for n := range 3 {
		expect(n)
	}
	publish(t, m, raw(message.Builds, "amd64", 3))
	expect(3)
	o.Restart(t)
	publish(t, m, raw(message.Builds, "amd64", 4))
	expect(4)
	o.Cut(t)
	publish(t, m, raw(message.Builds, "amd64", 5))
	expect(5)
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Tail returned %v after its context ended", err)
	}
}

func publishRestart(t *testing.T, o Opener) {
	m := o.Connect(t)
	publish(t, m, many(message.Builds, "amd64", 0, 20)...)
	results := make(chan error, 1)
	go func() {
		for _, r := range many(message.Builds, "amd64", 20, 60) {
			if err := m.Publish(t.Context(), r); err != nil {
				results <- err
				return
			}
		}
		results <- nil
	}()
	o.Restart(t)
	if err := <-results; err != nil {
		t.Fatal(err)
	}
	if got := tail(t, m, bus.Filter{}); len(got) != 60 {
		t.Errorf("%d messages of 60 are kept", len(got))
	}
}
