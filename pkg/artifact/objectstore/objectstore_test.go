package objectstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"foundry/pkg/artifact"
	"foundry/pkg/artifact/artifacttest"
	bus "foundry/pkg/bus/jetstream"
)

type opener struct {
	dir, nkey string
	users     []bus.User
	server    *bus.Server
}

func newOpener(t testing.TB) *opener {
	t.Helper()
	o := &opener{dir: t.TempDir(), nkey: filepath.Join(t.TempDir(), "nkey")}
	public, err := bus.LoadOrCreateNKey(o.nkey)
	if err != nil {
		t.Fatal(err)
	}
	o.users = []bus.User{{NKey: public, Role: bus.Role{All: true}}}
	o.start(t, 0)
	t.Cleanup(func() { o.server.Shutdown() })
	return o
}

func (o *opener) start(t testing.TB, port int) {
	t.Helper()
	var err error
	o.server, err = bus.StartServer(bus.ServerOptions{Dir: o.dir, Port: port, Users: o.users, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
}

func (o *opener) open(t testing.TB) *Store {
	t.Helper()
	conn, err := bus.Connect(t.Context(), bus.Options{URL: o.server.URL(), NKeyFile: o.nkey, Name: "test", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	s, err := Open(t.Context(), conn.NATS(), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (o *opener) Open(t *testing.T) artifact.Store { return o.open(t) }

// Corrupt puts other bytes in place of the last chunk.
func (o *opener) Corrupt(t *testing.T, digest artifact.Digest) {
	t.Helper()
	s := o.open(t)
	subject, last := o.last(t, s, digest)
	data := bytes.Clone(last.Data)
	data[0] ^= 1
	if err := s.stream.DeleteMsg(t.Context(), last.Sequence); err != nil {
		t.Fatal(err)
	}
	if _, err := s.js.Publish(t.Context(), subject, data); err != nil {
		t.Fatal(err)
	}
}

func (o *opener) Truncate(t *testing.T, digest artifact.Digest) {
	t.Helper()
	s := o.open(t)
	_, last := o.last(t, s, digest)
	if err := s.stream.DeleteMsg(t.Context(), last.Sequence); err != nil {
		t.Fatal(err)
	}
}

func (o *opener) last(t *testing.T, s *Store, digest artifact.Digest) (string, *jetstream.RawStreamMsg) {
	t.Helper()
	info, err := s.find(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := s.stream.GetLastMsgForSubject(t.Context(), chunks+info.NUID)
	if err != nil {
		t.Fatal(err)
	}
	return chunks + info.NUID, msg
}

// Leftovers counts rows of chunks that no description names.
func (o *opener) Leftovers(t *testing.T) int {
	t.Helper()
	s := o.open(t)
	info, err := s.stream.Info(t.Context(), jetstream.WithSubjectFilter(chunks+">"))
	if err != nil {
		t.Fatal(err)
	}
	rows := info.State.Subjects
	err = s.descriptions(t.Context(), func(info *jetstream.ObjectInfo) error {
		delete(rows, chunks+info.NUID)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return len(rows)
}

func TestContract(t *testing.T) {
	artifacttest.Run(t, func(t *testing.T) artifacttest.Opener { return newOpener(t) })
}

func digestOf(b []byte) artifact.Digest {
	sum := sha256.Sum256(b)
	return artifact.Digest(hex.EncodeToString(sum[:]))
}

// TestFormat reads and lists what was put with the client library's object store, as `nats object`
// does.
func TestFormat(t *testing.T) {
	t.Parallel()
	s := newOpener(t).open(t)
	want := bytes.Repeat([]byte("foundry\n"), 200_000)
	if err := s.Put(t.Context(), digestOf(want), int64(len(want)), bytes.NewReader(want)); err != nil {
		t.Fatal(err)
	}
	objects, err := s.js.ObjectStore(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := objects.GetBytes(t.Context(), string(digestOf(want))); err != nil || !bytes.Equal(got, want) {
		t.Errorf("read %d bytes: %v", len(got), err)
	}
	// and what it deletes is gone
	if err := objects.Delete(t.Context(), string(digestOf(want))); err != nil {
		t.Fatal(err)
	}
	if has, err := s.Has(t.Context(), digestOf(want)); has || err != nil {
		t.Errorf("has what was deleted: %t, %v", has, err)
	}
	if err := s.Put(t.Context(), digestOf(want), int64(len(want)), bytes.NewReader(want)); err != nil {
		t.Errorf("put again: %v", err)
	}
	if has, err := s.Has(t.Context(), digestOf(want)); !has || err != nil {
		t.Errorf("has what was put again: %t, %v", has, err)
	}
}

// TestRestart restarts the server while a file is on its way.
func TestRestart(t *testing.T) {
	t.Parallel()
	o := newOpener(t)
	s := o.open(t)
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	port := 0
	for _, ch := range o.server.URL()[len("nats://127.0.0.1:"):] {
		port = port*10 + int(ch-'0')
	}
	restart := &once{f: func() {
		o.server.Shutdown()
		o.start(t, port)
	}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r := io.MultiReader(bytes.NewReader(want[:9<<20]), restart, bytes.NewReader(want[9<<20:]))
	if err := s.Put(ctx, digestOf(want), int64(len(want)), r); err != nil {
		t.Fatal(err)
	}
	opened, err := s.Open(ctx, digestOf(want))
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	if got, err := io.ReadAll(opened); err != nil || !bytes.Equal(got, want) {
		t.Errorf("read %d bytes: %v", len(got), err)
	}
}

// once is a reader of nothing that calls f.
type once struct{ f func() }

func (o *once) Read([]byte) (int, error) {
	o.f()
	return 0, io.EOF
}

// TestOrder has chunks that the server has kept although its answer was lost not be kept twice, and
// those that were kept in the wrong order be put right.
func TestOrder(t *testing.T) {
	t.Parallel()
	s := newOpener(t).open(t)
	p := &put{s: s, nuid: "TEST", subject: chunks + "TEST"}
	var pending []*chunk
	for _, text := range []string{"a", "b", "c", "d"} {
		pending = append(pending, &chunk{[]byte(text), p.newID()})
	}
	// c and a have arrived, in that order, and nobody knows
	for _, i := range []int{2, 0} {
		if _, err := s.js.Publish(t.Context(), p.subject, pending[i].data, jetstream.WithMsgID(pending[i].id)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.send(t.Context(), pending); err != nil {
		t.Fatal(err)
	}
	if err := p.checkCount(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := ""
	for sequence := uint64(0); ; {
		msg, err := s.stream.GetMsg(t.Context(), sequence+1, jetstream.WithGetMsgSubject(p.subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got, sequence = got+string(msg.Data), msg.Sequence
	}
	if got != "abcd" {
		t.Errorf("kept %q", got)
	}
}

// BenchmarkStore measures how fast files of 64 MiB go in and out.
func BenchmarkStore(b *testing.B) {
	s := newOpener(b).open(b)
	data := make([]byte, 64<<20)
	for b.Loop() {
		data[0]++
		digest := digestOf(data)
		began := time.Now()
		if err := s.Put(b.Context(), digest, int64(len(data)), bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(data))/time.Since(began).Seconds()/1e6, "put-MB/s")
		began = time.Now()
		r, err := s.Open(b.Context(), digest)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(data))/time.Since(began).Seconds()/1e6, "get-MB/s")
		r.Close()
		if err := s.Delete(b.Context(), digest); err != nil {
			b.Fatal(err)
		}
	}
}

// TestSmallFiles reads files of one chunk, sound, altered and without it.
func TestSmallFiles(t *testing.T) {
	t.Parallel()
	o := newOpener(t)
	s := o.open(t)
	for name, c := range map[string]struct {
		size  int
		spoil func(*testing.T, artifact.Digest)
	}{
		"sound": {5, nil}, "whole chunk": {chunkSize, nil}, "altered": {6, o.Corrupt}, "chunk missing": {7, o.Truncate},
	} {
		data := bytes.Repeat([]byte("x"), c.size)
		digest := digestOf(data)
		if err := s.Put(t.Context(), digest, int64(len(data)), bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		if c.spoil != nil {
			c.spoil(t, digest)
		}
		r, err := s.Open(t.Context(), digest)
		var got []byte
		if err == nil {
			got, err = io.ReadAll(r)
			r.Close()
		}
		if c.spoil == nil && (err != nil || !bytes.Equal(got, data)) || c.spoil != nil && !errors.Is(err, artifact.ErrCorrupt) {
			t.Errorf("%s: read %d bytes, %v", name, len(got), err)
		}
	}
}
