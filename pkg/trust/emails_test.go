package trust_test

import (
	"testing"

	"foundry/pkg/trust/trusttest"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/trust"
)

// TestEmails lists the addresses that gpg says a key has: not one that was revoked, and none that somebody
// else has put into the file.
func TestEmails(t *testing.T) {
	trusttest.GPGHome(t)
	print := gpgKey(t, "Alice <Alice@Example.org>")
	loopback := []string{"--batch", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback"}
	for _, args := range [][]string{
		{"--quick-add-uid", print, "Alice (work) <alice@work.example>"},
		{"--quick-add-uid", print, "Alice <alice@old.example>"},
		{"--quick-revoke-uid", print, "Alice <alice@old.example>"},
		{"--quick-add-uid", print, "Alice without an address"},
	} {
		run(t, nil, "gpg", append(loopback, args...)...)
	}
	exported := run(t, nil, "gpg", "--batch", "--export", print)
	forged := "Mallory <mallory@example.org>"
	exported = append(append(exported, 0xb4, byte(len(forged))), forged...) // a user id packet (RFC 9580, 5.11) that nobody has signed
	ring, err := trust.ReadKeyring(write(t, exported))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"alice@example.org", "alice@work.example"}, ring.Emails(print)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := ring.Emails("0123456789ABCDEF0123456789ABCDEF01234567"); got != nil {
		t.Errorf("a key that is not there: %v", got)
	}
}
