package trust

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// clockSkew is how far ahead of this host's clock a signature may have been made.
const clockSkew = 5 * time.Minute

// maxSignature is the size in bytes of the largest signature that is looked at; one of RSA with
// 4096 bits is less than 1 kB.
const maxSignature = 64 << 10

// maxSignatures is how many signatures of one text are looked at.
const maxSignatures = 16

// An UntrustedError says why a signature is not believed. Any other error of a verification is
// about this host, such as a keyring that cannot be read, and says nothing about the signature.
type UntrustedError struct {
	Reason string
	Advice string // what whoever trusts or signs can do; may be empty
}

func (e *UntrustedError) Error() string { return e.Reason }

// Hint returns the advice.
func (e *UntrustedError) Hint() string { return e.Advice }

func untrusted(format string, args ...any) error {
	return &UntrustedError{Reason: fmt.Sprintf(format, args...)}
}

// A signature as parsed, and its packet's bytes.
type signature struct {
	packet *packet.Signature
	raw    []byte
}

// The kinds of signatures that are accepted. One over text also verifies when line ends were
// changed, so it is no proof of exact bytes.
var (
	binaryOnly   = []packet.SignatureType{packet.SigTypeBinary}
	textOrBinary = []packet.SignatureType{packet.SigTypeText, packet.SigTypeBinary}
)

// parseSignatures reads one or more signature packets, binary or armored, and nothing else.
func parseSignatures(data []byte) ([]signature, error) {
	if len(data) == 0 {
		return nil, errors.New("no signature")
	}
	if len(data) > maxSignature {
		return nil, fmt.Errorf("signature is larger than %d bytes", maxSignature)
	}
	if isArmored(data) {
		block, err := armor.Decode(bytes.NewReader(data))
		if err != nil || block.Type != openpgp.SignatureType {
			return nil, errors.New("signature is malformed")
		}
		if data, err = io.ReadAll(block.Body); err != nil {
			return nil, errors.New("signature is malformed")
		}
	}
	var signatures []signature
	packets := packet.NewOpaqueReader(bytes.NewReader(data))
	for {
		opaque, err := packets.Next()
		if errors.Is(err, io.EOF) && len(signatures) > 0 {
			return signatures, nil
		}
		if err != nil || len(signatures) == maxSignatures {
			return nil, errors.New("signature is malformed")
		}
		parsed, err := opaque.Parse()
		if err != nil {
			return nil, errors.New("signature is malformed or of an unknown kind")
		}
		sig, ok := parsed.(*packet.Signature)
		if !ok || sig.IssuerKeyId == nil {
			return nil, errors.New("signature is malformed")
		}
		var raw bytes.Buffer
		if err := opaque.Serialize(&raw); err != nil {
			return nil, errors.New("signature is malformed")
		}
		signatures = append(signatures, signature{sig, raw.Bytes()})
	}
}

// verifyAny returns the fingerprint of the first key that has made one of the signatures, or
// the reason why the last of them is not believed.
func verifyAny(keys openpgp.EntityList, payload []byte, signatures []signature, kinds []packet.SignatureType) (print string, err error) {
	return verifyAnyOf(keys, func() io.Reader { return bytes.NewReader(payload) }, signatures, kinds)
}

// verifyAnyOf is verifyAny of what open yields, which is read once for each signature of a known key.
func verifyAnyOf(keys openpgp.EntityList, open func() io.Reader, signatures []signature, kinds []packet.SignatureType) (print string, err error) {
	for _, s := range signatures {
		payload := &faithful{r: open()}
		print, err = verifyOne(keys, payload, s, kinds)
		if payload.err != nil {
			return "", fmt.Errorf("read what is signed: %w", payload.err)
		}
		if err == nil {
			return print, nil
		}
	}
	return "", err
}

// faithful remembers the error of a reader, which the library takes for that of a signature.
type faithful struct {
	r   io.Reader
	err error
}

func (f *faithful) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

func verifyOne(keys openpgp.EntityList, payload io.Reader, s signature, kinds []packet.SignatureType) (string, error) {
	if err := acceptable(s.packet, kinds); err != nil {
		return "", err
	}
	if err := strongIssuer(keys, s.packet); err != nil {
		return "", err
	}
	config := &packet.Config{Time: func() time.Time { return checkTime(s.packet.CreationTime) }}
	_, signer, err := openpgp.VerifyDetachedSignature(keys, payload, bytes.NewReader(s.raw), config)
	switch {
	case err == nil:
		return fingerprint(signer), nil
	case errors.Is(err, pgperrors.ErrUnknownIssuer):
		return "", untrusted("signed by unknown key %016X", *s.packet.IssuerKeyId)
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return "", outOfTime(keys, *s.packet.IssuerKeyId)
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return "", untrusted("key %016X has been revoked", *s.packet.IssuerKeyId)
	case errors.Is(err, pgperrors.ErrSignatureExpired):
		return "", untrusted("signature has expired or was made in the future")
	}
	return "", untrusted("signature does not match")
}

// acceptable refuses kinds of signatures and weak hashes that the library would let pass.
func acceptable(sig *packet.Signature, kinds []packet.SignatureType) error {
	kind := false
	for _, k := range kinds {
		kind = kind || sig.SigType == k
	}
	if !kind {
		return untrusted("signature of the wrong kind (%#02x)", byte(sig.SigType))
	}
	if strongHash(sig.Hash) {
		return nil
	}
	return &UntrustedError{
		Reason: fmt.Sprintf("signature uses the weak hash %s", sig.Hash),
		Advice: "sign again with SHA-512, as with digest-algo SHA512 in gpg.conf",
	}
}

// strongIssuer refuses the signature of a key that is too weak.
func strongIssuer(keys openpgp.EntityList, sig *packet.Signature) error {
	for _, key := range keys.KeysById(*sig.IssuerKeyId) {
		for _, k := range []*packet.PublicKey{key.PublicKey, key.Entity.PrimaryKey} {
			if weak := weakness(k); weak != "" {
				return &UntrustedError{
					Reason: fmt.Sprintf("key %X is weak (%s)", k.Fingerprint, weak),
					Advice: "the signer has to make a new key, as with: gpg --quick-generate-key NAME ed25519 sign 2y",
				}
			}
		}
	}
	return nil
}

// outOfTime tells of a signature whose key has expired.
func outOfTime(keys openpgp.EntityList, id uint64) error {
	for _, key := range keys.KeysById(id) {
		gone := &ExpiredError{termWith(key)}
		return &UntrustedError{
			Reason: gone.Error(),
			Advice: fmt.Sprintf("the owner extends it (gpg --quick-set-expire %s 2y) and the public key in the keyring is replaced, or another key signs", gone.Fingerprint),
		}
	}
	return untrusted("key %016X has expired", id)
}

// checkTime is the time at which the validity of a signature and its key is judged: now, or when it
// was made if that is a little ahead because two hosts' clocks differ.
func checkTime(made time.Time) time.Time {
	now := time.Now()
	if made.After(now) && made.Sub(now) <= clockSkew {
		return made
	}
	return now
}
