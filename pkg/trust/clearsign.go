package trust

import (
	"bytes"
	"fmt"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// clearsigned returns text with a signature around it (RFC 9580, 7). The library's own encoder
// is not used: it adds an empty line to text that ends with a newline, so that what InRelease
// holds is not what Release.gpg signs, and it leaves out the checksum without which GnuPG 2.2
// misreads the armor.
func clearsigned(signer *openpgp.Entity, text []byte) ([]byte, error) {
	var out, canonical bytes.Buffer
	out.WriteString("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n")
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	for i, line := range lines {
		if bytes.HasPrefix(line, []byte("-")) {
			out.WriteString("- ")
		}
		out.Write(line)
		out.WriteByte('\n')
		// Neither white space at the end of a line nor the last line end is signed.
		if i > 0 {
			canonical.WriteString("\r\n")
		}
		canonical.Write(bytes.TrimRight(line, " \t\r"))
	}
	var signature bytes.Buffer
	if err := openpgp.DetachSignText(&signature, signer, &canonical, settings()); err != nil {
		return nil, err
	}
	block, err := armored(openpgp.SignatureType, signature.Bytes())
	if err != nil {
		return nil, fmt.Errorf("write signature: %w", err)
	}
	return append(out.Bytes(), block...), nil
}
