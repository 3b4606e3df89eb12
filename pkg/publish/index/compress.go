package index

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"
)

// gzipLevel and zstdLevel weigh time against size: files grow by a tenth of what the best ones would be.
const (
	gzipLevel = 5
	zstdLevel = zstd.SpeedDefault
)

// compress makes the segments in a form.
func compress(ctx context.Context, form Form, segments []*segment) error {
	switch form {
	case Plain:
		return nil
	case Gzip, Zstd:
		return compressEach(ctx, form, segments)
	case Xz:
		return compressXz(ctx, segments)
	}
	return fmt.Errorf("compress: unknown form %q", form)
}

// compressEach makes each of the segments by itself, on all processors.
func compressEach(ctx context.Context, form Form, segments []*segment) error {
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), len(segments)) {
		group.Go(func() error {
			encode, err := newEncoder(form)
			if err != nil {
				return err
			}
			for i := next.Add(1) - 1; i < int64(len(segments)); i = next.Add(1) - 1 {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				data, err := encode(segments[i].text)
				if err != nil {
					return err
				}
				segments[i].learn(form, &compressed{data: data})
			}
			return nil
		})
	}
	return group.Wait()
}

// newEncoder returns what makes a gzip member or a zstd frame of a text. It is not for several goroutines.
// There is no time and no name in it, so that the same text gives the same bytes.
func newEncoder(form Form) (func(text []byte) ([]byte, error), error) {
	if form == Zstd {
		encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstdLevel), zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true))
		if err != nil {
			return nil, fmt.Errorf("compress with zstd: %w", err)
		}
		var scratch []byte
		return func(text []byte) ([]byte, error) {
			scratch = encoder.EncodeAll(text, scratch[:0])
			return bytes.Clone(scratch), nil
		}, nil
	}
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzipLevel)
	if err != nil {
		return nil, fmt.Errorf("compress with gzip: %w", err)
	}
	return func(text []byte) ([]byte, error) {
		out.Reset()
		w.Reset(&out)
		if _, err := w.Write(text); err != nil {
			return nil, fmt.Errorf("compress with gzip: %w", err)
		}
		if err := w.Close(); err != nil {
			return nil, fmt.Errorf("compress with gzip: %w", err)
		}
		return bytes.Clone(out.Bytes()), nil
	}, nil
}

// An envelope is what stands around the segments of a file.
type envelope struct{ head, tail []byte }

// envelopeOf returns the envelope of segments that are all known in a form.
func envelopeOf(ctx context.Context, form Form, segments []*segment) (envelope, error) {
	if form == Xz {
		var blocks []block
		for _, s := range segments {
			blocks = append(blocks, s.form(form).blocks...)
		}
		return envelope{head: xzHeader(), tail: xzTail(blocks)}, nil
	}
	if form == Plain || len(segments) > 0 {
		return envelope{}, nil
	}
	nothing := new(segment) // a compressed file of no bytes is none
	if err := compress(ctx, form, []*segment{nothing}); err != nil {
		return envelope{}, err
	}
	return envelope{tail: nothing.form(form).data}, nil
}
