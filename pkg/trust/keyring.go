package trust

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
)

// A Keyring is a set of public keys. It may be used concurrently.
type Keyring struct {
	entities openpgp.EntityList
	byPrint  map[string]openpgp.EntityList // each list holds one key
}

// ReadKeyring reads the public keys in a file, armored (one or several blocks) or binary.
func ReadKeyring(path string) (*Keyring, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read keyring: %w", err)
	}
	defer file.Close()
	data, err := readAtMost(file, path)
	if err != nil {
		return nil, fmt.Errorf("read keyring: %w", err)
	}
	r, err := parseKeyring(data)
	if err != nil {
		return nil, fmt.Errorf("read keyring %s: %w", path, err)
	}
	return r, nil
}

func parseKeyring(data []byte) (*Keyring, error) {
	entities, err := parseKeys(data)
	if err != nil {
		return nil, err
	}
	r := &Keyring{byPrint: make(map[string]openpgp.EntityList, len(entities))}
	for _, e := range entities {
		if e.PrivateKey != nil {
			return nil, fmt.Errorf("key %s is a private key; a keyring holds public keys only", fingerprint(e))
		}
		if _, twice := r.byPrint[fingerprint(e)]; twice {
			continue
		}
		r.byPrint[fingerprint(e)] = openpgp.EntityList{e}
		r.entities = append(r.entities, e)
	}
	return r, nil
}

// Fingerprints returns the fingerprints of the primary keys in the order of the file, in
// upper-case hexadecimal.
func (r *Keyring) Fingerprints() []string {
	prints := make([]string, 0, len(r.entities))
	for _, e := range r.entities {
		prints = append(prints, fingerprint(e))
	}
	return prints
}

// Verify checks a detached signature, binary or armored, of exactly the bytes of payload, and returns
// the fingerprint of the primary key that made it. Of several signatures one that is good is
// enough. Expired and revoked keys and weak hashes are refused.
func (r *Keyring) Verify(payload, signature []byte) (string, error) {
	signatures, err := parseSignatures(signature)
	if err != nil {
		return "", untrusted("%v", err)
	}
	return verifyAny(r.entities, payload, signatures, binaryOnly)
}

// VerifyStream is Verify of what open yields, from its beginning each time it is called. It is not held in
// memory. That it could not be read is no *UntrustedError.
func (r *Keyring) VerifyStream(open func() io.Reader, signature []byte) (string, error) {
	signatures, err := parseSignatures(signature)
	if err != nil {
		return "", untrusted("%v", err)
	}
	return verifyAnyOf(r.entities, open, signatures, binaryOnly)
}

// VerifyClearsigned checks a clearsigned text (RFC 9580, 7) and returns what was signed, without
// dash escapes, trailing white space of lines, which no signature covers, and with a newline at
// the end of each line. Text before or after the signed block is refused.
func (r *Keyring) VerifyClearsigned(data []byte) (plain []byte, print string, err error) {
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	if !bytes.HasPrefix(trimmed, []byte("-----BEGIN PGP SIGNED MESSAGE-----")) {
		return nil, "", untrusted("not a clearsigned text")
	}
	block, rest := clearsign.Decode(trimmed)
	if block == nil {
		return nil, "", untrusted("not a clearsigned text")
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, "", untrusted("text after the signed block")
	}
	body, err := io.ReadAll(io.LimitReader(block.ArmoredSignature.Body, maxKeyFile))
	if err != nil {
		return nil, "", untrusted("read signature: %v", err)
	}
	signatures, err := parseSignatures(body)
	if err != nil {
		return nil, "", untrusted("%v", err)
	}
	print, err = verifyAny(r.entities, block.Bytes, signatures, textOrBinary)
	if err != nil {
		return nil, "", err
	}
	plain = bytes.ReplaceAll(block.Bytes, []byte("\r\n"), []byte("\n"))
	return append(plain, '\n'), print, nil
}

// parseKeys reads keys, armored or binary, and checks that each has a valid self-signature.
func parseKeys(data []byte) (openpgp.EntityList, error) {
	blocks := [][]byte{data}
	if isArmored(data) {
		var err error
		if blocks, err = dearmorKeys(data); err != nil {
			return nil, err
		}
	}
	var entities openpgp.EntityList
	for _, block := range blocks {
		some, err := openpgp.ReadKeyRing(bytes.NewReader(block))
		if err != nil {
			return nil, err
		}
		entities = append(entities, some...)
	}
	entities = slices.DeleteFunc(entities, func(e *openpgp.Entity) bool {
		self, _ := e.PrimarySelfSignature()
		return self == nil
	})
	if len(entities) == 0 {
		return nil, errors.New("no usable key")
	}
	return entities, nil
}

const (
	armorBegin = "-----BEGIN PGP "
	armorEnd   = "-----END PGP "
)

// isArmored tells armor from binary data, whose first byte has its high bit set.
func isArmored(data []byte) bool {
	return len(data) == 0 || data[0]&0x80 == 0
}

// dearmorKeys returns the content of each armored block. The library reads the first one only, and
// files that were made with cat have several.
func dearmorKeys(data []byte) ([][]byte, error) {
	var blocks [][]byte
	rest := string(data)
	for {
		_, from, ok := strings.Cut(rest, armorBegin)
		if !ok {
			break
		}
		text, after, ok := strings.Cut(from, armorEnd)
		if !ok {
			return nil, errors.New("armored block without end")
		}
		last, after, _ := strings.Cut(after, "\n")
		block, err := armor.Decode(strings.NewReader(armorBegin + text + armorEnd + last + "\n"))
		if err != nil {
			return nil, fmt.Errorf("read armor: %w", err)
		}
		if block.Type != openpgp.PublicKeyType && block.Type != openpgp.PrivateKeyType {
			return nil, fmt.Errorf("expected a key, found a %s", strings.ToLower(block.Type))
		}
		content, err := io.ReadAll(block.Body)
		if err != nil {
			return nil, fmt.Errorf("read armor: %w", err)
		}
		blocks = append(blocks, content)
		rest = after
	}
	if len(blocks) == 0 {
		return nil, errors.New("no key in the file")
	}
	return blocks, nil
}
