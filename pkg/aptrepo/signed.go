package aptrepo

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"foundry/pkg/debian"
)

// maxDsc bounds a .dsc.
const maxDsc = 8 << 20

// signedPackage looks at the signature that is embedded in a binary package. No client needs it, since the
// repository's vouches for the package: it tells who has built it.
func (v *verification) signedPackage(l *listed, file io.ReaderAt) error {
	if v.options.PackageKeys == nil {
		return nil
	}
	deb, err := debian.ReadDeb(file, l.Size)
	if err != nil {
		return err
	}
	signature, err := deb.Signature()
	if errors.Is(err, debian.ErrNotSigned) {
		v.report.count(false)
		return nil
	}
	if err == nil {
		_, err = v.options.PackageKeys.VerifyStream(deb.Payload, signature)
	}
	v.judge(l.Path, err)
	return nil
}

// signedSource looks at the signature of a .dsc.
func (v *verification) signedSource(l *listed, file io.ReaderAt) error {
	text, err := io.ReadAll(io.NewSectionReader(file, 0, min(l.Size, maxDsc)))
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(text, []byte("-----BEGIN PGP SIGNED MESSAGE-----")) {
		v.report.count(false)
		return nil
	}
	_, _, err = v.options.PackageKeys.VerifyClearsigned(text)
	v.judge(l.Path, err)
	return nil
}

// judge takes down what a signature is worth.
func (v *verification) judge(name string, err error) {
	if err == nil {
		v.report.count(true)
		return
	}
	v.report.add(Warning, name, fmt.Sprintf("signature of the package itself: %v", err), "it was signed elsewhere, or its key is no longer trusted")
}
