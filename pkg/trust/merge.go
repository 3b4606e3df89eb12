package trust

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// ParseKeyring reads public keys, armored (one or several blocks) or binary.
func ParseKeyring(data []byte) (*Keyring, error) {
	r, err := parseKeyring(data)
	if err != nil {
		return nil, fmt.Errorf("read keyring: %w", err)
	}
	return r, nil
}

// Merge returns the keys of all rings in their order. Of a key that several have, the first counts.
func Merge(rings ...*Keyring) *Keyring {
	all := &Keyring{byPrint: map[string]openpgp.EntityList{}}
	for _, r := range rings {
		if r == nil {
			continue
		}
		for _, e := range r.entities {
			if all.byPrint[fingerprint(e)] == nil {
				all.byPrint[fingerprint(e)] = openpgp.EntityList{e}
				all.entities = append(all.entities, e)
			}
		}
	}
	return all
}

// Binary returns all keys one after the other, as gpgv and apt read from a .gpg file. The same keys are
// the same bytes.
func (r *Keyring) Binary() ([]byte, error) {
	var out bytes.Buffer
	for _, e := range r.entities {
		if err := writePublic(&out, e); err != nil {
			return nil, fmt.Errorf("export key %s: %w", fingerprint(e), err)
		}
	}
	return out.Bytes(), nil
}

// Armored returns all keys in one armored block. The same keys are the same bytes.
func (r *Keyring) Armored() ([]byte, error) {
	keys, err := r.Binary()
	if err != nil {
		return nil, err
	}
	return armored(openpgp.PublicKeyType, keys)
}

// writePublic writes the public part of e with the user ids in order; the library's own way has them in
// another order each time.
func writePublic(w io.Writer, e *openpgp.Entity) error {
	packets := []interface{ Serialize(io.Writer) error }{e.PrimaryKey}
	add := func(signatures []*packet.Signature) {
		for _, s := range signatures {
			packets = append(packets, s)
		}
	}
	add(e.Revocations)
	add(e.Signatures)
	for _, name := range slices.Sorted(maps.Keys(e.Identities)) {
		packets = append(packets, e.Identities[name].UserId)
		add(e.Identities[name].Signatures)
	}
	for _, s := range e.Subkeys {
		packets = append(packets, s.PublicKey)
		add(s.Revocations)
		packets = append(packets, s.Sig)
	}
	for _, p := range packets {
		if err := p.Serialize(w); err != nil {
			return err
		}
	}
	return nil
}

// Only returns the keyring with just the key of that fingerprint; it is empty where r does not have it.
func (r *Keyring) Only(print string) *Keyring {
	one := &Keyring{entities: r.byPrint[print], byPrint: map[string]openpgp.EntityList{}}
	if len(one.entities) > 0 {
		one.byPrint[print] = one.entities
	}
	return one
}

// SigningIDs returns the key ids, of 16 digits in upper-case hexadecimal, that signatures of a key bear: its
// own and those of its subkeys, as far as they are meant to sign and have neither expired nor been revoked.
func (r *Keyring) SigningIDs(print string) (ids []string) {
	now := settings().Now()
	for _, e := range r.byPrint[print] {
		self, _ := e.PrimarySelfSignature()
		for _, key := range candidates(e, self) {
			if !e.Revoked(now) && !termWith(key).Expired(now) {
				ids = append(ids, key.PublicKey.KeyIdString())
			}
		}
	}
	return ids
}

// Without returns the keyring without the keys of those fingerprints.
func (r *Keyring) Without(prints ...string) *Keyring {
	rest := Merge()
	for _, print := range r.Fingerprints() {
		if !slices.Contains(prints, print) {
			rest = Merge(rest, r.Only(print))
		}
	}
	return rest
}
