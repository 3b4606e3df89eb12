package aptrepo

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"path"

	"github.com/klauspost/compress/zstd"

	"foundry/pkg/debian"
)

const (
	maxPlain  = 8 << 30 // of an index whose plain form is not listed
	maxStanza = 4 << 20
	maxMemory = 256 << 20 // of a decompressor
)

// Stanzas reads an index of the suite, from the best form that is there, and yields its stanzas. The form
// has been checked against Release before the first one comes. The first error ends it.
func (s *Suite) Stanzas(ctx context.Context, x *Index) iter.Seq2[debian.Stanza, error] {
	return func(yield func(debian.Stanza, error) bool) {
		err := s.read(ctx, x, func(r io.Reader) error {
			for stanza, err := range stanzas(r) {
				if err != nil {
					return err
				}
				if !yield(stanza, nil) {
					return errStop
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(nil, fmt.Errorf("read %s: %w", path.Join(s.Name, x.Path), err))
		}
	}
}

// errStop ends the reading of an index of which no more is wanted.
var errStop = errors.New("stop")

// read calls f with the plain content of an index.
func (s *Suite) read(ctx context.Context, x *Index, f func(io.Reader) error) (err error) {
	for _, form := range x.Forms {
		file, err := s.spool(ctx, form)
		if errors.Is(err, ErrAbsent) {
			continue
		}
		if err != nil {
			return err
		}
		return errors.Join(s.plain(ctx, x, form, file, f), file.Close())
	}
	return ErrAbsent
}

// plain calls f with what is in a form of an index.
func (s *Suite) plain(ctx context.Context, x *Index, form File, file io.Reader, f func(io.Reader) error) error {
	limit := int64(maxPlain)
	if last := x.Forms[len(x.Forms)-1]; last.Path == x.Path {
		limit = last.Size
	}
	return decompress(ctx, path.Ext(form.Path), file, func(r io.Reader) error {
		return f(&bounded{r: r, left: limit})
	})
}

// spool copies a form of an index to a temporary file and checks it.
func (s *Suite) spool(ctx context.Context, form File) (file *os.File, err error) {
	file, err = os.CreateTemp(s.repo.options.Scratch, ".index-*")
	if err != nil {
		return nil, err
	}
	err = os.Remove(file.Name())
	if err == nil {
		err = s.copyIndex(ctx, form, file)
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// copyIndex copies a form of an index, by its hash where the suite offers that: it is then the one that
// Release means, whatever is published meanwhile.
func (s *Suite) copyIndex(ctx context.Context, form File, file *os.File) error {
	if s.Release.ByHash {
		named := form
		named.Path = byHash(form)
		err := s.repo.copyTo(ctx, s.path(named), file)
		if !errors.Is(err, ErrAbsent) {
			return err
		}
	}
	return s.repo.copyTo(ctx, s.path(form), file)
}

func byHash(f File) string { return path.Join(path.Dir(f.Path), "by-hash", "SHA256", f.SHA256) }

// bounded is a reader that ends with an error beyond its bound.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errors.New("it becomes larger than it may")
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		return n, errors.New("it becomes larger than it may")
	}
	return n, err
}

// decompress calls f with the plain form of what r holds, by its extension.
func decompress(ctx context.Context, extension string, r io.Reader, f func(io.Reader) error) error {
	switch extension {
	case ".gz":
		z, err := gzip.NewReader(r)
		if err != nil {
			return err
		}
		return f(z)
	case ".bz2":
		return f(bzip2.NewReader(r))
	case ".zst":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxMemory))
		if err != nil {
			return err
		}
		defer z.Close()
		return f(z)
	case ".xz":
		return unxz(ctx, r, f)
	}
	return f(r)
}

// unxz decompresses with the program of that name.
func unxz(ctx context.Context, r io.Reader, f func(io.Reader) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	command := exec.CommandContext(ctx, "xz", "--decompress", "--stdout", "--quiet", fmt.Sprintf("--memlimit-decompress=%d", maxMemory))
	command.Stdin = r
	var problem bytes.Buffer
	command.Stderr = &problem
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if errors.Is(err, exec.ErrNotFound) {
		return errors.New("there is no program xz here: apt-get install xz-utils")
	}
	if err != nil {
		return fmt.Errorf("run xz: %w", err)
	}
	if err := f(out); err != nil {
		cancel()
		_ = command.Wait()
		return err
	}
	if err := command.Wait(); err != nil {
		return fmt.Errorf("decompress: %w: %s", err, bytes.TrimSpace(problem.Bytes()))
	}
	return nil
}

// stanzas splits what r holds at empty lines and yields the stanzas. The first error is the last value.
func stanzas(r io.Reader) iter.Seq2[debian.Stanza, error] {
	return func(yield func(debian.Stanza, error) bool) {
		lines := bufio.NewReaderSize(r, 64<<10)
		var block []byte
		for {
			line, err := lines.ReadSlice('\n')
			block = append(block, line...)
			whole := !errors.Is(err, bufio.ErrBufferFull)
			if len(block) > maxStanza {
				yield(nil, fmt.Errorf("a stanza of more than %d bytes", maxStanza))
				return
			}
			if err != nil && whole && !errors.Is(err, io.EOF) {
				yield(nil, err)
				return
			}
			end := err != nil && whole
			if !end && (!whole || len(bytes.TrimSpace(line)) > 0) {
				continue
			}
			found, bad := debian.ParseControl(block)
			if bad != nil {
				yield(nil, bad)
				return
			}
			for _, stanza := range found {
				if !yield(stanza, nil) {
					return
				}
			}
			if end {
				return
			}
			block = block[:0]
		}
	}
}
