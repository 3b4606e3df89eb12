package trust

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// A Signer signs packages or repository metadata with one key, which may be in a file, in gpg's
// agent or on a smartcard. Its methods may be called concurrently.
type Signer interface {
	// Detach returns an armored detached signature of data.
	Detach(ctx context.Context, data []byte) ([]byte, error)
	// DetachBinary returns a detached signature of data that is not armored.
	DetachBinary(ctx context.Context, data []byte) ([]byte, error)
	// Clearsign returns data, which must be text, with a signature around it (RFC 9580, 7).
	Clearsign(ctx context.Context, data []byte) ([]byte, error)
	// Fingerprint returns that of the primary key in upper-case hexadecimal.
	Fingerprint() string
	// Public returns the armored public key.
	Public() ([]byte, error)
}

// OpenSigner returns the signer that spec names: the path of a private key file, or a
// fingerprint, key id or user id known to gpg. A file that is there and whatever holds a slash is
// a path.
func OpenSigner(ctx context.Context, spec string) (Signer, error) {
	if spec == "" {
		return nil, errors.New("open signing key: no key given")
	}
	_, err := os.Stat(spec)
	if err != nil && (!errors.Is(err, fs.ErrNotExist) || strings.Contains(spec, "/")) {
		return nil, fmt.Errorf("open signing key: %w", err)
	}
	if err != nil {
		return openGPG(ctx, spec)
	}
	return openFile(spec)
}

// fileSigner signs with a key that is held in memory, and read again when its file is another: the key's
// expiry was moved.
type fileSigner struct {
	path  string
	print string

	mu   sync.Mutex
	info fs.FileInfo
	key  *Key
}

func openFile(path string) (Signer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open signing key: %w", err)
	}
	key, err := Load(path)
	if err != nil {
		return nil, err
	}
	return &fileSigner{path: path, print: key.Fingerprint(), info: info, key: key}, nil
}

// current returns the key as its file has it now, and where that has no such key any more, as it was.
func (s *fileSigner) current() *Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := os.Stat(s.path)
	if err != nil || sameFile(s.info, info) {
		return s.key
	}
	if key, err := Load(s.path); err == nil && key.Fingerprint() == s.print {
		s.info, s.key = info, key
	}
	return s.key
}

func (s *fileSigner) Fingerprint() string { return s.print }

func (s *fileSigner) Public() ([]byte, error) { return s.current().Public() }

func (s *fileSigner) Detach(ctx context.Context, data []byte) ([]byte, error) {
	signature, err := s.DetachBinary(ctx, data)
	if err != nil {
		return nil, err
	}
	return armored(openpgp.SignatureType, signature)
}

func (s *fileSigner) DetachBinary(ctx context.Context, data []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.current().Sign(data)
}

func (s *fileSigner) Clearsign(ctx context.Context, data []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	key := s.current()
	if err := expired(key.entity); err != nil {
		return nil, err
	}
	signed, err := clearsigned(key.entity, data)
	if err != nil {
		return nil, fmt.Errorf("sign with key %s: %w", s.Fingerprint(), err)
	}
	return signed, nil
}
