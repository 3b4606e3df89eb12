package trust

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// maxKeyFile is the size in bytes of the largest key or keyring file that is read: several
// hundred keys with their signatures.
const maxKeyFile = 16 << 20

// A Key is an OpenPGP private key, held in memory. It may be used concurrently.
type Key struct{ entity *openpgp.Entity }

// Generate makes a new key that does not expire and can only sign. Its user id is
// "name <name@host>", name being that of a bot or of a repository.
func Generate(name string) (*Key, error) {
	if strings.TrimSpace(name) == "" {
		return nil, errors.New("generate key: empty name")
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "localhost"
	}
	local := strings.Join(strings.Fields(name), "-")
	entity, err := openpgp.NewEntity(name, "", local+"@"+host, settings())
	if err != nil {
		return nil, fmt.Errorf("generate key %q: %w", name, err)
	}
	entity.Subkeys = nil // the library always adds one for encryption
	return &Key{entity}, nil
}

// settings are those of the keys and signatures that are made here.
func settings() *packet.Config {
	return &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519, DefaultHash: crypto.SHA512}
}

// Load reads an armored private key without passphrase. A file that others than its owner may read
// or write is refused. The error is fs.ErrNotExist when there is no such file.
func Load(path string) (*Key, error) {
	data, err := readPrivate(path)
	if err != nil {
		return nil, fmt.Errorf("load key: %w", err)
	}
	entities, err := parseKeys(data)
	if err != nil {
		return nil, fmt.Errorf("load key %s: %w", path, err)
	}
	if len(entities) != 1 {
		return nil, fmt.Errorf("load key %s: %d keys in the file, expected one", path, len(entities))
	}
	if err := usable(entities[0]); err != nil {
		return nil, fmt.Errorf("load key %s: %w", path, err)
	}
	signing, ok := entities[0].SigningKey(settings().Now())
	switch {
	case !ok:
		return nil, fmt.Errorf("load key %s: the key cannot sign or has been revoked", path)
	case signing.PrivateKey == nil || signing.PrivateKey.Dummy():
		return nil, fmt.Errorf("load key %s: holds a public key only", path)
	case signing.PrivateKey.Encrypted:
		return nil, &adviceError{
			fmt.Errorf("load key %s: the key has a passphrase", path),
			"let gpg-agent keep it, and give the key's fingerprint instead of a file",
		}
	}
	return &Key{entities[0]}, nil
}

// readPrivate returns the content of a file that only its owner may read and write.
func readPrivate(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, &LooseError{Path: path, Mode: mode}
	}
	return readAtMost(file, path)
}

// readAtMost reads all of r, or refuses it when it is larger than a key file can be.
func readAtMost(r io.Reader, path string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxKeyFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxKeyFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxKeyFile)
	}
	return data, nil
}

// LoadOrCreate loads the key at path, and where there is none makes one and saves it. Of several
// processes that do so at once, one creates the key and all return it.
func LoadOrCreate(path, name string) (k *Key, created bool, err error) {
	if k, err = Load(path); !errors.Is(err, fs.ErrNotExist) {
		return k, false, err
	}
	if k, err = Generate(name); err != nil {
		return nil, false, err
	}
	// A link, unlike a rename, does not replace what another process has put there meanwhile.
	switch err = k.save(path, os.Link); {
	case errors.Is(err, fs.ErrExist):
		k, err = Load(path)
		return k, false, err
	case err != nil:
		return nil, false, err
	}
	return k, true, nil
}

// Save writes the key to path, armored, with mode 0600, and in place of what is there. Folders are
// made with mode 0700. A crash leaves the old file or the new one.
func (k *Key) Save(path string) error {
	return k.save(path, os.Rename)
}

func (k *Key) save(path string, place func(from, to string) error) error {
	var private bytes.Buffer
	if err := k.entity.SerializePrivateWithoutSigning(&private, nil); err != nil {
		return fmt.Errorf("save key %s: %w", path, err)
	}
	data, err := armored(openpgp.PrivateKeyType, private.Bytes())
	if err != nil {
		return fmt.Errorf("save key %s: %w", path, err)
	}
	if err := writeFile(path, data, 0o600, place); err != nil {
		return fmt.Errorf("save key: %w", err)
	}
	return nil
}

// Sign returns a detached binary signature of payload.
func (k *Key) Sign(payload []byte) ([]byte, error) { return k.signStream(bytes.NewReader(payload)) }

func (k *Key) signStream(payload io.Reader) ([]byte, error) {
	if err := expired(k.entity); err != nil {
		return nil, err
	}
	var signature bytes.Buffer
	if err := openpgp.DetachSign(&signature, k.entity, payload, settings()); err != nil {
		return nil, fmt.Errorf("sign with key %s: %w", k.Fingerprint(), err)
	}
	return signature.Bytes(), nil
}

// Fingerprint returns the fingerprint of the primary key in upper-case hexadecimal.
func (k *Key) Fingerprint() string { return fingerprint(k.entity) }

// Public returns the armored public key.
func (k *Key) Public() ([]byte, error) {
	var public bytes.Buffer
	if err := writePublic(&public, k.entity); err != nil {
		return nil, fmt.Errorf("export key %s: %w", k.Fingerprint(), err)
	}
	return armored(openpgp.PublicKeyType, public.Bytes())
}

func fingerprint(e *openpgp.Entity) string {
	return strings.ToUpper(hex.EncodeToString(e.PrimaryKey.Fingerprint))
}

// armored wraps data in an armor of the given type, with a final newline.
func armored(kind string, data []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := armor.Encode(&out, kind, nil)
	if err != nil {
		return nil, fmt.Errorf("armor: %w", err)
	}
	if _, err := w.Write(data); err != nil {
		return nil, fmt.Errorf("armor: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("armor: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// LooseError says that others than its owner may use a private key file.
type LooseError struct {
	Path string
	Mode fs.FileMode
}

func (e *LooseError) Error() string {
	return fmt.Sprintf("others may use the private key in %s (mode %04o)", e.Path, e.Mode)
}

// Hint says what to do about it.
func (e *LooseError) Hint() string { return "chmod 600 " + e.Path }

// adviceError is an error that a person can do something about.
type adviceError struct {
	error
	advice string
}

func (e *adviceError) Unwrap() error { return e.error }

// Hint says what to do about it.
func (e *adviceError) Hint() string { return e.advice }
