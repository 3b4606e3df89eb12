package aptrepo

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"foundry/pkg/debian"
)

// maxControl bounds what control.tar and the control file in it may become.
const maxControl = 64 << 20

// file checks a file of a package: its size and hash, and of a binary package that it is the one that
// its stanza tells of.
func (v *verification) file(ctx context.Context, l *listed) (err error) {
	if l.pkg == nil && (v.options.PackageKeys == nil || path.Ext(l.Path) != ".dsc") {
		return v.check(ctx, l.File)
	}
	file, err := v.fetched(ctx, l.File)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if l.pkg == nil {
		return v.signedSource(l, file)
	}
	stanza, err := control(ctx, file, l.Size)
	if err != nil {
		return err
	}
	for _, name := range []string{"Package", "Version", "Architecture"} {
		if in, out := stanza.Get(name), l.pkg.Stanza.Get(name); in != out {
			return fmt.Errorf("%s is %q in the package and %q in the index", name, in, out)
		}
	}
	return v.signedPackage(l, file)
}

// fetched returns the content of a file, which is as listed, in a file without a name.
func (v *verification) fetched(ctx context.Context, f File) (*os.File, error) {
	file, err := os.CreateTemp(v.Repository.options.Scratch, ".package-*")
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.Remove(file.Name()), v.copyTo(ctx, f, file)); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// control reads the control file of a binary package.
func control(ctx context.Context, r io.ReaderAt, size int64) (stanza debian.Stanza, err error) {
	deb, err := debian.ReadDeb(r, size)
	if err != nil {
		return nil, err
	}
	for _, m := range deb.Members {
		extension, found := strings.CutPrefix(m.Name, "control.tar")
		if !found {
			continue
		}
		err = decompress(ctx, extension, deb.Content(m), func(plain io.Reader) error {
			archive := tar.NewReader(&bounded{plain, maxControl})
			for {
				header, err := archive.Next()
				if err != nil {
					return fmt.Errorf("find control file: %w", err)
				}
				if path.Clean(header.Name) != "control" || header.Typeflag != tar.TypeReg {
					continue
				}
				data, err := io.ReadAll(io.LimitReader(archive, maxStanza+1))
				if err == nil {
					stanza, err = parseStanza(data)
				}
				if err == nil {
					_, err = io.Copy(io.Discard, plain)
				}
				return err
			}
		})
		return stanza, err
	}
	return nil, errors.New("it has no control.tar")
}
