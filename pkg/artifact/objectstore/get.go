package objectstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"foundry/pkg/artifact"
)

const (
	// readAhead is how many chunks are asked for before they are read.
	readAhead  = 16
	readerIdle = time.Minute
	// readPatience is how long the next chunk may take.
	readPatience = 30 * time.Second
)

// Open returns the file's bytes, which are verified as they are read.
func (s *Store) Open(ctx context.Context, digest artifact.Digest) (io.ReadCloser, error) {
	info, err := s.find(ctx, digest)
	if err != nil {
		return nil, fmt.Errorf("open artifact %s: %w", digest, err)
	}
	if info.Chunks == 1 {
		r, err := s.single(ctx, info)
		if err != nil {
			return nil, fmt.Errorf("open artifact %s: %w", digest, err)
		}
		return artifact.Verify(r, digest, int64(info.Size)), nil
	}
	r := &reader{s: s, ctx: ctx, left: info.Chunks}
	if info.Chunks > 0 {
		r.consumer, err = s.js.OrderedConsumer(ctx, streamName, jetstream.OrderedConsumerConfig{
			FilterSubjects: []string{chunks + info.NUID}, InactiveThreshold: readerIdle,
		})
		if err == nil {
			r.messages, err = r.consumer.Messages(jetstream.PullMaxMessages(readAhead))
		}
		if err != nil {
			return nil, fmt.Errorf("open artifact %s: %w", digest, err)
		}
	}
	return artifact.Verify(r, digest, int64(info.Size)), nil
}

// single reads a file of one chunk, as most are. A consumer for it would take several times as long.
func (s *Store) single(ctx context.Context, info *jetstream.ObjectInfo) (io.ReadCloser, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	msg, err := s.stream.GetLastMsgForSubject(ctx, chunks+info.NUID)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, fmt.Errorf("%w: its chunk is missing", artifact.ErrCorrupt)
	}
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(msg.Data)), nil
}

// reader yields the chunks of a file one after another.
type reader struct {
	s        *Store
	ctx      context.Context // of Open: it ends the reading too
	consumer jetstream.Consumer
	messages jetstream.MessagesContext
	left     uint32 // chunks to come
	chunk    []byte // rest of the last one
}

func (r *reader) Read(p []byte) (int, error) {
	for len(r.chunk) == 0 {
		if r.left == 0 {
			return 0, io.EOF
		}
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.chunk)
	r.chunk = r.chunk[n:]
	return n, nil
}

func (r *reader) next() error {
	ctx, cancel := context.WithTimeout(r.ctx, readPatience)
	defer cancel()
	if r.consumer.CachedInfo().NumPending < uint64(r.left) && r.chunk == nil {
		return fmt.Errorf("%w: %d of %d chunks are missing", artifact.ErrCorrupt,
			uint64(r.left)-r.consumer.CachedInfo().NumPending, r.left)
	}
	msg, err := r.messages.Next(jetstream.NextContext(ctx))
	if err != nil {
		return fmt.Errorf("read artifact: %w", err)
	}
	meta, err := msg.Metadata()
	if err != nil {
		return fmt.Errorf("read artifact: %w", err)
	}
	r.left--
	r.chunk = msg.Data()
	if meta.NumPending < uint64(r.left) {
		return fmt.Errorf("%w: %d chunks are missing", artifact.ErrCorrupt, uint64(r.left)-meta.NumPending)
	}
	return nil
}

// Close ends the reading.
func (r *reader) Close() error {
	if r.messages == nil {
		return nil
	}
	r.messages.Stop()
	r.messages, r.left, r.chunk = nil, 0, nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), requestTimeout)
	defer cancel()
	// the server forgets the consumer by itself after readerIdle
	_ = r.s.js.DeleteConsumer(ctx, streamName, r.consumer.CachedInfo().Name)
	return nil
}

// descriptions calls f with the description of every file.
func (s *Store) descriptions(ctx context.Context, f func(*jetstream.ObjectInfo) error) error {
	consumer, err := s.js.OrderedConsumer(ctx, streamName, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{metas + ">"}, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy,
		InactiveThreshold: readerIdle,
	})
	if err != nil {
		return fmt.Errorf("list artifacts: %w", err)
	}
	if consumer.CachedInfo().NumPending == 0 {
		return nil
	}
	messages, err := consumer.Messages()
	if err != nil {
		return fmt.Errorf("list artifacts: %w", err)
	}
	defer messages.Stop()
	for {
		wait, cancel := context.WithTimeout(ctx, readPatience)
		msg, err := messages.Next(jetstream.NextContext(wait))
		cancel()
		if err != nil {
			return fmt.Errorf("list artifacts: %w", err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return fmt.Errorf("list artifacts: %w", err)
		}
		if info, err := describe(msg.Data()); err == nil && !info.Deleted {
			info.ModTime = meta.Timestamp
			if err := f(info); err != nil {
				return err
			}
		}
		if meta.NumPending == 0 {
			return nil
		}
	}
}

// Sweep removes chunks that belong to no file and whose put has added nothing for the given time,
// as a program that was killed leaves them. It returns how many puts it has cleaned up after.
func (s *Store) Sweep(ctx context.Context, age time.Duration) (int, error) {
	info, err := s.stream.Info(ctx, jetstream.WithSubjectFilter(chunks+">"))
	if err != nil {
		return 0, fmt.Errorf("sweep artifacts: %w", err)
	}
	// descriptions are read after the chunks: one that has come between shows its chunks as used
	orphans := info.State.Subjects
	err = s.descriptions(ctx, func(info *jetstream.ObjectInfo) error {
		delete(orphans, chunks+info.NUID)
		return nil
	})
	if err != nil {
		return 0, err
	}
	swept := 0
	for subject := range orphans {
		last, err := s.stream.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && time.Since(last.Time) < age {
			continue
		}
		if err == nil {
			err = s.stream.Purge(ctx, jetstream.WithPurgeSubject(subject))
		}
		if err != nil {
			return swept, fmt.Errorf("sweep artifacts: %w", err)
		}
		swept++
	}
	return swept, nil
}
