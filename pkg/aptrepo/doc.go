// Package aptrepo reads apt repositories, whoever made them: from a folder or a URL, and believing nothing
// that apt would not believe.
//
// What is believed hangs on a chain: a key of the keyring signs InRelease (or Release, by Release.gpg), that
// lists size and SHA-256 of each index, and the indexes list those of each file. Nothing is taken from a file
// before all of it has been checked against what lists it: indexes are copied to a temporary file first.
//
// Open finds the suites of a repository; Suite.Stanzas reads indexes stanza by stanza; Repository.Fetch copies
// a file and checks it. Verify looks at everything and tells all that is wrong.
//
// Names in indexes are those of others: a path that leads out of the repository is refused, and so is what
// becomes too large when decompressed.
//
// The format is that of https://wiki.debian.org/DebianRepository/Format, and of apt-ftparchive(1).
package aptrepo
