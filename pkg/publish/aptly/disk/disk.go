// Package disk changes files so that others never see half of a change, nor does a machine that comes
// up after a power failure.
package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// Lock takes the lock at path, waiting while another process has it, and returns what releases it.
func Lock(ctx context.Context, path string, log zerolog.Logger) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	told := false
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		if !told {
			log.Info().Str("lock", path).Msg("another process has the repository open: waiting")
			told = true
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("wait for %s: %w", path, ctx.Err()), f.Close())
		case <-tick.C:
		}
	}
}

// WriteFile writes data to path so that path has all of it or is as before, also after a power
// failure.
func WriteFile(path string, data []byte) error {
	return replace(path, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}

// Put is WriteFile for what is synced later.
func Put(path string, data io.WriterTo) error {
	return swap(path, false, func(f *os.File) error {
		_, err := data.WriteTo(f)
		return err
	})
}

// WriteChanged writes data to path unless it is there already.
func WriteChanged(path string, data []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return nil
	}
	return WriteFile(path, data)
}

// replace writes a file beside path with fill and renames it to path.
func replace(path string, fill func(*os.File) error) error { return swap(path, true, fill) }

func swap(path string, durable bool, fill func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	err = fill(f)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil && durable {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(f.Name()))
	}
	return nil
}

// Place puts the file from at path, as a link where the file system can, and replaces what is
// there. Nobody sees a part of it. It outlasts a power failure only once it has been synced.
func Place(from, path string) error { return take(from, path, true) }

// Take puts the file from at path as Place does; as a copy unless it may be linked, which is for files that
// nobody else writes to.
func Take(from, path string, link bool) error { return take(from, path, link) }

func take(from, path string, link bool) error {
	if link {
		err := os.Link(from, path)
		if errors.Is(err, os.ErrNotExist) {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			err = os.Link(from, path)
		}
		if err == nil {
			return readable(path)
		}
		temporary := filepath.Join(filepath.Dir(path), ".link-"+filepath.Base(path))
		if errors.Is(err, os.ErrExist) && Remove(temporary) == nil && os.Link(from, temporary) == nil {
			// rename(2) leaves both names where they are the same file already.
			return errors.Join(os.Rename(temporary, path), Remove(temporary), readable(path))
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	return swap(path, false, func(f *os.File) error {
		_, err := io.Copy(f, source)
		return err
	})
}

// readable lets everybody read a file that is served.
func readable(path string) error {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() == 0o644 {
		return err
	}
	return os.Chmod(path, 0o644)
}

// CopyFile copies the file from to path; path has all of it or is as before.
func CopyFile(from, path string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	return replace(path, func(f *os.File) error {
		_, err := io.Copy(f, source)
		return err
	})
}

// Remove removes a file that may be absent.
func Remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// SyncFolder makes the names in a folder, and with the journaling file systems all names made before,
// outlast a power failure.
func SyncFolder(path string) error {
	return syncOne(path)
}

// Point makes the symbolic link path lead to target in one step. What is no symbolic link is
// left alone.
func Point(path, target string) error {
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSymlink == 0 {
		return fmt.Errorf("%s is in the way: not made by foundry", path)
	}
	if now, err := os.Readlink(path); err == nil && now == target {
		return nil
	}
	temporary := filepath.Join(filepath.Dir(path), ".link-"+filepath.Base(path))
	if err := Remove(temporary); err != nil {
		return err
	}
	if err := os.Symlink(target, temporary); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
