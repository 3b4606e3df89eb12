package index

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"

	"golang.org/x/sync/errgroup"
)

// A Form is a way to write a file: the extension of its name.
type Form string

// The forms.
const (
	Plain Form = ""
	Gzip  Form = ".gz"
	Xz    Form = ".xz"
	Zstd  Form = ".zst"
)

// An Output is a file in one form. It never changes.
type Output struct {
	Form   Form
	Size   int64
	SHA256 string // lower-case hex

	parts [][]byte
}

// WriteTo writes the bytes of the output.
func (o Output) WriteTo(w io.Writer) (written int64, err error) {
	for _, part := range o.parts {
		n, err := w.Write(part)
		if written += int64(n); err != nil {
			return written, err
		}
	}
	return written, nil
}

// compressed is a segment in one form.
type compressed struct {
	data   []byte
	blocks []block // of xz, for the index of the stream
}

// progress is how far a file has been hashed in one form.
type progress struct {
	sums   []hash.Hash // states behind each of the first segments
	output *Output     // once all is done
}

// Build makes the file in the given forms. What has been made before, of this file or of one that it was
// made from, is not made again.
func (f *File) Build(ctx context.Context, forms []Form) ([]Output, error) {
	outputs, err := Build(ctx, forms, f)
	if err != nil {
		return nil, err
	}
	return outputs[0], nil
}

// Build makes several files at once, each in the given forms, which is faster than one after another: one
// run of xz serves all. The outputs come in the order of files, and in that of forms for each.
func Build(ctx context.Context, forms []Form, files ...*File) ([][]Output, error) {
	outputs := make([][]Output, len(files))
	for i := range outputs {
		outputs[i] = make([]Output, len(forms))
	}
	group, ctx := errgroup.WithContext(ctx)
	for n, form := range forms {
		group.Go(func() error {
			if err := compress(ctx, form, unknown(form, files)); err != nil {
				return err
			}
			for i, f := range files {
				group.Go(func() (err error) {
					outputs[i][n], err = f.output(ctx, form)
					return err
				})
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return outputs, nil
}

// unknown returns the segments of the files that have not been made in a form.
func unknown(form Form, files []*File) (list []*segment) {
	for _, f := range files {
		if form == Plain || f.progress(form).output != nil {
			continue
		}
		for _, s := range f.segments {
			if s.form(form) == nil {
				list = append(list, s)
			}
		}
	}
	return list
}

// progress returns how far the file is in a form.
func (f *File) progress(form Form) progress {
	f.known.Lock()
	defer f.known.Unlock()
	return f.forms[form]
}

// inherit hands on what is known of the segments that next has from f.
func (f *File) inherit(next *File, segments int) {
	f.known.Lock()
	defer f.known.Unlock()
	for form, p := range f.forms {
		n := min(segments, len(p.sums))
		next.forms[form] = progress{sums: p.sums[:n:n]}
	}
}

// output hashes the file in a form that all its segments are known in.
func (f *File) output(ctx context.Context, form Form) (Output, error) {
	p := f.progress(form)
	if p.output != nil {
		return *p.output, nil
	}
	envelope, err := envelopeOf(ctx, form, f.segments)
	if err != nil {
		return Output{}, err
	}
	o := Output{Form: form, parts: make([][]byte, 0, len(f.segments)+2)}
	put := func(part []byte) {
		o.parts = append(o.parts, part)
		o.Size += int64(len(part))
	}
	put(envelope.head)
	sums := p.sums
	sum := sha256.New()
	if len(sums) > 0 {
		if sum, err = clone(sums[len(sums)-1]); err != nil {
			return Output{}, err
		}
	} else {
		sum.Write(envelope.head)
	}
	for i, s := range f.segments {
		data := s.form(form).data
		put(data)
		if i < len(p.sums) {
			continue
		}
		if ctx.Err() != nil {
			return Output{}, ctx.Err()
		}
		sum.Write(data)
		state, err := clone(sum)
		if err != nil {
			return Output{}, err
		}
		sums = append(sums, state)
	}
	put(envelope.tail)
	sum.Write(envelope.tail)
	o.SHA256 = hex.EncodeToString(sum.Sum(nil))
	f.known.Lock()
	defer f.known.Unlock()
	f.forms[form] = progress{sums: sums, output: &o}
	return o, nil
}

func clone(sum hash.Hash) (hash.Hash, error) {
	cloner, ok := sum.(hash.Cloner)
	if !ok {
		return nil, fmt.Errorf("clone %T: not a hash.Cloner", sum)
	}
	return cloner.Clone()
}
