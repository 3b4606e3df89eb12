package index

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

var all = []Form{Plain, Gzip, Xz, Zstd}

// naive is what a file should be: records sorted and put together.
type naive map[string]string

func (n naive) plain() string {
	var b bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(n)) {
		b.WriteString(n[key])
	}
	return b.String()
}

func (n naive) changes() (list []Change) {
	for key, text := range n {
		list = append(list, Change{key, []byte(text)})
	}
	return list
}

func build(t *testing.T, f *File, forms ...Form) map[Form]string {
	t.Helper()
	outputs, err := f.Build(t.Context(), forms)
	if err != nil {
		t.Fatal(err)
	}
	made := map[Form]string{}
	for _, o := range outputs {
		var b bytes.Buffer
		if n, err := o.WriteTo(&b); err != nil || n != o.Size || n != int64(b.Len()) {
			t.Fatalf("%q: %d bytes written of %d: %v", o.Form, n, o.Size, err)
		}
		if diff := gocmp.Diff(digest(b.Bytes()), o.SHA256); diff != "" {
			t.Fatalf("%q: hash (-want +got):\n%s", o.Form, diff)
		}
		made[o.Form] = b.String()
	}
	return made
}

// TestRandomChanges changes files at random and looks whether they are what sorting all records would give,
// and the same bytes as a file made of these records at once.
func TestRandomChanges(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 1))
			perSegment := 1 + r.IntN(12)
			want, f := naive{}, New(perSegment)
			for step := range 60 {
				f = f.With(randomChanges(r, want))
				if f.Len() != len(want) || f.Size() != int64(len(want.plain())) {
					t.Fatalf("step %d: %d records of %d bytes", step, f.Len(), f.Size())
				}
				if step%7 != 0 {
					continue
				}
				made := build(t, f, all...)
				if diff := gocmp.Diff(want.plain(), made[Plain]); diff != "" {
					t.Fatalf("step %d (-want +got):\n%s", step, diff)
				}
				if diff := gocmp.Diff(build(t, New(perSegment).With(want.changes()), all...), made); diff != "" {
					t.Fatalf("step %d: other bytes than made at once (-want +got):\n%s", step, diff)
				}
			}
			for key, text := range want {
				if got, ok := f.Get(key); !ok || string(got) != text {
					t.Errorf("get %q: %q, %v", key, got, ok)
				}
			}
			if _, ok := f.Get("no such key"); ok {
				t.Error("a key that is not there was found")
			}
		})
	}
}

// TestSizesOfOthers builds records of very different sizes one by one and at once: what is made of a segment
// does not depend on those made with it.
func TestSizesOfOthers(t *testing.T) {
	var changes []Change
	f := New(1)
	for _, size := range []int{3, 200, 20_000, 1_000_000, 2 << 20, 3 << 20, 5 << 20} {
		c := Change{fmt.Sprintf("%08d", size), bytes.Repeat([]byte("a\n"), size/2)}
		changes, f = append(changes, c), f.With([]Change{c})
		build(t, f, all...)
	}
	got, want := build(t, f, all...), build(t, New(1).With(changes), all...)
	for _, form := range all {
		if got[form] != want[form] {
			t.Errorf("%q has other bytes", form)
		}
	}
}

// randomChanges makes changes and does the same to want.
func randomChanges(r *rand.Rand, want naive) (changes []Change) {
	for range 1 + r.IntN(cmp.Or(r.IntN(3)*30, 1)) {
		key := fmt.Sprintf("ключ\x00%d", r.IntN(400))
		text := []byte(nil)
		switch r.IntN(4) {
		case 0:
			delete(want, key)
		case 1:
			text = []byte{}
		case 2:
			text = fmt.Appendf(nil, "%s %d\n", key, r.IntN(3))
		default:
			text = bytes.Repeat(fmt.Appendf(nil, "%d\n", r.IntN(3)), r.IntN(50))
		}
		if changes = append(changes, Change{key, text}); text != nil {
			want[key] = string(text)
		}
	}
	return changes
}

var _ io.WriterTo = Output{}
