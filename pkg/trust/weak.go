package trust

import (
	"crypto"
	"fmt"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// minRSA is the least number of bits of an RSA key that apt believes.
const minRSA = 2048

// weakness says what a key is when nobody should believe its signatures, and "" of any other.
func weakness(key *packet.PublicKey) string {
	switch key.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly, packet.PubKeyAlgoRSAEncryptOnly:
		if bits, err := key.BitLength(); err != nil || bits < minRSA {
			return fmt.Sprintf("RSA of %d bits", bits)
		}
	case packet.PubKeyAlgoDSA, packet.PubKeyAlgoElGamal:
		return "DSA"
	}
	return ""
}

// usable returns an error when e has expired, or when clients would not believe what it signs.
func usable(e *openpgp.Entity) error {
	if err := expired(e); err != nil {
		return err
	}
	return strong(e)
}

// strong returns an error when clients would not believe what e signs: its key is weak, or its user id or
// signing subkey are bound to it by a weak hash, which sqv of Debian 13 refuses.
func strong(e *openpgp.Entity) error {
	key, ok := e.SigningKey(settings().Now())
	if !ok {
		return nil // says whoever signs
	}
	for _, k := range []*packet.PublicKey{e.PrimaryKey, key.PublicKey} {
		if weak := weakness(k); weak != "" {
			return &adviceError{
				fmt.Errorf("key %s is weak (%s): apt does not believe it", fingerprint(e), weak),
				"make a new key, as with: gpg --quick-generate-key NAME ed25519 sign 2y",
			}
		}
	}
	self, _ := e.PrimarySelfSignature()
	for _, binding := range []*packet.Signature{self, key.SelfSignature} {
		if binding != nil && !strongHash(binding.Hash) {
			return &adviceError{
				fmt.Errorf("key %s is bound to its user id or subkey by the weak hash %s: apt does not believe it", fingerprint(e), binding.Hash),
				fmt.Sprintf("sign it anew: gpg --cert-digest-algo SHA512 --quick-set-expire %[1]s 2y && gpg --cert-digest-algo SHA512 --quick-set-expire %[1]s 2y '*'", fingerprint(e)),
			}
		}
	}
	return nil
}

// strongHash tells whether signatures over the hash are believed.
func strongHash(h crypto.Hash) bool {
	switch h {
	case crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA3_256, crypto.SHA3_512:
		return true
	}
	return false
}
