package trust

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
	"time"
)

// plainSigner is a signer of a kind that this package does not know.
type plainSigner struct{ Signer }

func newSigner(t *testing.T) Signer {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key.asc")
	if _, _, err := LoadOrCreate(path, "test"); err != nil {
		t.Fatal(err)
	}
	s, err := OpenSigner(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestStreams signs and verifies what is read, with each kind of signer.
func TestStreams(t *testing.T) {
	payload := bytes.Repeat([]byte("payload "), 1<<16)
	open := func() io.Reader { return iotest.OneByteReader(bytes.NewReader(payload[:1000])) }
	first, second := newSigner(t), newSigner(t)
	for name, s := range map[string]Signer{
		"file": first, "together": Together(first, second), "other": plainSigner{first},
	} {
		t.Run(name, func(t *testing.T) {
			signature, err := DetachStream(t.Context(), s, open)
			if err != nil {
				t.Fatal(err)
			}
			ring, err := publicRing(second)
			if name != "together" {
				ring, err = publicRing(first)
			}
			if err != nil {
				t.Fatal(err)
			}
			print, err := ring.VerifyStream(open, signature)
			if err != nil || print != ring.Fingerprints()[0] {
				t.Errorf("verified as %q, %v", print, err)
			}
			if _, err := ring.Verify(payload[:1000], signature); err != nil {
				t.Errorf("other than of bytes: %v", err)
			}
			_, err = ring.VerifyStream(func() io.Reader { return bytes.NewReader(payload) }, signature)
			if !errors.As(err, new(*UntrustedError)) {
				t.Errorf("more than was signed: %v", err)
			}
		})
	}
}

// TestStreamThatBreaks must neither be signed nor be taken for one with a bad signature.
func TestStreamThatBreaks(t *testing.T) {
	s, broken := newSigner(t), errors.New("disk is broken")
	whole := func() io.Reader { return bytes.NewReader([]byte("payload")) }
	half := func() io.Reader { return io.MultiReader(bytes.NewReader([]byte("pay")), iotest.ErrReader(broken)) }
	for name, signer := range map[string]Signer{"file": s, "together": Together(s, newSigner(t)), "other": plainSigner{s}} {
		if signature, err := DetachStream(t.Context(), signer, half); !errors.Is(err, broken) || signature != nil {
			t.Errorf("%s: signed %d bytes, %v", name, len(signature), err)
		}
	}
	signature, err := DetachStream(t.Context(), s, whole)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := publicRing(s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ring.VerifyStream(half, signature); !errors.Is(err, broken) || errors.As(err, new(*UntrustedError)) {
		t.Errorf("verified: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := DetachStream(ctx, s, whole); !errors.Is(err, context.Canceled) {
		t.Errorf("signed after the end: %v", err)
	}
}

// TestKeyringFile reads a file again when it has changed, and not otherwise.
func TestKeyringFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.asc")
	f := NewKeyringFile(path)
	if _, err := f.Read(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want fs.ErrNotExist", err)
	}
	put := func(s Signer, at time.Time) string {
		t.Helper()
		public, err := s.Public()
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.WriteFile(path, public, 0o644), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
		return s.Fingerprint()
	}
	read := func() *Keyring {
		t.Helper()
		ring, err := f.Read()
		if err != nil {
			t.Fatal(err)
		}
		return ring
	}
	want := put(newSigner(t), time.Now().Add(-time.Hour))
	first := read()
	if got := first.Fingerprints()[0]; got != want || read() != first {
		t.Errorf("key %s, want %s, and the same keyring again", got, want)
	}
	// of the same size and time, since file systems do not note every moment
	now := time.Now().Add(time.Minute)
	for range 3 {
		want := put(newSigner(t), now)
		if got := read().Fingerprints()[0]; got != want {
			t.Errorf("key %s, want %s", got, want)
		}
	}
	if err := os.WriteFile(path, []byte("rubbish"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(); err == nil {
		t.Error("read rubbish")
	}
}
