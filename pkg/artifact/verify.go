package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// IsDigest tells whether d is the form of a digest: 64 lower-case hexadecimal digits. Adapters make
// names of digests, so they refuse all else.
func IsDigest(d Digest) bool {
	if len(d) != 2*sha256.Size {
		return false
	}
	for _, ch := range []byte(d) {
		if (ch < '0' || ch > '9') && (ch < 'a' || ch > 'f') {
			return false
		}
	}
	return true
}

// CheckDigest returns an error for what is no digest.
func CheckDigest(d Digest) error {
	if !IsDigest(d) {
		return fmt.Errorf("digest %.80q: not 64 lower-case hexadecimal digits", d)
	}
	return nil
}

// Verify returns a reader of r's bytes that returns ErrCorrupt in place of io.EOF when they are not
// size bytes with this digest, and closes r when it is closed.
func Verify(r io.ReadCloser, digest Digest, size int64) io.ReadCloser {
	return struct {
		io.Reader
		io.Closer
	}{&verifier{r: r, digest: digest, size: size, hash: sha256.New(), wrap: ErrCorrupt}, r}
}

// Expect returns a reader of r's bytes that returns an error in place of io.EOF when they are not
// what Put was promised, soon when they are too many, and when ctx has ended.
func Expect(ctx context.Context, r io.Reader, digest Digest, size int64) io.Reader {
	return &verifier{r: WithContext(ctx, r), digest: digest, size: size, hash: sha256.New(), wrap: errPromise}
}

var errPromise = errors.New("not the bytes that were promised")

type verifier struct {
	r      io.Reader
	digest Digest
	size   int64
	read   int64
	hash   hash.Hash
	wrap   error
}

func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	v.hash.Write(p[:n])
	v.read += int64(n)
	switch {
	case v.read > v.size:
		return 0, fmt.Errorf("%w: more than the %d bytes of %s", v.wrap, v.size, v.digest)
	case err != io.EOF:
		return n, err
	case v.read < v.size:
		return n, fmt.Errorf("%w: %d of the %d bytes of %s", v.wrap, v.read, v.size, v.digest)
	}
	if sum := hex.EncodeToString(v.hash.Sum(nil)); sum != string(v.digest) {
		return n, fmt.Errorf("%w: digest is %s, not %s", v.wrap, sum, v.digest)
	}
	return n, io.EOF
}
