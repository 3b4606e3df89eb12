package trust

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"golang.org/x/sync/errgroup"
)

// together signs with several keys at once.
type together []Signer

// Together returns a signer whose signatures are those of all signers given, one after the other, so
// that whoever knows one of the keys believes them, as during the change from one key to the next.
//
// Its fingerprint is that of the first, and its public key all of theirs in one armored block. A key that
// has expired is left out as long as another has not: nobody would believe its signature. Whatever else
// goes wrong with one of them is an error.
func Together(signers ...Signer) Signer {
	if len(signers) == 1 {
		return signers[0]
	}
	return together(slices.Clone(signers))
}

// members are the signers of which s is made.
func members(s Signer) []Signer {
	if t, ok := s.(together); ok {
		return t
	}
	return []Signer{s}
}

// Fingerprints are those of all primary keys that s signs with.
func Fingerprints(s Signer) (prints []string) {
	for _, m := range members(s) {
		prints = append(prints, m.Fingerprint())
	}
	return prints
}

// Detach returns one armor with the detached signatures of all.
func (t together) Detach(ctx context.Context, data []byte) ([]byte, error) {
	signatures, err := t.DetachBinary(ctx, data)
	if err != nil {
		return nil, err
	}
	return armored(openpgp.SignatureType, signatures)
}

// DetachBinary returns the detached signatures of all, one after the other.
func (t together) DetachBinary(ctx context.Context, data []byte) ([]byte, error) {
	parts, err := t.each(func(s Signer) ([]byte, error) { return s.DetachBinary(ctx, data) })
	if err != nil {
		return nil, err
	}
	return joined(parts)
}

// Clearsign returns data with the signatures of all in one armor.
func (t together) Clearsign(ctx context.Context, data []byte) ([]byte, error) {
	parts, err := t.each(func(s Signer) ([]byte, error) { return s.Clearsign(ctx, data) })
	if err != nil {
		return nil, err
	}
	var text []byte
	signatures := make([][]byte, len(parts))
	for i, part := range parts {
		block, _ := clearsign.Decode(part)
		if block == nil {
			return nil, errors.New("join signatures: one of them is not clearsigned")
		}
		if i == 0 {
			text = block.Bytes
		}
		if !bytes.Equal(text, block.Bytes) {
			return nil, errors.New("join signatures: they are of different texts")
		}
		if signatures[i], err = io.ReadAll(block.ArmoredSignature.Body); err != nil {
			return nil, fmt.Errorf("join signatures: %w", err)
		}
	}
	all, err := joined(signatures)
	if err != nil {
		return nil, err
	}
	armor, err := armored(openpgp.SignatureType, all)
	if err != nil {
		return nil, err
	}
	// A line of the text that begins so is written with "- " before it.
	end := bytes.LastIndex(parts[0], []byte("\n-----BEGIN PGP SIGNATURE-----"))
	return append(bytes.Clone(parts[0][:end+1]), armor...), nil
}

// Fingerprint returns that of the first signer.
func (t together) Fingerprint() string {
	if len(t) == 0 {
		return ""
	}
	return t[0].Fingerprint()
}

// Public returns the public keys of all signers in one armored block. Several blocks would be allowed,
// but apt of Debian 12 reads the first one of a file only.
func (t together) Public() ([]byte, error) {
	var rings []*Keyring
	for _, s := range t {
		ring, err := publicRing(s)
		if err != nil {
			return nil, err
		}
		rings = append(rings, ring)
	}
	return Merge(rings...).Armored()
}

// publicRing returns the public key or keys of a signer.
func publicRing(s Signer) (*Keyring, error) {
	public, err := s.Public()
	if err != nil {
		return nil, err
	}
	return ParseKeyring(public)
}

// each lets all sign at once, and returns what they made in their order, without that of keys that have
// expired unless all have.
func (t together) each(sign func(Signer) ([]byte, error)) (made [][]byte, err error) {
	parts, expired := make([][]byte, len(t)), make([]error, len(t))
	var group errgroup.Group
	for i, s := range t {
		group.Go(func() (err error) {
			parts[i], err = sign(s)
			if errors.As(err, new(*ExpiredError)) {
				expired[i], err = err, nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	made = slices.DeleteFunc(parts, func(part []byte) bool { return part == nil })
	if len(made) == 0 {
		return nil, errors.Join(append(expired, errors.New("no key that could sign"))...)
	}
	return made, nil
}

// joined returns the packets of all signatures. GnuPG believes several of one text only where they are of
// one kind and hash.
func joined(parts [][]byte) ([]byte, error) {
	var all bytes.Buffer
	var first signature
	for _, part := range parts {
		signatures, err := parseSignatures(part)
		if err != nil {
			return nil, fmt.Errorf("join signatures: %w", err)
		}
		for _, s := range signatures {
			if first.packet == nil {
				first = s
			}
			if s.packet.Hash != first.packet.Hash || s.packet.SigType != first.packet.SigType {
				return nil, &adviceError{
					fmt.Errorf("join signatures: key %016X signs with %s and key %016X with %s",
						*first.packet.IssuerKeyId, first.packet.Hash, *s.packet.IssuerKeyId, s.packet.Hash),
					"both must use SHA-512: look at digest-algo in gpg.conf, and at what the smartcard can do",
				}
			}
			all.Write(s.raw)
		}
	}
	return all.Bytes(), nil
}
