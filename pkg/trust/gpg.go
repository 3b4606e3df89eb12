package trust

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// gpgSigner signs with the gpg program, which asks its agent, which may ask a smartcard.
type gpgSigner struct{ print string }

// exportTime is how long gpg may take to write a public key.
const exportTime = 30 * time.Second

// openGPG finds the one private key that spec names among those that gpg knows.
func openGPG(ctx context.Context, spec string) (Signer, error) {
	list, err := gpg(ctx, nil, "--with-colons", "--list-secret-keys", "--", spec)
	if err != nil {
		return nil, fmt.Errorf("open signing key %q: neither a file nor a key that gpg knows: %w", spec, err)
	}
	prints := primaryFingerprints(list)
	if len(prints) != 1 {
		return nil, &adviceError{
			fmt.Errorf("open signing key %q: gpg knows %d such keys", spec, len(prints)),
			"give the fingerprint of one: gpg --list-secret-keys",
		}
	}
	s := &gpgSigner{prints[0]}
	e, err := s.entity(ctx)
	if err == nil {
		err = usable(e)
	}
	if err != nil {
		return nil, fmt.Errorf("open signing key %q: %w", spec, err)
	}
	return s, nil
}

// entity returns the public key as gpg has it now, with subkeys that have expired.
func (s *gpgSigner) entity(ctx context.Context) (*openpgp.Entity, error) {
	public, err := s.export(ctx, "no-export-attributes")
	if err != nil {
		return nil, err
	}
	ring, err := ParseKeyring(public)
	if err != nil {
		return nil, err
	}
	for _, e := range ring.byPrint[s.print] {
		return e, nil
	}
	return nil, fmt.Errorf("key %s is not in what gpg exports of it", s.print)
}

func (s *gpgSigner) export(ctx context.Context, how string) ([]byte, error) {
	public, err := gpg(ctx, nil, "--armor", "--export-options", how, "--export", "--", s.print)
	if err == nil && len(public) == 0 {
		err = errors.New("gpg has no public key of it")
	}
	if err != nil {
		return nil, fmt.Errorf("export key %s: %w", s.print, err)
	}
	return public, nil
}

// primaryFingerprints returns the fingerprint of each primary key in gpg's colon listing (file
// DETAILS of GnuPG's documentation): field 10 of the first fpr record after each sec record.
func primaryFingerprints(list []byte) []string {
	var prints []string
	primary := false
	for line := range strings.Lines(string(list)) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		switch fields[0] {
		case "sec":
			primary = true
		case "fpr":
			if primary && len(fields) > 9 && isFingerprint(fields[9]) {
				prints = append(prints, fields[9])
			}
			primary = false
		}
	}
	return prints
}

// Detach returns an armored detached signature of data.
func (s *gpgSigner) Detach(ctx context.Context, data []byte) ([]byte, error) {
	return s.sign(ctx, data, "--armor", "--detach-sign")
}

// DetachBinary returns a detached signature of data that is not armored.
func (s *gpgSigner) DetachBinary(ctx context.Context, data []byte) ([]byte, error) {
	return s.sign(ctx, data, "--detach-sign")
}

// Clearsign returns data with a signature around it.
func (s *gpgSigner) Clearsign(ctx context.Context, data []byte) ([]byte, error) {
	return s.sign(ctx, data, "--clear-sign")
}

// Fingerprint returns that of the primary key.
func (s *gpgSigner) Fingerprint() string { return s.print }

// Public returns the armored public key as gpg has it now: its expiry may have been moved.
func (s *gpgSigner) Public() ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), exportTime)
	defer cancel()
	return s.export(ctx, "export-minimal")
}

func (s *gpgSigner) sign(ctx context.Context, data []byte, how ...string) ([]byte, error) {
	return s.signed(ctx, bytes.NewReader(data), how...)
}

func (s *gpgSigner) signed(ctx context.Context, data io.Reader, how ...string) ([]byte, error) {
	args := append([]string{"--local-user", s.print, "--digest-algo", "SHA512", "--output", "-"}, how...)
	signed, err := gpgFrom(ctx, data, args...)
	if err != nil {
		if e, unread := s.entity(ctx); unread == nil && expired(e) != nil {
			return nil, expired(e) // gpg says "unusable secret key"
		}
		return nil, advised(fmt.Errorf("sign with key %s: %w", s.print, err))
	}
	if len(signed) == 0 {
		return nil, fmt.Errorf("sign with key %s: gpg wrote nothing", s.print)
	}
	return signed, nil
}

// gpg runs the program with data as its input and returns its output.
func gpg(ctx context.Context, data []byte, args ...string) ([]byte, error) {
	return gpgFrom(ctx, bytes.NewReader(data), args...)
}

// gpgFrom runs the program. It never asks on a terminal; a passphrase is the agent's business.
func gpgFrom(ctx context.Context, data io.Reader, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "gpg", append([]string{"--batch", "--no-tty", "--yes", "--quiet"}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.WaitDelay = 5 * time.Second // a pinentry may outlive gpg and hold its pipes
	cmd.Stdin = data
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := cmd.Run()
	switch {
	case err == nil:
		return out.Bytes(), nil
	case errors.Is(err, exec.ErrNotFound):
		return nil, &adviceError{errors.New("gpg is not installed"), "apt-get install gnupg"}
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	if words := strings.Fields(problems.String()); len(words) > 0 {
		return nil, fmt.Errorf("%w: %s", err, strings.Join(words, " "))
	}
	return nil, fmt.Errorf("gpg: %w", err)
}
