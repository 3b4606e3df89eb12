// Package folder keeps artifacts in a folder, such as one that several machines mount: DIR/ab/cd…
// is the file whose digest begins with abcd. A file is written aside, synced and renamed, so it is
// there whole or not at all.
package folder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"foundry/pkg/artifact"
)

// incoming is the folder of files that are being written.
const incoming = "incoming"

// Store is an artifact.Store in a folder.
type Store struct{ dir string }

var _ artifact.Store = (*Store)(nil)

// Open makes dir when it is missing and returns the store in it.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(filepath.Join(dir, incoming), 0o755); err != nil {
		return nil, fmt.Errorf("open artifact store: %w", err)
	}
	return &Store{dir: dir}, nil
}

func (s *Store) path(digest artifact.Digest) string {
	return filepath.Join(s.dir, string(digest[:2]), string(digest[2:]))
}

// Put keeps what r yields.
func (s *Store) Put(ctx context.Context, digest artifact.Digest, size int64, r io.Reader) error {
	there, err := s.Has(ctx, digest)
	if err != nil || there {
		return err
	}
	if err := s.write(digest, artifact.Expect(ctx, r, digest, size)); err != nil {
		return fmt.Errorf("put artifact %s: %w", digest, err)
	}
	return nil
}

func (s *Store) write(digest artifact.Digest, r io.Reader) (err error) {
	file, err := os.CreateTemp(filepath.Join(s.dir, incoming), "put-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	_, err = io.Copy(file, r)
	if err := errors.Join(err, file.Chmod(0o444), file.Sync(), file.Close()); err != nil {
		return err
	}
	path := s.path(digest)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	return errors.Join(syncFolder(filepath.Dir(path)), syncFolder(s.dir))
}

// syncFolder has the names in a folder survive a power failure.
func syncFolder(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// Open returns the file's bytes, which are verified as they are read.
func (s *Store) Open(_ context.Context, digest artifact.Digest) (io.ReadCloser, error) {
	if err := artifact.CheckDigest(digest); err != nil {
		return nil, fmt.Errorf("open artifact: %w", err)
	}
	file, err := os.Open(s.path(digest))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("open artifact %s: %w", digest, artifact.ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("open artifact: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open artifact: %w", err), file.Close())
	}
	return artifact.Verify(file, digest, info.Size()), nil
}

// Has tells whether the file is there.
func (s *Store) Has(_ context.Context, digest artifact.Digest) (bool, error) {
	if err := artifact.CheckDigest(digest); err != nil {
		return false, fmt.Errorf("find artifact: %w", err)
	}
	_, err := os.Stat(s.path(digest))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("find artifact: %w", err)
	}
	return true, nil
}

// Delete removes the file.
func (s *Store) Delete(_ context.Context, digest artifact.Digest) error {
	if err := artifact.CheckDigest(digest); err != nil {
		return fmt.Errorf("delete artifact: %w", err)
	}
	if err := os.Remove(s.path(digest)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete artifact: %w", err)
	}
	return nil
}

// List calls f with each file.
func (s *Store) List(ctx context.Context, f func(artifact.Info) error) error {
	fans, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("list artifacts: %w", err)
	}
	for _, fan := range fans {
		if len(fan.Name()) != 2 || !fan.IsDir() {
			continue
		}
		files, err := os.ReadDir(filepath.Join(s.dir, fan.Name()))
		if err != nil {
			return fmt.Errorf("list artifacts: %w", err)
		}
		for _, file := range files {
			if err := ctx.Err(); err != nil {
				return err
			}
			info, err := file.Info()
			digest := artifact.Digest(fan.Name() + file.Name())
			if err != nil || !artifact.IsDigest(digest) {
				continue // deleted meanwhile, or somebody else's
			}
			if err := f(artifact.Info{Digest: digest, Size: info.Size(), Stored: info.ModTime()}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Sweep removes what puts that were killed have left, when it was last written to before the given
// time, and returns how many there were.
func (s *Store) Sweep(_ context.Context, age time.Duration) (int, error) {
	files, err := os.ReadDir(filepath.Join(s.dir, incoming))
	if err != nil {
		return 0, fmt.Errorf("sweep artifacts: %w", err)
	}
	swept := 0
	for _, file := range files {
		info, err := file.Info()
		if err != nil || time.Since(info.ModTime()) < age {
			continue
		}
		if err := os.Remove(filepath.Join(s.dir, incoming, file.Name())); err != nil {
			return swept, fmt.Errorf("sweep artifacts: %w", err)
		}
		swept++
	}
	return swept, nil
}
