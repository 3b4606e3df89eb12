package trust

import (
	"slices"
	"strings"
)

// troubles are what gpg says, in its words of the C locale, when a key cannot be used now, and what to do.
var troubles = []struct {
	said   []string
	advice string
}{
	{
		[]string{"ioctl for device", "pinentry", "passphrase", "Bad PIN", "Operation cancelled", "Timeout"},
		"nobody can be asked for the passphrase or PIN: tell it to gpg-agent beforehand, as with gpg-preset-passphrase(1), which keeps it for max-cache-ttl of gpg-agent.conf",
	},
	{
		[]string{"No secret key", "card", "No such device"},
		`the private key is not there: insert the smartcard, and see that "gpg --card-status" or "gpg --list-secret-keys" shows it to this user`,
	},
}

// advised adds what to do about what gpg has said.
func advised(err error) error {
	for _, t := range troubles {
		if slices.ContainsFunc(t.said, func(words string) bool { return strings.Contains(err.Error(), words) }) {
			return &adviceError{err, t.advice}
		}
	}
	return err
}
