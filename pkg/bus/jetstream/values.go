package jetstream

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"foundry/pkg/bus"
)

// maxKey is how long a key may be before its hash takes its place.
const maxKey = 512

// Subjects by which the bucket is read and written.
const (
	subjectValueGet = "$JS.API.DIRECT.GET.KV_" + bucketValues + ".$KV." + bucketValues + "."
	subjectValuePut = "$KV." + bucketValues + "."
)

// Get returns the value of key and its revision.
func (c *Conn) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	name := escapeKey(key)
	var entry jetstream.KeyValueEntry
	err := c.try(ctx, subjectValueGet+name, func(ctx context.Context) (err error) {
		entry, err = c.kv.Get(ctx, name)
		return err
	})
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return nil, 0, fmt.Errorf("get value %s: %w", key, bus.ErrNotFound)
	case err != nil:
		return nil, 0, fmt.Errorf("get value %s: %w", key, err)
	}
	return entry.Value(), entry.Revision(), nil
}

// Put writes value if key still is at the given revision, 0 for one that is not there.
func (c *Conn) Put(ctx context.Context, key string, value []byte, revision uint64) error {
	name := escapeKey(key)
	attempts := 0
	err := c.try(ctx, subjectValuePut+name, func(ctx context.Context) (err error) {
		attempts++
		if revision == 0 {
			_, err = c.kv.Create(ctx, name, value)
		} else {
			_, err = c.kv.Update(ctx, name, value, revision)
		}
		return err
	})
	switch {
	case err == nil:
		return nil
	case !isConflict(err):
		return fmt.Errorf("put value %s: %w", key, err)
	case attempts > 1: // the first may have been ours, its answer lost
		if there, _, err := c.Get(ctx, key); err == nil && bytes.Equal(there, value) {
			return nil
		}
	}
	return fmt.Errorf("put value %s: %w", key, bus.ErrConflict)
}

func isConflict(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, jetstream.ErrKeyExists) ||
		errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
			api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// escapeKey makes a key of any string: what a key of a bucket may not hold becomes "=" and two
// hexadecimal digits for each byte, and a very long key its hash.
func escapeKey(key string) string {
	if key == "" {
		return "="
	}
	var b strings.Builder
	for i := range len(key) {
		switch ch := key[i]; {
		case ch >= 'a' && ch <= 'z', ch >= 'A' && ch <= 'Z', ch >= '0' && ch <= '9', ch == '-', ch == '_', ch == '/':
			b.WriteByte(ch)
		default:
			fmt.Fprintf(&b, "=%02X", ch)
		}
	}
	if b.Len() > maxKey {
		return fmt.Sprintf("=sha256/%x", sha256.Sum256([]byte(key)))
	}
	return b.String()
}
