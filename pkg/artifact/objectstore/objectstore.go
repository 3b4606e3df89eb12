// Package objectstore keeps artifacts in a JetStream object store, in the format of the NATS
// object store (ADR-20), so that `nats object` can list and read them.
//
// A file is a row of chunks on a subject of its own, and then one message that describes it: what
// has no description is not there. The description is written once, by whoever is first. Chunks
// of a put that was killed are invisible and are removed by Sweep. The client library's own Put is
// not used, since it replaces an object that is there, and with it what others are reading.
package objectstore

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"foundry/pkg/artifact"
)

const (
	bucket     = "FOUNDRY"
	streamName = "OBJ_" + bucket
	chunks     = "$O." + bucket + ".C." // then the NUID of the put
	metas      = "$O." + bucket + ".M." // then the name in base64
)

const (
	chunkSize = 512 << 10
	// window is how many chunks are under way at a time.
	window         = 8
	requestTimeout = 10 * time.Second
)

// Store is an artifact.Store in JetStream.
type Store struct {
	js     jetstream.JetStream
	stream jetstream.Stream
	log    zerolog.Logger
}

var _ artifact.Store = (*Store)(nil)

// Open finds the object store of the server behind nc, or makes it.
func Open(ctx context.Context, nc *nats.Conn, log zerolog.Logger) (*Store, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(requestTimeout),
		jetstream.WithPublishAsyncTimeout(requestTimeout))
	if err != nil {
		return nil, fmt.Errorf("open artifact store: %w", err)
	}
	stream, err := js.Stream(ctx, streamName)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: bucket, Description: "foundry: artifacts"})
		if err == nil || errors.Is(err, jetstream.ErrBucketExists) {
			stream, err = js.Stream(ctx, streamName)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open artifact store: %w", err)
	}
	return &Store{js: js, stream: stream, log: log}, nil
}

func metaSubject(digest artifact.Digest) string {
	return metas + base64.URLEncoding.EncodeToString([]byte(digest))
}

// objectDigest is a digest as descriptions have it.
func objectDigest(digest artifact.Digest) string {
	sum, err := hex.DecodeString(string(digest))
	if err != nil {
		return ""
	}
	return "SHA-256=" + base64.URLEncoding.EncodeToString(sum)
}

// find returns the description of a file, or artifact.ErrNotFound.
func (s *Store) find(ctx context.Context, digest artifact.Digest) (*jetstream.ObjectInfo, error) {
	if err := artifact.CheckDigest(digest); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	msg, err := s.stream.GetLastMsgForSubject(ctx, metaSubject(digest))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, artifact.ErrNotFound
	case err != nil:
		return nil, err
	}
	info, err := describe(msg.Data)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", artifact.ErrCorrupt, err)
	case info.Deleted:
		return nil, artifact.ErrNotFound
	case info.Name != string(digest):
		return nil, fmt.Errorf("%w: it is named %.80q", artifact.ErrCorrupt, info.Name)
	}
	info.ModTime = msg.Time
	return info, nil
}

func describe(data []byte) (*jetstream.ObjectInfo, error) {
	info := new(jetstream.ObjectInfo)
	if err := json.Unmarshal(data, info); err != nil {
		return nil, fmt.Errorf("description: %w", err)
	}
	return info, nil
}

// Has tells whether the file is there.
func (s *Store) Has(ctx context.Context, digest artifact.Digest) (bool, error) {
	_, err := s.find(ctx, digest)
	switch {
	case errors.Is(err, artifact.ErrNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("find artifact %s: %w", digest, err)
	}
	return true, nil
}

// Delete removes the file: first its description, so that nobody begins to read it.
func (s *Store) Delete(ctx context.Context, digest artifact.Digest) error {
	if err := artifact.CheckDigest(digest); err != nil {
		return fmt.Errorf("delete artifact: %w", err)
	}
	info, err := s.find(ctx, digest)
	if errors.Is(err, artifact.ErrNotFound) {
		return nil
	}
	if err != nil && !errors.Is(err, artifact.ErrCorrupt) {
		return fmt.Errorf("delete artifact %s: %w", digest, err)
	}
	if err := s.stream.Purge(ctx, jetstream.WithPurgeSubject(metaSubject(digest))); err != nil {
		return fmt.Errorf("delete artifact %s: %w", digest, err)
	}
	if info == nil {
		return nil // Sweep finds its chunks
	}
	if err := s.stream.Purge(ctx, jetstream.WithPurgeSubject(chunks+info.NUID)); err != nil {
		return fmt.Errorf("delete artifact %s: %w", digest, err)
	}
	return nil
}

// List calls f with each file.
func (s *Store) List(ctx context.Context, f func(artifact.Info) error) error {
	return s.descriptions(ctx, func(info *jetstream.ObjectInfo) error {
		digest := artifact.Digest(info.Name)
		if !artifact.IsDigest(digest) {
			return nil // somebody else's
		}
		return f(artifact.Info{Digest: digest, Size: int64(info.Size), Stored: info.ModTime})
	})
}
