package message_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"foundry/pkg/message"
	"foundry/schemas"
)

const transaction = "hello-20261120-120000-9f3c2a"

func TestBodiesComeBack(t *testing.T) {
	seen := make(map[message.Type]bool)
	for i, body := range sample() {
		t.Run(fmt.Sprintf("%d %s", i, body.Type()), func(t *testing.T) {
			seen[body.Type()] = true
			m, err := message.New(sender, topicOf(body.Type()), transaction, message.MakeID("", "", ""), body, "amd64")
			if err != nil {
				t.Fatal(err)
			}
			payload, err := m.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if err := schemas.Validate(payload); err != nil {
				t.Errorf("schema: %v", err)
			}
			back := new(message.Message)
			if err := json.Unmarshal(payload, back); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(m, back); diff != "" {
				t.Error(diff)
			}
			got, err := back.Body()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(body, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, typ := range message.Types() {
		if !seen[typ] {
			t.Errorf("no sample of type %s", typ)
		}
	}
}

func TestSubjectKeys(t *testing.T) {
	want := map[message.Type]string{
		message.TypeCommit: "hello", message.TypeSource: "hello", message.TypeProvision: "amd64",
		message.TypeBuild: "amd64", message.TypeSign: "amd64", message.TypeDist: "bookworm",
		message.TypeTest: "amd64", message.TypeFailure: "hello", message.TypeReject: "",
		message.TypeControl: "buildbot-3f2a91",
	}
	for _, body := range sample() {
		key, ok := want[body.Type()]
		if !ok {
			continue
		}
		if got := body.SubjectKey(); got != key {
			t.Errorf("key of %s is %q, want %q", body.Type(), got, key)
		}
		delete(want, body.Type()) // the first of a type is the full one
	}
	if got := (&message.Failure{Origin: origin}).SubjectKey(); got != "hello" {
		t.Errorf("key of a failure without package is %q, want the repository's name", got)
	}
}

func TestBodyRefuses(t *testing.T) {
	for name, m := range map[string]message.Message{
		"unknown type": {Type: "commits", Data: []byte(`{}`)},
		"no type":      {Data: []byte(`{}`)},
		"no data":      {Type: message.TypeCommit},
		"a list":       {Type: message.TypeCommit, Data: []byte(`[]`)},
		"half":         {Type: message.TypeCommit, Data: []byte(`{"ref":`)},
		"a wrong kind": {Type: message.TypeBuild, Data: []byte(`{"seconds":"1"}`)},
	} {
		if body, err := m.Body(); err == nil {
			t.Errorf("%s: got %v", name, body)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	tail := &message.Message{Type: message.TypeFailure, Data: json.RawMessage(`"` + strings.Repeat("x", message.MaxSize) + `"`)}
	if _, err := tail.Encode(); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("too large: got %v", err)
	}
	broken := &message.Message{Data: json.RawMessage(`{`)}
	if _, err := broken.Encode(); err == nil {
		t.Error("broken data: no error")
	}
	late := &message.Commit{Time: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}
	if _, err := message.NewCommit(sender, late); err == nil {
		t.Error("year 10000: no error")
	}
}

func TestForeignTextIsMadeFit(t *testing.T) {
	failure := &message.Failure{
		Stage: "buildbot", Class: message.ClassPackage, Reason: "\x1b[31merror\x1b[0m:\r\nbad \xff\u202eflow " + strings.Repeat("ü", 2000),
		Tail: append(make([]string, 50), "\x1b[1mlast\x07\tline", strings.Repeat("x", 1000)),
	}
	m, err := message.New(sender, message.Failures, transaction, "", failure)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := schemas.Validate(payload); err != nil {
		t.Error(err)
	}
	body, err := m.Body()
	if err != nil {
		t.Fatal(err)
	}
	got := body.(*message.Failure)
	if want := "[31merror[0m:  bad \uFFFDflow ü"; !strings.HasPrefix(got.Reason, want) || !strings.HasSuffix(got.Reason, "ü…") {
		t.Errorf("reason is %q, want it to begin with %q", got.Reason, want)
	}
	if len(got.Tail) != 40 || got.Tail[38] != "[1mlast\tline" || !strings.HasSuffix(got.Tail[39], "x…") {
		t.Errorf("tail of %d lines ends %q", len(got.Tail), got.Tail[38:])
	}
	if !strings.HasPrefix(failure.Reason, "\x1b") || len(failure.Tail) != 52 {
		t.Error("the caller's failure was altered")
	}
}

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"": "", " a\n": "a", "a\nb": "a b", "a\tb": "a\tb", "a\u2028b": "a b", "\u2066x\u2069": "x",
		"12345": "12345", "123456": "1234…", "äöüßé": "äöüßé", "\x00\x7f\u0085": "",
	} {
		if got := message.Line(in, 5); got != want {
			t.Errorf("Line(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, body := range sample() {
		m, err := message.New(sender, topicOf(body.Type()), transaction, "", body)
		if err != nil {
			f.Fatal(err)
		}
		payload, err := m.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
	}
	f.Add([]byte(`{"type":"commit","TYPE":"build","data":{}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		valid := schemas.Validate(payload)
		m := new(message.Message)
		err := json.Unmarshal(payload, m)
		var body message.Body
		if err == nil {
			body, err = m.Body()
		}
		if valid != nil {
			return
		}
		if err != nil {
			t.Fatalf("the schema takes what the structs do not: %v", err)
		}
		if key := message.SafeKey(body.SubjectKey()); strings.ContainsAny(key, ". *>\t\n") || key == "" {
			t.Errorf("subject key %q", key)
		}
		again, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := schemas.Validate(again); err != nil {
			t.Errorf("what was read is not valid when written again: %v", err)
		}
	})
}
