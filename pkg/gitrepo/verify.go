package gitrepo

import (
	"fmt"
	"strings"

	"foundry/pkg/gitrepo/git"
	"foundry/pkg/trust"
)

// What can be wrong with the signature of a commit.
var (
	// ErrUnsigned says that a commit has no signature.
	ErrUnsigned = git.NewProblem("commit is not signed", "sign commits with OpenPGP: git config commit.gpgSign true")
	// ErrSignature says that the kind of signature of a commit cannot be verified.
	ErrSignature = git.NewProblem("signature is not supported", "sign commits with OpenPGP: git config gpg.format openpgp")
)

// VerifyCommit checks the OpenPGP signature of c against keyring and returns the fingerprint of the
// key that made it. No signature is ErrUnsigned, one of ssh or X.509 ErrSignature; what is wrong
// with an OpenPGP signature is said by the keyring.
func VerifyCommit(keyring *trust.Keyring, c Commit) (fingerprint string, err error) {
	fail := func(err error) (string, error) {
		return "", fmt.Errorf("verify commit %s: %w", c.Hash, err)
	}
	switch {
	case c.Signature == "":
		return fail(ErrUnsigned)
	case strings.HasPrefix(c.Signature, "-----BEGIN SSH SIGNATURE-----"):
		return fail(fmt.Errorf("%w: signed with ssh, not OpenPGP", ErrSignature))
	case strings.HasPrefix(c.Signature, "-----BEGIN SIGNED MESSAGE-----"):
		return fail(fmt.Errorf("%w: signed with X.509, not OpenPGP", ErrSignature))
	case !strings.HasPrefix(c.Signature, "-----BEGIN PGP "):
		return fail(fmt.Errorf("%w: unknown format", ErrSignature))
	}
	fingerprint, err = keyring.Verify(c.Payload, []byte(c.Signature))
	if err != nil {
		return fail(err)
	}
	return fingerprint, nil
}
