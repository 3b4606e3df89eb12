package index

import (
	"bytes"
	"testing"
)

// FuzzParseXz reads streams: of each that is taken, header, blocks and tail are the very bytes.
func FuzzParseXz(f *testing.F) {
	for _, file := range []*File{New(1), New(2).With([]Change{{"a", []byte("a\n")}, {"b", []byte("b\n")}, {"c", []byte("c\n")}, {"d", []byte("d\n")}})} {
		outputs, err := file.Build(f.Context(), []Form{Xz})
		if err != nil {
			f.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := outputs[0].WriteTo(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
		f.Add(b.Bytes()[:b.Len()/2])
	}
	f.Add(append(xzHeader(), xzTail([]block{{unpadded: 1 << 62, plain: 1 << 62}})...))
	f.Fuzz(func(t *testing.T, stream []byte) {
		blocks, err := parseXz(stream)
		if err != nil {
			return
		}
		again := xzHeader()
		for _, b := range blocks {
			_ = b.check()
			again = append(again, b.data...)
		}
		if again = append(again, xzTail(blocks)...); !bytes.Equal(again, stream) {
			t.Errorf("read as %x", again)
		}
	})
}
