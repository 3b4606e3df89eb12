// Package contents reads what binary and source packages say of themselves, as uploads bring them:
// with limits far above what any honest one needs, and without believing a word.
package contents

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"strings"
	"time"

	"github.com/aptly-dev/aptly/deb"
	"github.com/klauspost/compress/zstd"

	"foundry/pkg/debian"
)

// Limits of what is read from packages: far above what any in Debian needs.
const (
	maxControlMember = 64 << 20 // compressed
	maxControlTar    = 256 << 20
	maxControl       = 1 << 20 // the control file or a .dsc
	xzTimeout        = time.Minute
)

// readControl returns the control file of the binary package at path (deb(5)).
func readControl(ctx context.Context, path string) (deb.Stanza, error) {
	d, err := debian.OpenDeb(path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	control := d.Members[1]
	if control.Size > maxControlMember {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", control.Name, control.Size, maxControlMember)
	}
	ctx, cancel := context.WithTimeout(ctx, xzTimeout)
	defer cancel()
	content, closeContent, err := decompress(ctx, control.Name, d.Content(control))
	if err != nil {
		return nil, err
	}
	text, err := findControl(io.LimitReader(content, maxControlTar))
	closeContent()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", control.Name, err)
	}
	return parseStanza(text)
}

func findControl(r io.Reader) ([]byte, error) {
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("no control file")
		}
		if err != nil {
			return nil, err
		}
		if path.Clean(header.Name) != "control" || header.Typeflag != tar.TypeReg {
			continue
		}
		if header.Size > maxControl {
			return nil, fmt.Errorf("control file of %d bytes, more than %d", header.Size, maxControl)
		}
		return io.ReadAll(archive)
	}
}

// decompress reads r as the extension of name says. xz is left to the program of that name: dpkg
// needs its library anyway, and there is no complete implementation in Go.
func decompress(ctx context.Context, name string, r io.Reader) (content io.Reader, done func(), err error) {
	switch strings.TrimPrefix(name, "control.tar") {
	case "":
		return r, func() {}, nil
	case ".gz":
		content, err = gzip.NewReader(r)
		return content, func() {}, err
	case ".zst":
		decoder, err := zstd.NewReader(r, zstd.WithDecoderMaxMemory(maxControlTar), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, nil, err
		}
		return decoder, decoder.Close, nil
	case ".xz":
		ctx, cancel := context.WithCancel(ctx)
		xz := exec.CommandContext(ctx, "xz", "--decompress", "--stdout", "--memlimit=256MiB", "--threads=1")
		xz.Stdin = r
		content, err := xz.StdoutPipe()
		if err == nil {
			err = xz.Start()
		}
		if err != nil {
			cancel()
			return nil, nil, fmt.Errorf("run xz: %w", err)
		}
		return content, func() { cancel(); _ = xz.Wait() }, nil
	}
	return nil, nil, fmt.Errorf("unknown compression of %s", name)
}

// readDsc returns the fields of the source control file at path and, for comparison, what stands
// below its signature. Whether the signature is good is for the caller of Include to know.
func readDsc(path string) (stanza deb.Stanza, plain []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxControl+1))
	if err != nil {
		return nil, nil, err
	}
	if len(text) > maxControl {
		return nil, nil, fmt.Errorf("more than %d bytes", maxControl)
	}
	if plain, err = debian.Unsign(text); err != nil {
		return nil, nil, err
	}
	stanza, err = parseStanza(plain)
	return stanza, plain, err
}

// parseStanza reads the one paragraph that a control file has.
func parseStanza(text []byte) (deb.Stanza, error) {
	reader := deb.NewControlFileReader(bufio.NewReader(bytes.NewReader(text)), false, false)
	stanza, err := reader.ReadStanza()
	if err != nil {
		return nil, err
	}
	if len(stanza) == 0 {
		return nil, errors.New("control file is empty")
	}
	if more, err := reader.ReadStanza(); err != nil || len(more) > 0 {
		return nil, errors.New("more than one paragraph")
	}
	return stanza, nil
}

// SameBelowSignature tells whether two .dsc files or two binary packages differ in nothing but
// their signatures.
func SameBelowSignature(a, b string) bool {
	if strings.HasSuffix(a, ".dsc") {
		_, plainA, errA := readDsc(a)
		_, plainB, errB := readDsc(b)
		return errA == nil && errB == nil && bytes.Equal(bytes.TrimSpace(plainA), bytes.TrimSpace(plainB))
	}
	sumA, errA := builtSum(a)
	sumB, errB := builtSum(b)
	return errA == nil && errB == nil && sumA == sumB
}

// builtSum is the SHA-256 of a binary package without signatures.
func builtSum(path string) (string, error) {
	d, err := debian.OpenDeb(path)
	if err != nil {
		return "", err
	}
	defer d.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, d.Built()); err != nil {
		return "", err
	}
	return string(sum.Sum(nil)), nil
}
