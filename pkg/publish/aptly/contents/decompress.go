package contents

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/xi2/xz"
)

const (
	// smallMember is how large an xz member may be that is decoded here. The program of that name
	// takes longer to start than this one to decode so much, and is faster at more.
	smallMember = 64 << 10
	// smallDict is the dictionary of xz up to level 6, dpkg-deb's default; those that need more are
	// left to the program.
	smallDict = 8 << 20
	// maxDict is as much memory as a decoder of zstd may take.
	maxDict = 128 << 20
)

// errHost says that a file could not be read for reasons that are not in it.
var errHost = errors.New("cannot decompress")

// decompress calls read with the content of a member of a package, as the extension of its name
// says, and makes sure that the member is sound to its end. More than limit bytes are an error. read
// may be called a second time, with the same content.
func decompress(ctx context.Context, name string, size int64, open func() io.Reader, limit int64, read func(io.Reader) error) error {
	whole := func(r io.Reader) error {
		r = &limited{ctx: ctx, r: r, left: limit}
		err := read(r)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		return err
	}
	switch path.Ext(strings.Replace(name, ".tar", "", 1)) {
	case "":
		return whole(open())
	case ".gz":
		r, err := gzip.NewReader(open())
		if err != nil {
			return err
		}
		return whole(r)
	case ".zst":
		r, err := zstd.NewReader(open(), zstd.WithDecoderMaxMemory(maxDict), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			return err
		}
		defer r.Close()
		return whole(r)
	case ".xz":
		if size <= smallMember {
			err := decodeXz(open(), whole)
			if !errors.Is(err, errAbove) {
				return err
			}
		}
		return runXz(ctx, open(), whole)
	}
	return fmt.Errorf("unknown compression of %s", name)
}

// limited is a reader that ends with an error when there is more than there may be, or with ctx.
type limited struct {
	ctx  context.Context
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if err := l.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, errors.New("too large when unpacked")
	}
	return n, err
}

// errAbove says that a member is above what the decoder in this process can do.
var errAbove = errors.New("xz: beyond the decoder")

// decoders are kept, since each has a dictionary of 8 MiB, which takes longer to make than most members to decode.
var decoders = sync.Pool{New: func() any { return new(xzReader) }}

// xzReader decodes one member after another.
type xzReader struct{ z *xz.Reader }

// decodeXz decodes in this process. What it cannot is errAbove.
func decodeXz(r io.Reader, read func(io.Reader) error) error {
	d, ok := decoders.Get().(*xzReader)
	if !ok {
		return errAbove
	}
	err := d.reset(r)
	if err == nil {
		err = read(d)
	}
	if !errors.Is(err, errAbove) { // one that has gone wrong so is not used again
		decoders.Put(d)
	}
	return err
}

func (d *xzReader) reset(r io.Reader) (err error) {
	defer above(&err)
	if d.z == nil {
		d.z, err = xz.NewReader(r, smallDict)
		return err
	}
	return d.z.Reset(r)
}

func (d *xzReader) Read(p []byte) (n int, err error) {
	defer above(&err)
	return d.z.Read(p)
}

// above makes errAbove of what the decoder does not know, and of what confuses it: the program shall
// judge that.
func above(err *error) {
	if recover() != nil || errors.Is(*err, xz.ErrMemlimit) || errors.Is(*err, xz.ErrOptions) || errors.Is(*err, xz.ErrUnsupportedCheck) {
		*err = errAbove
	}
}

// runXz decodes with the program of that name, which knows all that the format may have.
func runXz(ctx context.Context, r io.Reader, read func(io.Reader) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, "xz", "--decompress", "--stdout", "--memlimit=256MiB", "--threads=1")
	var problems bytes.Buffer
	cmd.Stdin, cmd.Stderr = r, &problems
	content, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return fmt.Errorf("%w: run xz: %w", errHost, err)
	}
	if err := read(content); err != nil {
		cancel()
		_ = cmd.Wait() // it was killed
		return xzFailure(err, problems.String())
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || !exit.Exited()) {
		return fmt.Errorf("%w: run xz: %w", errHost, err)
	}
	if err != nil {
		return xzFailure(err, problems.String())
	}
	return nil
}

// xzFailure adds what the program says of its input.
func xzFailure(err error, problems string) error {
	if words := strings.Fields(strings.ReplaceAll(problems, "(stdin)", "")); len(words) > 0 {
		return fmt.Errorf("%s: %w", strings.Join(words, " "), err)
	}
	return err
}
