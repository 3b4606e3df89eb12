package trust

import (
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Emails returns the e-mail addresses, in lower case and sorted, of the user ids of a key that are neither
// revoked nor without the key's own signature. They are what the key's owner says.
func (r *Keyring) Emails(fingerprint string) (emails []string) {
	for _, e := range r.byPrint[fingerprint] {
		for _, id := range e.Identities {
			if id.UserId == nil || id.UserId.Email == "" || id.SelfSignature == nil || revoked(id) {
				continue
			}
			emails = append(emails, strings.ToLower(id.UserId.Email))
		}
	}
	slices.Sort(emails)
	return slices.Compact(emails)
}

// revoked tells whether a user id was revoked after its owner has last signed it. The clock does not matter:
// gpg dates a revocation a second after the signature, which may be ahead of now.
func revoked(id *openpgp.Identity) bool {
	return slices.ContainsFunc(id.Revocations, func(r *packet.Signature) bool {
		return !r.CreationTime.Before(id.SelfSignature.CreationTime)
	})
}
