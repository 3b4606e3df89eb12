package upload

import "io"

// Changelog is what is done with a tarball or diff after it is decompressed.
func Changelog(r io.Reader, diff bool) ([]byte, error) {
	if diff {
		return changelogOfDiff(r)
	}
	return changelogOfTar(r)
}
