package trust

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// A Term says how long a key can sign.
type Term struct {
	Fingerprint string    // of the primary key
	Subkey      string    // fingerprint of the subkey that signs; empty where the primary key does
	Name        string    // user id
	Expires     time.Time // when what signs expires; zero for never
}

// Expired tells whether the key can no longer sign at the given time.
func (t Term) Expired(now time.Time) bool { return !t.Expires.IsZero() && now.After(t.Expires) }

// Hint says how to move the day, for those whose key gpg has.
func (t Term) Hint() string { return extend(t.Fingerprint, t.Subkey) }

// extend says how a key gets more time.
func extend(print, subkey string) string {
	if subkey != "" {
		subkey = " " + subkey
	}
	return fmt.Sprintf("gpg --quick-set-expire %s 2y%s, or change to another key", print, subkey)
}

// An ExpiredError says that a key can no longer sign.
type ExpiredError struct{ Term }

func (e *ExpiredError) Error() string {
	what := "key " + e.Fingerprint
	if e.Subkey != "" {
		what = "subkey " + e.Subkey + " of " + what
	}
	return fmt.Sprintf("%s has expired on %s", what, e.Expires.UTC().Format(time.DateOnly))
}

// Terms tells of each key of a signer how long it can sign. It makes a signature with each, to see which
// subkey it is that signs.
func Terms(ctx context.Context, s Signer) (terms []Term, err error) {
	for _, m := range members(s) {
		t, err := termOf(ctx, m)
		if err != nil {
			return nil, err
		}
		terms = append(terms, t)
	}
	return terms, nil
}

func termOf(ctx context.Context, s Signer) (Term, error) {
	ring, err := publicRing(s)
	if err != nil {
		return Term{}, err
	}
	e := ring.byPrint[s.Fingerprint()]
	if len(e) == 0 {
		return Term{}, fmt.Errorf("read key %s: it is not among its public keys", s.Fingerprint())
	}
	data, err := s.DetachBinary(ctx, []byte("which key signs\n"))
	if expired := new(ExpiredError); errors.As(err, &expired) {
		return expired.Term, nil
	}
	if err != nil {
		return Term{}, err
	}
	signatures, err := parseSignatures(data)
	if err != nil {
		return Term{}, fmt.Errorf("read trial signature of key %s: %w", s.Fingerprint(), err)
	}
	for _, key := range e.KeysById(*signatures[0].packet.IssuerKeyId) {
		return termWith(key), nil
	}
	return Term{}, fmt.Errorf("read trial signature of key %s: made by key %016X", s.Fingerprint(), *signatures[0].packet.IssuerKeyId)
}

// termWith is the term of signatures by key, which is a primary key or a subkey.
func termWith(key openpgp.Key) Term {
	info := describe(key.Entity)
	t := Term{Fingerprint: info.Fingerprint, Name: info.Name, Expires: info.Expires}
	if key.PublicKey == key.Entity.PrimaryKey {
		return t
	}
	t.Subkey = fmt.Sprintf("%X", key.PublicKey.Fingerprint)
	if end := lifetime(key.PublicKey, key.SelfSignature); !end.IsZero() && (t.Expires.IsZero() || end.Before(t.Expires)) {
		t.Expires = end
	}
	return t
}

// lifetime returns when the key expires by the signature that binds it; zero for never.
func lifetime(key *packet.PublicKey, binding *packet.Signature) time.Time {
	if binding == nil || binding.KeyLifetimeSecs == nil || *binding.KeyLifetimeSecs == 0 {
		return time.Time{}
	}
	return key.CreationTime.UTC().Add(time.Duration(*binding.KeyLifetimeSecs) * time.Second)
}

// expired returns the error of a key that could sign, had it not expired, and nil of any other.
func expired(e *openpgp.Entity) error {
	now := settings().Now()
	if _, ok := e.SigningKey(now); ok || e.Revoked(now) {
		return nil
	}
	self, _ := e.PrimarySelfSignature()
	last := Term{}
	for _, key := range candidates(e, self) {
		if t := termWith(key); t.Expired(now) && t.Expires.After(last.Expires) {
			last = t
		}
	}
	if last.Fingerprint == "" {
		return nil
	}
	return &ExpiredError{last}
}

// candidates are the primary key and the subkeys of e that are meant to sign.
func candidates(e *openpgp.Entity, self *packet.Signature) (keys []openpgp.Key) {
	if self != nil && self.FlagsValid && self.FlagSign {
		keys = append(keys, openpgp.Key{Entity: e, PublicKey: e.PrimaryKey, SelfSignature: self})
	}
	for _, s := range e.Subkeys {
		if s.Sig != nil && s.Sig.FlagsValid && s.Sig.FlagSign && !s.Revoked(settings().Now()) {
			keys = append(keys, openpgp.Key{Entity: e, PublicKey: s.PublicKey, SelfSignature: s.Sig})
		}
	}
	return keys
}
