package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// MaxName is how many bytes a file name may have.
const MaxName = 255

// PutFile keeps the file at path in store and returns the reference to it, named as the file is.
// The file is read twice and must not change meanwhile.
func PutFile(ctx context.Context, store Store, path string) (Reference, error) {
	file, err := os.Open(path)
	if err != nil {
		return Reference{}, fmt.Errorf("store artifact: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return Reference{}, fmt.Errorf("store artifact: %w", err)
	}
	if !info.Mode().IsRegular() {
		return Reference{}, fmt.Errorf("store artifact %s: not a regular file", path)
	}
	hash := sha256.New()
	size, err := io.Copy(hash, WithContext(ctx, file))
	if err != nil {
		return Reference{}, fmt.Errorf("store artifact %s: %w", path, err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return Reference{}, fmt.Errorf("store artifact %s: %w", path, err)
	}
	ref := Reference{Name: filepath.Base(path), Size: size, SHA256: Digest(hex.EncodeToString(hash.Sum(nil)))}
	if err := store.Put(ctx, ref.SHA256, size, file); err != nil {
		return Reference{}, fmt.Errorf("store artifact %s: %w", path, err)
	}
	return ref, nil
}

// FetchFile writes the file that ref refers to into dir, under its name, and returns its path. The
// file appears whole and verified or not at all. One that is there already with the same bytes is
// left alone, one with others is replaced.
func FetchFile(ctx context.Context, store Store, ref Reference, dir string) (string, error) {
	if err := CheckName(ref.Name); err != nil {
		return "", fmt.Errorf("fetch artifact: %w", err)
	}
	if err := CheckDigest(ref.SHA256); err != nil {
		return "", fmt.Errorf("fetch artifact %s: %w", ref.Name, err)
	}
	path := filepath.Join(dir, ref.Name)
	if same(path, ref) {
		return path, nil
	}
	if err := fetch(ctx, store, ref, dir, path); err != nil {
		return "", fmt.Errorf("fetch artifact %s: %w", ref.Name, err)
	}
	return path, nil
}

func fetch(ctx context.Context, store Store, ref Reference, dir, path string) (err error) {
	r, err := store.Open(ctx, ref.SHA256)
	if err != nil {
		return err
	}
	defer r.Close()
	part, err := os.CreateTemp(dir, ".*.part")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(part.Name()))
		}
	}()
	_, err = io.Copy(part, Verify(io.NopCloser(WithContext(ctx, r)), ref.SHA256, ref.Size))
	if err := errors.Join(err, part.Chmod(0o644), part.Close()); err != nil {
		return err
	}
	return os.Rename(part.Name(), path)
}

// same tells whether the file at path has the bytes that ref refers to.
func same(path string, ref Reference) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != ref.Size {
		return false
	}
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	_, err = io.Copy(io.Discard, Verify(io.NopCloser(file), ref.SHA256, ref.Size))
	return err == nil
}

// CheckName refuses what is not the plain name of a file: names come in messages, and one with a
// slash would be written elsewhere.
func CheckName(name string) error {
	switch {
	case name == "", name == ".", name == "..", len(name) > MaxName,
		strings.ContainsAny(name, "/\\\x00"), strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }),
		!fs.ValidPath(name):
		return fmt.Errorf("name %.80q: not a plain file name", name)
	}
	return nil
}

// WithContext returns a reader of what r yields that ends with ctx's error soon after ctx has ended,
// so that a long copy does not go on.
func WithContext(ctx context.Context, r io.Reader) io.Reader { return &contextReader{ctx, r} }

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
