package bus_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/bus"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

var (
	self   = message.Bot{Name: "buildbot", Instance: "buildbot-1", Host: "farm1", Endpoint: "pub/buildbot_amd64", Version: "1"}
	digest = message.Digest("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
	file   = message.Artifact{Name: "hello_1_amd64.changes", Size: 3, SHA256: digest}
	build  = &message.Build{
		Origin:       message.Origin{Repository: "/srv/git/hello", Branch: "main", Ref: strings.Repeat("a", 40)},
		Package:      message.Package{Source: "hello", Version: "1", Codename: "bookworm"},
		Architecture: "amd64", ImageKey: string(digest), Changes: file.Name,
		Files: []message.Artifact{file}, SourceFiles: []message.Artifact{file}, Log: file, Seconds: 1.5,
	}
)

// farm is a trust folder and the sealers of two bots: one builds, one signs.
type farm struct {
	builder, signer *bus.Sealer
	dir             string
}

func newFarm(t testing.TB) farm {
	t.Helper()
	dir := t.TempDir()
	topics, err := trust.OpenTopics(dir)
	if err != nil {
		t.Fatal(err)
	}
	sealer := func(name string, may ...message.Topic) *bus.Sealer {
		key, err := trust.Generate(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, topic := range may {
			if err := trust.Allow(dir, string(topic), key); err != nil {
				t.Fatal(err)
			}
		}
		return &bus.Sealer{Key: key, Topics: topics}
	}
	return farm{
		builder: sealer("buildbot", message.Builds, message.ControlTopic),
		signer:  sealer("signbot", message.Signs), dir: dir,
	}
}

func said(t testing.TB, topic message.Topic, body message.Body) *message.Message {
	t.Helper()
	m, err := message.New(self, topic, "hello-20261120-231501-9f3c2a", message.MakeID("", "", ""), body, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func sealed(t testing.TB, s *bus.Sealer, m *message.Message) bus.Raw {
	t.Helper()
	raw, err := s.Seal(m)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// signed signs any bytes as a message of topic, as a bot whose program was altered could.
func signed(t testing.TB, s *bus.Sealer, payload []byte) bus.Raw {
	t.Helper()
	signature, err := s.Key.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	raw := bus.Raw{Topic: message.Builds, Key: "amd64", Payload: payload, Signature: signature, Signer: s.Key.Fingerprint()}
	m := new(message.Message)
	if json.Unmarshal(payload, m) == nil {
		raw.ID = m.ID
	}
	return raw
}

func encoded(t testing.TB, m *message.Message) []byte {
	t.Helper()
	payload, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// rejected checks that s does not believe raw and says why.
func rejected(t *testing.T, s *bus.Sealer, raw bus.Raw, want string) {
	t.Helper()
	m, body, err := s.Open(raw)
	reject := new(bus.RejectError)
	if !errors.As(err, &reject) {
		t.Fatalf("got %v, want a *RejectError", err)
	}
	if !strings.Contains(reject.Reason, want) {
		t.Errorf("reason is %q, want %q", reject.Reason, want)
	}
	if m != nil || body != nil {
		t.Error("the rejected message was returned")
	}
}

func TestOpenReturnsWhatWasSealed(t *testing.T) {
	f := newFarm(t)
	m := said(t, message.Builds, build)
	raw := sealed(t, f.builder, m)
	want := bus.Raw{Topic: message.Builds, Key: "amd64", ID: m.ID, Payload: raw.Payload, Signature: raw.Signature, Signer: f.builder.Key.Fingerprint()}
	if diff := cmp.Diff(want, raw); diff != "" {
		t.Error(diff)
	}
	for range 2 { // a message is delivered again when a bot dies
		got, body, err := f.signer.Open(raw)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, got); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(build, body); diff != "" {
			t.Error(diff)
		}
	}
}

func TestSealRefuses(t *testing.T) {
	f := newFarm(t)
	wrongTopic := said(t, message.Signs, build)
	badVersion := said(t, message.Builds, build)
	badVersion.Version = 2
	evil := *build
	evil.Changes = "../evil"
	huge := *build
	for i := range 3000 {
		huge.Files = append(huge.Files, message.Artifact{Name: fmt.Sprintf("file-%d", i), SHA256: digest})
	}
	for want, m := range map[string]*message.Message{
		"topic":        wrongTopic,
		"version":      badVersion,
		"data.changes": said(t, message.Builds, &evil),
		"more than":    said(t, message.Builds, &huge),
	} {
		if _, err := f.builder.Seal(m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	mute := &bus.Sealer{Topics: f.builder.Topics}
	if _, err := mute.Seal(said(t, message.Builds, build)); err == nil {
		t.Error("sealed without a key")
	}
}

func TestOpenRejectsWhatWasAlteredUnderWay(t *testing.T) {
	f := newFarm(t)
	good := sealed(t, f.builder, said(t, message.Builds, build))
	other := sealed(t, f.signer, said(t, message.Builds, build))
	tests := map[string]struct {
		alter func(r *bus.Raw)
		want  string
	}{
		"unsigned":             {func(r *bus.Raw) { r.Signature = nil }, "no signature"},
		"signed by a stranger": {func(r *bus.Raw) { r.Signature, r.Signer = other.Signature, other.Signer }, "may not speak on builds"},
		"stranger in disguise": {func(r *bus.Raw) { r.Signature = other.Signature }, "unknown key"},
		"other signer named":   {func(r *bus.Raw) { r.Signer = other.Signer }, "may not speak on builds"},
		"no signer named":      {func(r *bus.Raw) { r.Signer = "" }, "fingerprint is malformed"},
		"oversized":            {func(r *bus.Raw) { r.Payload = make([]byte, message.MaxSize+1) }, "larger than"},
		"huge signature":       {func(r *bus.Raw) { r.Signature = make([]byte, 1<<20) }, "larger than"},
		"empty":                {func(r *bus.Raw) { r.Payload = nil }, "does not match"},
		"space added":          {func(r *bus.Raw) { r.Payload = append(r.Payload, ' ') }, "does not match"},
		"on a topic of others": {func(r *bus.Raw) { r.Topic = message.Signs }, "may not speak on signs"},
		"on an open topic":     {func(r *bus.Raw) { r.Topic = message.ControlTopic }, "topic of subject and payload differ"},
		"on no topic":          {func(r *bus.Raw) { r.Topic = "../builds" }, "no such topic"},
		"under another id":     {func(r *bus.Raw) { r.ID = message.MakeID("", "", "") }, "id of subject and payload differ"},
		"under no id":          {func(r *bus.Raw) { r.ID = "" }, "id of subject and payload differ"},
		"under another key":    {func(r *bus.Raw) { r.Key = "i386" }, "key of subject and payload differ"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			raw := good
			raw.Payload = bytes.Clone(good.Payload)
			tt.alter(&raw)
			rejected(t, f.signer, raw, tt.want)
		})
	}
	t.Run("each byte", func(t *testing.T) {
		for i := range good.Payload {
			raw := good
			raw.Payload = bytes.Clone(good.Payload)
			raw.Payload[i] ^= 1
			rejected(t, f.signer, raw, "signature does not match")
		}
	})
}

// TestOpenRejectsWhatATrustedKeySigns checks that a key is not enough: what it signs must be a
// message besides.
func TestOpenRejectsWhatATrustedKeySigns(t *testing.T) {
	f := newFarm(t)
	at := func(d time.Duration) []byte {
		m := said(t, message.Builds, build)
		m.Time = m.Time.Add(d)
		return encoded(t, m)
	}
	change := func(from, to string) []byte {
		payload := encoded(t, said(t, message.Builds, build))
		if !bytes.Contains(payload, []byte(from)) {
			t.Fatalf("no %s in %s", from, payload)
		}
		return bytes.Replace(payload, []byte(from), []byte(to), 1)
	}
	const month = 30 * 24 * time.Hour
	for name, tt := range map[string]struct {
		payload []byte
		want    string
	}{
		"too old":         {at(-month - time.Hour), "ago, more than"},
		"in the future":   {at(6 * time.Minute), "in the future"},
		"unknown type":    {change(`"type":"build"`, `"type":"evil"`), "schema: type"},
		"other type":      {change(`"type":"build"`, `"type":"sign"`), "schema: topic"},
		"version 2":       {change(`"version":1`, `"version":2`), "schema: version"},
		"unknown field":   {change(`"data":{`, `"data":{"evil":1,`), "schema: data: unknown field evil"},
		"unknown in bot":  {change(`"bot":{`, `"bot":{"evil":1,`), "schema: bot: unknown field evil"},
		"field twice":     {change(`"version":1`, `"version":1,"version":1`), "schema: version: given twice"},
		"field in caps":   {change(`"version":1`, `"version":1,"ID":"x"`), "schema: field with a name other than"},
		"more after it":   {append(at(0), "{}"...), "schema: not a JSON value"},
		"no JSON":         {[]byte("hello"), "schema: not a JSON value"},
		"empty":           {[]byte{}, "schema: not a JSON value"},
		"a list":          {[]byte("[]"), "schema: is array instead of object"},
		"null":            {[]byte("null"), "schema: is null instead of object"},
		"invalid UTF-8":   {change("hello", "hell\xff"), "schema: not valid UTF-8"},
		"escape sequence": {change("farm1", `\u001b[2J`), "schema: bot.host"},
		"deep":            {change(`"data":{`, `"data":`+strings.Repeat("[", 1000)+`{`), "schema: nested deeper"},
	} {
		t.Run(name, func(t *testing.T) { rejected(t, f.signer, signed(t, f.builder, tt.payload), tt.want) })
	}
	for name, d := range map[string]time.Duration{"almost too old": -month + time.Minute, "clock ahead": 4 * time.Minute} {
		if _, _, err := f.signer.Open(signed(t, f.builder, at(d))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOpenChecksInOrder gives messages with two faults each and expects the reason of the check
// that comes first, so that nothing is parsed before it is believed.
func TestOpenChecksInOrder(t *testing.T) {
	f := newFarm(t)
	old := said(t, message.Builds, build)
	old.Time = old.Time.Add(-365 * 24 * time.Hour)
	garbage := signed(t, f.builder, []byte("garbage"))
	stranger := signed(t, f.signer, []byte("garbage"))
	tests := []struct {
		name string
		raw  bus.Raw
		want string
	}{
		{"size before signature", bus.Raw{Topic: message.Builds, Payload: make([]byte, message.MaxSize+1)}, "larger than"},
		{"signature before key", bus.Raw{Topic: message.Dists, Payload: []byte("garbage")}, "no signature"},
		{"key before schema", stranger, "may not speak on builds"},
		{"match before schema", bus.Raw{
			Topic: message.Builds, Payload: []byte("Garbage"), Signature: garbage.Signature, Signer: garbage.Signer,
		}, "does not match"},
		{"schema before subject", garbage, "schema: "},
		{"subject before age", func() bus.Raw { r := sealed(t, f.builder, old); r.Key = "i386"; return r }(), "key of subject"},
		{"age last", sealed(t, f.builder, old), "ago, more than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { rejected(t, f.signer, tt.raw, tt.want) })
	}
}

func TestControlIsHeardOnceAndAtOnce(t *testing.T) {
	f := newFarm(t)
	order := &message.Control{Action: message.ActionStop, Instance: "buildbot-1"}
	raw := sealed(t, f.builder, said(t, message.ControlTopic, order))
	var group sync.WaitGroup
	results := make([]error, 8)
	for i := range results {
		group.Go(func() { _, _, results[i] = f.signer.Open(raw) })
	}
	group.Wait()
	heard := 0
	for _, err := range results {
		if err == nil {
			heard++
		}
	}
	if heard != 1 {
		t.Errorf("heard %d times", heard)
	}
	rejected(t, f.signer, raw, "heard before")
	late := said(t, message.ControlTopic, &message.Control{Action: message.ActionStop, Instance: "buildbot-2"})
	late.Time = late.Time.Add(-2 * time.Minute)
	rejected(t, f.signer, sealed(t, f.builder, late), "ago, more than 1m0s")
}

// TestUnreadableKeyringIsNotTheMessagesFault checks that a message is not thrown away because of
// what is wrong on this host.
func TestUnreadableKeyringIsNotTheMessagesFault(t *testing.T) {
	f := newFarm(t)
	raw := sealed(t, f.builder, said(t, message.Builds, build))
	if err := os.WriteFile(filepath.Join(f.dir, "builds.asc"), []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, _, err := f.signer.Open(raw)
	if reject := new(bus.RejectError); err == nil || errors.As(err, &reject) {
		t.Errorf("got %v, want an error about the keyring", err)
	}
}

func FuzzOpen(f *testing.F) {
	farm := newFarm(f)
	good := sealed(f, farm.builder, said(f, message.Builds, build))
	f.Add(good.Payload, good.Signature, string(good.Topic), good.Key, string(good.ID), good.Signer)
	f.Add([]byte("{}"), good.Signature[:20], "signs", "", "", "")
	f.Fuzz(func(t *testing.T, payload, signature []byte, topic, key, id, signer string) {
		raw := bus.Raw{
			Topic: message.Topic(topic), Key: key, ID: message.ID(id),
			Payload: payload, Signature: signature, Signer: signer,
		}
		if _, _, err := farm.signer.Open(raw); err != nil {
			return
		}
		raw.Signature = good.Signature // OpenPGP signatures have parts that they do not cover
		if diff := cmp.Diff(good, raw); diff != "" {
			t.Errorf("an altered message was believed:\n%s", diff)
		}
	})
}

// FuzzOpenSigned lets a trusted key sign anything: what is opened must be a message that could
// have been sealed.
func FuzzOpenSigned(f *testing.F) {
	farm := newFarm(f)
	f.Add(encoded(f, said(f, message.Builds, build)))
	f.Add([]byte(`{"version":1,"type":"build","topic":"builds"}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		m, _, err := farm.signer.Open(signed(t, farm.builder, payload))
		if err != nil {
			return
		}
		if _, err := farm.builder.Seal(m); err != nil {
			t.Errorf("what was opened cannot be sealed: %v", err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	f := newFarm(b)
	m := said(b, message.Builds, build)
	for b.Loop() {
		if _, err := f.builder.Seal(m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	f := newFarm(b)
	raw := sealed(b, f.builder, said(b, message.Builds, build))
	for b.Loop() {
		if _, _, err := f.signer.Open(raw); err != nil {
			b.Fatal(err)
		}
	}
}
