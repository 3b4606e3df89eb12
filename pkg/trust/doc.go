// Package trust holds the OpenPGP keys (RFC 9580) of foundry: it makes and reads them, signs with
// them, and says whether a signature is to be believed.
//
// Three kinds of keys never mix. A message key belongs to one bot, which makes it on first start
// and signs all it says with it; it has no passphrase, its file is readable by its owner alone.
// The package key signs packages, the repository key signs the metadata that apt checks; each is
// a Signer and may also live in gpg's agent or on a smartcard.
//
// A Signer's key is in a file without passphrase, which its owner alone may read, or with gpg: in its agent,
// with a passphrase or without, as a subkey whose primary key is kept elsewhere, or on a smartcard. Several
// sign together during the change from one key to the next. Keys that apt would not believe (RSA of less than
// 2048 bits, DSA, self-signatures with SHA-1) are refused before they sign anything.
//
// Who may speak on a topic is decided by files alone: Topics is a folder in which builds.asc
// holds the public keys of those who may publish builds. No file, no trust.
//
// Keys made here are version 4 with EdDSA over Curve25519 and signatures use SHA-512, which gpgv of
// Debian 12 and sqv of Debian 13 verify, and therefore apt.
package trust
