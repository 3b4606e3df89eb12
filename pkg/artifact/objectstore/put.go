package objectstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"foundry/pkg/artifact"
)

const (
	retryPause   = 100 * time.Millisecond
	putPatience  = time.Minute // without any progress
	cleanTimeout = 10 * time.Second
)

// Put keeps what r yields. A server that is overrun or away is waited for.
func (s *Store) Put(ctx context.Context, digest artifact.Digest, size int64, r io.Reader) error {
	there, err := s.Has(ctx, digest)
	if err != nil || there {
		return err
	}
	id := nuid.Next()
	p := &put{s: s, nuid: id, subject: chunks + id}
	err = p.upload(ctx, artifact.Expect(ctx, r, digest, size))
	if err == nil {
		err = p.describe(ctx, digest, size)
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, errThere) {
		err = nil // another was faster, and ours are the same bytes
	}
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
	defer cancel()
	if purge := s.stream.Purge(cleanup, jetstream.WithPurgeSubject(p.subject)); purge != nil {
		s.log.Warn().Err(purge).Str("digest", string(digest)).Msg("left chunks of an artifact behind, a sweep removes them")
	}
	if err != nil {
		return fmt.Errorf("put artifact %s: %w", digest, err)
	}
	return nil
}

var errThere = errors.New("there already")

// put is one file on its way to the server.
type put struct {
	s       *Store
	nuid    string
	subject string
	index   int    // of the next chunk
	count   uint32 // chunks that are kept
	last    uint64 // sequence of the last one kept
}

// chunk is a piece of the file. Its id keeps it from being kept twice when an answer was lost.
type chunk struct {
	data []byte
	id   string
}

// upload sends r in chunks, a window of them at a time.
func (p *put) upload(ctx context.Context, r io.Reader) error {
	buffer := make([]byte, window*chunkSize)
	for {
		n, err := io.ReadFull(r, buffer)
		last := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !last {
			return err
		}
		var pending []*chunk
		for start := 0; start < n; start += chunkSize {
			pending = append(pending, &chunk{buffer[start:min(start+chunkSize, n)], p.newID()})
		}
		if err := p.send(ctx, pending); err != nil {
			return err
		}
		if last {
			return p.checkCount(ctx)
		}
	}
}

func (p *put) newID() string {
	p.index++
	return fmt.Sprintf("%s.%d", p.nuid, p.index)
}

// send has the server keep some chunks in their order. When it refuses one, those behind it are
// taken back and sent again with it.
func (p *put) send(ctx context.Context, pending []*chunk) error {
	deadline := time.Now().Add(putPatience)
	for len(pending) > 0 {
		kept, err := p.sendOnce(ctx, pending)
		pending = pending[kept:]
		switch {
		case err == nil:
			continue
		case kept > 0:
			deadline = time.Now().Add(putPatience)
		}
		if !transient(err) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retryPause):
		}
	}
	return nil
}

var errOrder = errors.New("chunks were kept out of order")

// sendOnce sends chunks without waiting between them and returns how many of the first are kept.
func (p *put) sendOnce(ctx context.Context, pending []*chunk) (kept int, err error) {
	acks := make([]jetstream.PubAckFuture, 0, len(pending))
	for _, c := range pending {
		ack, refusal := p.s.js.PublishMsgAsync(&nats.Msg{Subject: p.subject, Data: c.data}, jetstream.WithMsgID(c.id))
		if refusal != nil {
			err = refusal
			break
		}
		acks = append(acks, ack)
	}
	for i, ack := range acks {
		select {
		case answer := <-ack.Ok():
			if err == nil && answer.Sequence > p.last {
				kept++
				p.count++
				p.last = answer.Sequence
				continue
			}
			if err == nil {
				err = errOrder
			}
			if refusal := p.s.stream.DeleteMsg(ctx, answer.Sequence); refusal != nil {
				return kept, fmt.Errorf("take chunk back: %w", refusal)
			}
			pending[i].id = p.newID() // the server remembers the old one as kept
		case refusal := <-ack.Err():
			if err == nil {
				err = refusal
			}
		}
	}
	return kept, err
}

// checkCount makes sure that the server has as many chunks as were sent: a description is for ever.
func (p *put) checkCount(ctx context.Context) error {
	if p.count == 0 {
		return nil
	}
	info, err := p.s.stream.Info(ctx, jetstream.WithSubjectFilter(p.subject))
	if err != nil {
		return fmt.Errorf("count chunks: %w", err)
	}
	if n := info.State.Subjects[p.subject]; n != uint64(p.count) {
		return fmt.Errorf("count chunks: %d are kept of %d", n, p.count)
	}
	return nil
}

// describe makes the file visible. It returns errThere when another put of it was faster.
func (p *put) describe(ctx context.Context, digest artifact.Digest, size int64) error {
	info := jetstream.ObjectInfo{
		ObjectMeta: jetstream.ObjectMeta{
			Name: string(digest), Opts: &jetstream.ObjectMetaOptions{ChunkSize: chunkSize},
		},
		Bucket: bucket, NUID: p.nuid, Size: uint64(size), Chunks: p.count, Digest: objectDigest(digest),
	}
	data, err := json.Marshal(info)
	if err != nil {
		return fmt.Errorf("describe: %w", err)
	}
	expected := uint64(0)
	for deadline := time.Now().Add(putPatience); ; {
		_, err := p.s.js.PublishMsg(ctx, &nats.Msg{Subject: metaSubject(digest), Data: data},
			jetstream.WithExpectLastSequencePerSubject(expected))
		switch {
		case err == nil:
			return nil
		case isConflict(err):
			if expected, err = p.described(ctx, digest); err != nil || expected == 0 {
				return err
			}
			continue
		case !transient(err) || time.Now().After(deadline):
			return fmt.Errorf("describe: %w", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retryPause):
		}
	}
}

// described looks at the description that is there already. It returns errThere for one of another
// put, nil for our own, whose answer was lost, and the sequence of one that other tools have marked
// as deleted: ours may follow it.
func (p *put) described(ctx context.Context, digest artifact.Digest) (marker uint64, err error) {
	msg, err := p.s.stream.GetLastMsgForSubject(ctx, metaSubject(digest))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, errors.New("describe: another put and deleted it meanwhile")
	}
	if err != nil {
		return 0, fmt.Errorf("describe: %w", err)
	}
	info, err := describe(msg.Data)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%w: %w", artifact.ErrCorrupt, err)
	case info.Deleted:
		return msg.Sequence, nil
	case info.NUID == p.nuid:
		return 0, nil
	}
	return 0, errThere
}

func isConflict(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// transient tells trouble that goes away: a server that is overrun (429), restarting or away.
func transient(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.Code == 429
	}
	return errors.Is(err, errOrder) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrNoResponders) ||
		errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, jetstream.ErrAsyncPublishTimeout) ||
		errors.Is(err, jetstream.ErrTooManyStalledMsgs) || errors.Is(err, nats.ErrDisconnected)
}
