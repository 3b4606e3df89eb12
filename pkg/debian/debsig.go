package debian

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// originSignature is the name of the ar member that holds the signature of whoever built or
// distributes a package (debsigs(1)).
const originSignature = "_gpgorigin"

// maxSignature is the size in bytes of the largest embedded signature that is read or written.
const maxSignature = 64 << 10

// Errors about embedded signatures.
var (
	ErrNotSigned     = errors.New("package has no embedded signature")
	ErrAlreadySigned = errors.New("package has an embedded signature already")
)

// Payload yields what an embedded signature is made over: the contents of debian-binary,
// control.tar.* and data.tar.*, one after the other, without their ar headers (debsig-verify(1)).
func (d *Deb) Payload() io.Reader {
	var parts []io.Reader
	for _, m := range d.Members {
		if !m.isSignature() {
			parts = append(parts, d.Content(m))
		}
	}
	return io.MultiReader(parts...)
}

// Signature returns the embedded origin signature, or ErrNotSigned.
func (d *Deb) Signature() ([]byte, error) {
	for _, m := range d.Members {
		if m.Name != originSignature {
			continue
		}
		if m.Size > maxSignature {
			return nil, fmt.Errorf("read %s: %d bytes, more than %d", m.Name, m.Size, maxSignature)
		}
		signature := make([]byte, m.Size)
		if _, err := d.r.ReadAt(signature, m.Offset); err != nil {
			return nil, fmt.Errorf("read %s: %w", m.Name, err)
		}
		return signature, nil
	}
	return nil, ErrNotSigned
}

// Built yields the package as it was before signatures were embedded, byte for byte.
func (d *Deb) Built() io.Reader { return io.NewSectionReader(d.r, 0, d.BuiltSize()) }

// BuiltSize is the number of bytes that Built yields.
func (d *Deb) BuiltSize() int64 {
	for _, m := range d.Members {
		if m.isSignature() {
			return m.Offset - arHeaderSize
		}
	}
	return d.size
}

// Size is the number of bytes of the file.
func (d *Deb) Size() int64 { return d.size }

// WriteSigned writes the package with signature embedded as its last member. The bytes before it
// are those of the package, and of the member all but the signature is fixed. A package that has
// an origin signature is ErrAlreadySigned.
func (d *Deb) WriteSigned(w io.Writer, signature []byte) error {
	if _, err := d.Signature(); !errors.Is(err, ErrNotSigned) {
		return errors.Join(ErrAlreadySigned, err)
	}
	if len(signature) == 0 || len(signature) > maxSignature {
		return fmt.Errorf("embed signature: %d bytes, must be 1 to %d", len(signature), maxSignature)
	}
	if _, err := io.Copy(w, io.NewSectionReader(d.r, 0, d.size)); err != nil {
		return fmt.Errorf("copy package: %w", err)
	}
	var member bytes.Buffer
	fmt.Fprintf(&member, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", originSignature, 0, 0, 0, "100644", len(signature))
	member.Write(signature)
	if len(signature)%2 == 1 {
		member.WriteByte('\n')
	}
	if _, err := w.Write(member.Bytes()); err != nil {
		return fmt.Errorf("embed signature: %w", err)
	}
	return nil
}
