package jetstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"foundry/pkg/bus"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

const testPatience = 30 * time.Second

func build(n int) bus.Raw {
	return bus.Raw{
		Topic: message.Builds, Key: "amd64", ID: message.MakeID(message.Builds, message.TypeBuild, "", fmt.Sprint(n)),
		Payload: fmt.Appendf(nil, `{"n":%d}`, n), Signature: []byte{1}, Signer: "AB",
	}
}

// consumeUntil runs Consume in the background until the test ends.
func consumeUntil(t *testing.T, c *Conn, e bus.Endpoint, handle bus.Handler) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Consume(ctx, e, handle) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestMalformedIsHandedOn has whatever may come from a program that is not ours reach the handler
// and be refused there, one after another, without holding up what is good.
func TestMalformedIsHandedOn(t *testing.T) {
	t.Parallel()
	c := newTestServer(t).connect(t)
	topics, err := trust.OpenTopics(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	sealer := &bus.Sealer{Topics: topics}
	bad := []*nats.Msg{
		{Subject: "foundry.topic.builds.amd64"},
		{Subject: "foundry.topic.builds.amd64.0123.more.parts"},
		{Subject: "foundry.topic.builds.ä.0123"},
		{Subject: "foundry.topic.builds.amd64.1", Data: []byte("not json")},
		{Subject: "foundry.topic.builds.amd64.2", Data: nil},
		{Subject: "foundry.topic.builds.amd64.3", Header: nats.Header{headerSignature: {"not base64!"}}},
		{Subject: "foundry.topic.builds.amd64.4", Header: nats.Header{headerSignature: {"", "AAAA"}, headerKey: {}}},
		{Subject: "foundry.topic.builds.amd64.5", Header: nats.Header{headerSignature: {"AAAA"}, headerKey: {strings.Repeat("x", 8000)}}},
		{Subject: "foundry.topic.builds.amd64.6", Header: nats.Header{"Status": {"409"}, "Description": {"Consumer Deleted"}}},
		{Subject: "foundry.topic.builds.amd64.7", Header: nats.Header{"Status": {"503"}}, Data: []byte("x")},
		{Subject: "foundry.topic.builds.amd64.8", Data: bytes.Repeat([]byte("x"), message.MaxSize+100)},
	}
	for _, msg := range bad {
		if _, err := c.js.PublishMsg(t.Context(), msg); err != nil {
			t.Fatalf("%s: %v", msg.Subject, err)
		}
	}
	// the client library takes this one for a word of the server and does not show it: it may only
	// not hold the others up
	silent := &nats.Msg{Subject: "foundry.topic.builds.amd64.silent", Header: nats.Header{"Status": {"503"}}}
	if _, err := c.js.PublishMsg(t.Context(), silent); err != nil {
		t.Fatal(err)
	}
	good := build(1)
	if err := c.Publish(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	got := make(chan bus.Raw, 100)
	consumeUntil(t, c, bus.Endpoint{Name: "test", Topic: message.Builds, Jobs: 1, AckWait: time.Hour}, func(_ context.Context, r bus.Raw) error {
		got <- r
		return bus.ErrTerminate
	})
	for _, want := range bad {
		select {
		case r := <-got:
			if r.Subject != want.Subject || !bytes.Equal(r.Payload, want.Data) {
				t.Errorf("received %s, want %s", r.Subject, want.Subject)
			}
			var reject *bus.RejectError
			if _, _, err := sealer.Open(r); !errors.As(err, &reject) {
				t.Errorf("%s is believed: %v", r.Subject, err)
			}
		case <-time.After(testPatience):
			t.Fatalf("%s was not received", want.Subject)
		}
	}
	if r := <-got; r.ID != good.ID {
		t.Errorf("received %s last", r.Subject)
	}
	seen := 0
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	if err := c.Tail(ctx, bus.Filter{}, func(bus.Raw) error { seen++; return nil }); err != nil || seen < len(bad)+1 {
		t.Errorf("tail saw %d, %v", seen, err)
	}
}

// FuzzFromMsg feeds whatever subject and headers to the reader of messages: it must not panic, and
// what it takes for a subject's parts must be those.
func FuzzFromMsg(f *testing.F) {
	f.Add("foundry.topic.builds.amd64.0123", "AAAA", "AB", []byte("{}"))
	f.Add("foundry.topic", "", "", []byte(nil))
	f.Add("...", "=", "\r\n", []byte{0})
	f.Fuzz(func(t *testing.T, subject, signature, key string, data []byte) {
		r := fromMsg(subject, nats.Header{headerSignature: {signature}, headerKey: {key}}, data)
		if r.ID != "" && subjectTopics+"."+string(r.Topic)+"."+r.Key+"."+string(r.ID) != subject {
			t.Errorf("%q became %q %q %q", subject, r.Topic, r.Key, r.ID)
		}
		if sent, err := subjectOf(r); err == nil && sent != subject {
			t.Errorf("%q would be sent as %q", subject, sent)
		}
	})
}

// TestForeignMessageID has a message be kept although another claims its id in a header.
func TestForeignMessageID(t *testing.T) {
	t.Parallel()
	c := newTestServer(t).connect(t)
	want := build(1)
	squatter := nats.NewMsg("foundry.topic.rejects._.beef")
	squatter.Header.Set(nats.MsgIdHdr, string(want.ID))
	if _, err := c.js.PublishMsg(t.Context(), squatter); err != nil {
		t.Fatal(err)
	}
	if err := c.Publish(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Lookup(t.Context(), want.Topic, want.ID); err != nil || !bytes.Equal(got.Payload, want.Payload) {
		t.Errorf("kept %s, %v", got.Payload, err)
	}
	if err := c.Publish(t.Context(), want); !errors.Is(err, bus.ErrDuplicate) {
		t.Errorf("publishing again: %v", err)
	}
}

// TestFullStreamIsNoDuplicate tells the two cases that the server has one code for apart.
func TestFullStreamIsNoDuplicate(t *testing.T) {
	t.Parallel()
	c := newTestServer(t).connect(t)
	config := c.main.CachedInfo().Config
	config.MaxMsgs = 1
	if _, err := c.js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if err := c.Publish(t.Context(), build(1)); err != nil {
		t.Fatal(err)
	}
	err := c.Publish(t.Context(), build(2))
	var help *Error
	if errors.Is(err, bus.ErrDuplicate) || !errors.As(err, &help) || !strings.Contains(help.Hint(), "full") {
		t.Errorf("publishing on a full stream: %v", err)
	}
	if err := c.Publish(t.Context(), build(1)); !errors.Is(err, bus.ErrDuplicate) {
		t.Errorf("publishing again on a full stream: %v", err)
	}
}

// TestGivenUp loses a handler's answer as often as a message is tried, and has the herder hear of it.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	c := s.connect(t)
	want := build(1)
	if err := c.Publish(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	// a bot that dies with the message, again and again
	config, err := consumerConfig(bus.Endpoint{Name: "pub/dies", Topic: message.Builds, AckWait: 100 * time.Millisecond}, time.Now(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := c.main.CreateConsumer(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	for range bus.MaxDeliver {
		if _, err := consumer.Next(jetstream.FetchMaxWait(testPatience)); err != nil {
			t.Fatal(err)
		}
	}
	// the server reports it when somebody asks for the next one
	consumeUntil(t, c, bus.Endpoint{Name: "pub/dies", Topic: message.Builds, AckWait: 100 * time.Millisecond}, func(_ context.Context, r bus.Raw) error {
		t.Errorf("delivery %d", r.Delivery)
		return nil
	})
	// the herder comes later than the report, fails at first, and is restarted
	type report struct {
		consumer string
		raw      bus.Raw
	}
	for round, answer := range []error{errors.New("trouble"), nil} {
		ctx, cancel := context.WithTimeout(t.Context(), testPatience)
		got := make(chan report, 10)
		ended := make(chan error, 1)
		go func() {
			ended <- c.GivenUp(ctx, func(consumer string, raw bus.Raw) error {
				got <- report{consumer, raw}
				return answer
			})
		}()
		select {
		case r := <-got:
			if r.consumer != "pub_dies" || r.raw.ID != want.ID || !bytes.Equal(r.raw.Payload, want.Payload) || r.raw.Delivery != bus.MaxDeliver {
				t.Errorf("round %d: reported %s %+v", round, r.consumer, r.raw)
			}
		case err := <-ended:
			t.Fatalf("round %d: GivenUp returned %v", round, err)
		case <-ctx.Done():
			t.Fatalf("round %d: nothing is reported", round)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// TestLastTryIsReportedAtOnce has the server report a message whose last try has failed without the
// delay that a next one would have.
func TestLastTryIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	c := newTestServer(t).connect(t)
	if err := c.Publish(t.Context(), build(1)); err != nil {
		t.Fatal(err)
	}
	consumeUntil(t, c, bus.Endpoint{Name: "fails", Topic: message.Builds, Jobs: 1, AckWait: time.Hour}, func(_ context.Context, r bus.Raw) error {
		if r.Delivery < bus.MaxDeliver {
			return &bus.RetryError{Err: errors.New("trouble")}
		}
		return errors.New("trouble")
	})
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	reported := false
	err := c.GivenUp(ctx, func(string, bus.Raw) error {
		reported = true
		cancel()
		return nil
	})
	if err != nil || !reported {
		t.Errorf("reported: %t, %v", reported, err)
	}
}

// TestConsumerDeleted goes on after somebody has removed the endpoint from the server.
func TestConsumerDeleted(t *testing.T) {
	t.Parallel()
	c := newTestServer(t).connect(t)
	got := make(chan bus.Raw, 100)
	consumeUntil(t, c, bus.Endpoint{Name: "test", Topic: message.Builds, Jobs: 2, From: bus.From{New: true}}, func(_ context.Context, r bus.Raw) error {
		got <- r
		return nil
	})
	n := 0
	publish := func() {
		n++
		if err := c.Publish(t.Context(), build(n)); err != nil {
			t.Fatal(err)
		}
	}
	for ready := false; !ready; {
		publish() // the endpoint starts with what comes after it was made
		select {
		case <-got:
			ready = true
		case <-time.After(50 * time.Millisecond):
		}
	}
	if err := c.main.DeleteConsumer(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	publish()
	for {
		select {
		case r := <-got:
			if r.ID == build(n).ID {
				return
			}
		case <-time.After(testPatience):
			t.Fatal("nothing is received after the consumer was deleted")
		}
	}
}

// TestConnectErrors has each reason why the bus cannot be used be told in one line with a hint.
func TestConnectErrors(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	stranger := t.TempDir() + "/nkey"
	if _, err := LoadOrCreateNKey(stranger); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		url, nkey, want string
	}{
		"nobody there":   {"nats://127.0.0.1:1", "", "no server answers"},
		"no such host":   {"nats://nosuchhost.invalid:4222", "", "no server answers"},
		"not a url":      {"nats://%zz", "", "not a URL"},
		"bad password":   {"nats://bot:s%cret@127.0.0.1:1", "", "connect to bus nats://127.0.0.1:1: not a URL"},
		"token":          {"nats://s%25cret@127.0.0.1:1", "", "connect to bus nats://127.0.0.1:1: no server answers"},
		"no scheme":      {"bot:s%25cret@127.0.0.1:1", "", "connect to bus 127.0.0.1:1: no server answers"},
		"other protocol": {speaks(t, "HTTP/1.1 400 Bad Request\r\n\r\n"), "", "connect to bus"},
		"too old": {
			speaks(t, `INFO {"server_id":"x","version":"2.10.29","max_payload":1048576,"headers":true}`+"\r\nPONG\r\n"), "",
			"nats-server 2.10.29 is too old",
		},
		"unknown nkey": {s.server.URL(), stranger, "not authorized"},
		"no nkey":      {s.server.URL(), "", "not authorized"},
		"no jetstream": {plainServer(t), "", "no JetStream there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			c, err := Connect(t.Context(), Options{URL: test.url, NKeyFile: test.nkey, Name: "test", Wait: 500 * time.Millisecond})
			if err == nil {
				t.Fatal("connected", c.Close())
			}
			var help *Error
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") || !errors.As(err, &help) || help.Hint() == "" {
				t.Errorf("%v", err)
			}
			if strings.Contains(err.Error(), "cret") {
				t.Errorf("the password is told: %v", err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// speaks listens and says the same to everybody.
func speaks(t *testing.T, text string) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			_, _ = conn.Write([]byte(text))
		}
	}()
	return "nats://" + listener.Addr().String()
}
