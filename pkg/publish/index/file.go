package index

import (
	"slices"
	"sort"
	"strings"
	"sync"
)

// A File is a set of records with distinct keys. It never changes, and may be used by several goroutines
// at once.
type File struct {
	cut      cutter
	segments []*segment
	records  int
	size     int64

	known sync.Mutex // never held for long
	forms map[Form]progress
}

// A Change sets the text of the record with a key, or removes the record.
type Change struct {
	Key  string
	Text []byte // as it stands in the file, with the empty line or line break that ends it; nil removes
}

// New returns a file without records. Its segments will have perSegment records on average: few make a
// change cheap, many make the compressed forms small. With 200 for stanzas of Packages and 2000 for lines of
// Contents, those of Debian are a tenth larger than in one piece.
func New(perSegment int) *File {
	return assemble(newCutter(perSegment), nil)
}

func assemble(cut cutter, segments []*segment) *File {
	f := &File{cut: cut, segments: segments, forms: map[Form]progress{}}
	for _, s := range segments {
		f.records += s.len()
		f.size += int64(len(s.text))
	}
	return f
}

// Len returns the number of records.
func (f *File) Len() int { return f.records }

// Size returns the number of bytes of the plain form.
func (f *File) Size() int64 { return f.size }

// Get returns the text of the record with a key. It is not to be changed.
func (f *File) Get(key string) (text []byte, ok bool) {
	i := f.search(key)
	if i == len(f.segments) {
		return nil, false
	}
	return f.segments[i].get(key)
}

// search returns the number of the segment that has key, if any has.
func (f *File) search(key string) int {
	return sort.Search(len(f.segments), func(i int) bool { return string(f.segments[i].last()) >= key })
}

// home returns the number of the segment that the record with key is in or would come into. What comes
// behind the last one may make it longer.
func (f *File) home(key string) int {
	i := f.search(key)
	if i > 0 && i == len(f.segments) {
		return i - 1
	}
	return i
}

// With returns the file after the changes. The order of changes does not matter, but that the last one of
// a key counts. What is as the changes want it stays as it is.
func (f *File) With(changes []Change) *File {
	changes = f.effective(changes)
	if len(changes) == 0 {
		return f
	}
	same := f.home(changes[0].Key) // segments before the first change
	b := builder{cut: f.cut, segments: make([]*segment, 0, len(f.segments)+1)}
	for i := 0; i < len(f.segments); i++ {
		if b.empty() {
			next := len(f.segments)
			if len(changes) > 0 {
				next = f.home(changes[0].Key)
			}
			b.segments = append(b.segments, f.segments[i:next]...)
			if i = next; i == len(f.segments) {
				break
			}
		}
		here := sort.Search(len(changes), func(c int) bool { return f.home(changes[c].Key) > i })
		b.merge(f.segments[i], changes[:here])
		changes = changes[here:]
	}
	b.addAll(changes)
	b.flush()
	next := assemble(f.cut, b.segments)
	f.inherit(next, same)
	return next
}

// effective returns the changes in order of their keys, without those that change nothing.
func (f *File) effective(changes []Change) []Change {
	byKey := func(a, b Change) int { return strings.Compare(a.Key, b.Key) }
	if !slices.IsSortedFunc(changes, byKey) {
		changes = slices.Clone(changes)
		slices.SortStableFunc(changes, byKey)
	}
	kept := make([]Change, 0, len(changes))
	for i, c := range changes {
		if i+1 < len(changes) && changes[i+1].Key == c.Key {
			continue
		}
		if text, ok := f.Get(c.Key); ok == (c.Text != nil) && string(text) == string(c.Text) {
			continue
		}
		kept = append(kept, c)
	}
	return kept
}
