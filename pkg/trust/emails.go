package trust

import (
	"slices"
	"strings"
	"time"
)

// Emails returns the e-mail addresses, in lower case and sorted, of the user ids of a key that are neither
// revoked nor without the key's own signature. They are what the key's owner says.
func (r *Keyring) Emails(fingerprint string) (emails []string) {
	for _, e := range r.byPrint[fingerprint] {
		for _, id := range e.Identities {
			if id.UserId == nil || id.UserId.Email == "" || id.SelfSignature == nil || id.Revoked(time.Now()) {
				continue
			}
			emails = append(emails, strings.ToLower(id.UserId.Email))
		}
	}
	slices.Sort(emails)
	return slices.Compact(emails)
}
