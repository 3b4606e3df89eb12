package contents

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/aptly-dev/aptly/deb"
	"github.com/aptly-dev/aptly/utils"
	"golang.org/x/sync/errgroup"

	"foundry/pkg/debian"
	"foundry/pkg/message"
)

// Limits of what is read from packages: far above what any in Debian has.
const (
	maxControlMember = 64 << 20 // compressed
	maxControlTar    = 64 << 20
	maxControl       = 1 << 20  // the control file or a .dsc
	maxDataTar       = 32 << 30 // unpacked
	maxPaths         = 2 << 20
	maxPath          = 4095      // bytes, as Linux allows (path_resolution(7))
	maxAllPaths      = 256 << 20 // bytes
)

// smallFile is how large a package may be that is held in memory while it is read.
const smallFile = 1 << 20

// turns bounds how many packages are read at a time, and with it what decoders take of memory.
var turns = make(chan struct{}, 2*readers)

// binary is what a binary package says.
type binary struct {
	stanza deb.Stanza
	paths  []string
	sums   utils.ChecksumInfo
	built  message.Digest
}

// readDeb reads the binary package at file. The bytes of a large one are read twice, side by side: they
// come from the page cache, and hashing and unpacking take as long as each other.
func readDeb(ctx context.Context, file string) (*binary, error) {
	select {
	case turns <- struct{}{}:
		defer func() { <-turns }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	d, data, err := openDeb(file)
	if err != nil {
		return nil, err
	}
	defer data.Close()
	b := new(binary)
	if d.Size() <= smallFile {
		if err := b.hash(ctx, d, data); err != nil {
			return nil, err
		}
		return b, b.unpack(ctx, d)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return b.hash(ctx, d, data) })
	group.Go(func() error { return b.unpack(ctx, d) })
	return b, group.Wait()
}

// source is an open file or one in memory.
type source interface {
	io.ReaderAt
	io.Closer
}

type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// openDeb opens the binary package at file.
func openDeb(file string) (*debian.Deb, source, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, err
	}
	var from source = f
	info, err := f.Stat()
	size := int64(0)
	if err == nil {
		size = info.Size()
	}
	if err == nil && size <= smallFile {
		data := make([]byte, size)
		_, err = io.ReadFull(f, data)
		from = inMemory{bytes.NewReader(data)}
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return nil, nil, errors.Join(&os.PathError{Op: "read", Path: file, Err: err}, from.Close())
	}
	d, err := debian.ReadDeb(from, size)
	if err != nil {
		return nil, nil, errors.Join(err, from.Close())
	}
	return d, from, nil
}

// hash takes the checksums of the file, and that of the package without signatures, which is how the
// file begins.
func (b *binary) hash(ctx context.Context, d *debian.Deb, data io.ReaderAt) error {
	hashMD5, hashSHA256 := md5.New(), sha256.New()
	both := io.MultiWriter(hashMD5, hashSHA256)
	take := func(from, to int64) error {
		_, err := io.Copy(both, &limited{ctx: ctx, r: io.NewSectionReader(data, from, to-from), left: d.Size()})
		return err
	}
	if err := take(0, d.BuiltSize()); err != nil {
		return err
	}
	b.built = message.Digest(hex.EncodeToString(hashSHA256.Sum(nil)))
	if err := take(d.BuiltSize(), d.Size()); err != nil {
		return err
	}
	b.sums = utils.ChecksumInfo{
		Size: d.Size(), MD5: hex.EncodeToString(hashMD5.Sum(nil)), SHA256: hex.EncodeToString(hashSHA256.Sum(nil)),
	}
	return nil
}

// unpack reads the control file and the paths of a package.
func (b *binary) unpack(ctx context.Context, d *debian.Deb) (err error) {
	control, data := d.Members[1], d.Members[2]
	if control.Size > maxControlMember {
		return fmt.Errorf("%s has %d bytes, more than %d", control.Name, control.Size, maxControlMember)
	}
	var text []byte
	err = decompress(ctx, control.Name, control.Size, func() io.Reader { return d.Content(control) }, maxControlTar, func(r io.Reader) error {
		text, err = findControl(r)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", control.Name, err)
	}
	if b.stanza, err = parseStanza(text); err != nil {
		return err
	}
	err = decompress(ctx, data.Name, data.Size, func() io.Reader { return d.Content(data) }, maxDataTar, func(r io.Reader) error {
		b.paths, err = readPaths(r)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", data.Name, err)
	}
	return nil
}

// findControl returns the control file of a control.tar. A second one is an error: what is shown of the
// package would not be what dpkg installs.
func findControl(r io.Reader) (text []byte, err error) {
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) && text == nil {
			return nil, errors.New("no control file")
		}
		if errors.Is(err, io.EOF) {
			return text, nil
		}
		if err != nil {
			return nil, err
		}
		if path.Clean(header.Name) != "control" {
			continue
		}
		switch {
		case header.Typeflag != tar.TypeReg:
			return nil, errors.New("control is not a plain file")
		case text != nil:
			return nil, errors.New("two control files")
		case header.Size > maxControl:
			return nil, fmt.Errorf("control file of %d bytes, more than %d", header.Size, maxControl)
		}
		if text, err = io.ReadAll(archive); err != nil {
			return nil, err
		}
	}
}

// readPaths returns the paths of a data.tar as Contents lists them: sorted, each once, without folders and
// without "./" or "/" before them. A path with a line break, which no Contents can hold, is left out.
func readPaths(r io.Reader) (paths []string, err error) {
	total := 0
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			slices.Sort(paths)
			return slices.Compact(paths), nil
		}
		if err != nil {
			return nil, err
		}
		if len(header.Name) > maxPath {
			return nil, fmt.Errorf("path of %d bytes, more than %d", len(header.Name), maxPath)
		}
		name := strings.TrimLeft(strings.TrimPrefix(header.Name, "./"), "/")
		if header.Typeflag == tar.TypeDir || name == "" || strings.HasSuffix(name, "/") || strings.ContainsAny(name, "\n\x00") {
			continue
		}
		if total += len(name); total > maxAllPaths || len(paths) == maxPaths {
			return nil, fmt.Errorf("more than %d paths, or than %d bytes of them", maxPaths, maxAllPaths)
		}
		paths = append(paths, name)
	}
}

// Paths returns the paths in the binary package at file, as those of Package.
func Paths(ctx context.Context, file string) (paths []string, err error) {
	d, err := debian.OpenDeb(file)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	data := d.Members[2]
	err = decompress(ctx, data.Name, data.Size, func() io.Reader { return d.Content(data) }, maxDataTar, func(r io.Reader) error {
		paths, err = readPaths(r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %s: %w", path.Base(file), data.Name, err)
	}
	return paths, nil
}
