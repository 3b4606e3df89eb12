// Package artifact is the port to the store in which bots leave files for one another. A file is
// addressed by the SHA-256 of its bytes, written once and never altered; who reads it gets those
// bytes or an error.
//
// foundry/pkg/artifact/artifacttest holds the contract suite that adapters pass.
package artifact

import (
	"context"
	"errors"
	"io"
	"time"

	"foundry/pkg/message"
)

// Digest addresses a file, Reference also names it.
type (
	Digest    = message.Digest
	Reference = message.Artifact
)

// Errors that stores return, wrapped.
var (
	// ErrNotFound says that the store has no such file.
	ErrNotFound = errors.New("artifact not found")
	// ErrCorrupt says that the bytes in the store are not those that the digest names.
	ErrCorrupt = errors.New("artifact is corrupt")
)

// Store keeps files. Its methods may be called concurrently, also by several processes.
type Store interface {
	// Put keeps what r yields, size bytes with the given digest, and is done at once when it is
	// there already. Other bytes than promised are an error and leave nothing behind.
	Put(ctx context.Context, digest Digest, size int64, r io.Reader) error
	// Open returns the file's bytes. The reader returns ErrCorrupt in place of io.EOF when they are
	// not those of the digest, so a file counts as read only after io.EOF. ErrNotFound is returned
	// by Open.
	Open(ctx context.Context, digest Digest) (io.ReadCloser, error)
	// Has tells whether the file is there.
	Has(ctx context.Context, digest Digest) (bool, error)
	// Delete removes the file; one that is not there is no error.
	Delete(ctx context.Context, digest Digest) error
	// List calls f with each file until f returns an error, which List returns.
	List(ctx context.Context, f func(Info) error) error
}

// Info describes a stored file.
type Info struct {
	Digest Digest
	Size   int64
	Stored time.Time
}
