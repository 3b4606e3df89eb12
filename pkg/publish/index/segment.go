package index

import (
	"bytes"
	"slices"
	"sort"
	"sync"
)

// A segment is some records that follow one another, in one piece.
type segment struct {
	text []byte   // of all records
	ends []uint32 // where the text of each ends
	// keys are those of all records in one piece, or nil where the text of each record begins with its
	// key; keyEnds are where each ends in keys or in text.
	keys    []byte
	keyEnds []uint32

	known sync.Mutex // never held for long
	forms map[Form]*compressed
}

func (s *segment) len() int { return len(s.ends) }

func (s *segment) record(i int) []byte {
	start := uint32(0)
	if i > 0 {
		start = s.ends[i-1]
	}
	return s.text[start:s.ends[i]:s.ends[i]]
}

func (s *segment) key(i int) []byte {
	start := uint32(0)
	switch {
	case i == 0:
	case s.keys == nil:
		start = s.ends[i-1]
	default:
		start = s.keyEnds[i-1]
	}
	if s.keys == nil {
		return s.text[start:s.keyEnds[i]]
	}
	return s.keys[start:s.keyEnds[i]]
}

func (s *segment) last() []byte { return s.key(s.len() - 1) }

func (s *segment) get(key string) ([]byte, bool) {
	i := sort.Search(s.len(), func(i int) bool { return string(s.key(i)) >= key })
	if i == s.len() || string(s.key(i)) != key {
		return nil, false
	}
	return s.record(i), true
}

// form returns the segment in a form, nil if it is not known.
func (s *segment) form(form Form) *compressed {
	if form == Plain {
		return &compressed{data: s.text}
	}
	s.known.Lock()
	defer s.known.Unlock()
	return s.forms[form]
}

// learn puts down the segment in a form, unless it is known by now.
func (s *segment) learn(form Form, c *compressed) {
	s.known.Lock()
	defer s.known.Unlock()
	if s.forms == nil {
		s.forms = map[Form]*compressed{}
	}
	if s.forms[form] == nil {
		s.forms[form] = c
	}
}

// maxText is the size in bytes from which a segment ends whatever its keys are.
const maxText = 1 << 20

// A cutter decides where segments end: after a record whose key has a certain hash, or when the segment is
// large. It looks at nothing outside of the segment.
type cutter struct {
	least, most int // records of a segment
	modulus     uint64
}

func newCutter(perSegment int) cutter {
	half := max(perSegment/2, 1)
	return cutter{least: half, most: 8 * half, modulus: uint64(half)}
}

// after tells whether a segment of so many records and bytes ends with the record with this key.
func (c cutter) after(records, size int, key []byte) bool {
	return records >= c.most || size >= maxText || records >= c.least && keyHash(key)%c.modulus == 0
}

// keyHash is FNV-1a with its bits mixed once more, since only the low ones decide.
func keyHash(key []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range key {
		h = (h ^ uint64(b)) * 1099511628211
	}
	h ^= h >> 32
	h *= 0x9e3779b97f4a7c15
	return h ^ h>>29
}

// A builder makes segments of records that come in order.
type builder struct {
	cut      cutter
	segments []*segment
	next     segment // that grows
	prefixed bool    // the text of each of its records begins with its key
	key      []byte  // scratch
}

// empty tells whether the last record has ended a segment.
func (b *builder) empty() bool { return b.next.len() == 0 }

func (b *builder) add(key, text []byte) {
	n := &b.next
	if b.empty() {
		b.prefixed = true
	}
	b.prefixed = b.prefixed && bytes.HasPrefix(text, key)
	n.text = append(n.text, text...)
	n.ends = append(n.ends, uint32(len(n.text)))
	n.keys = append(n.keys, key...)
	n.keyEnds = append(n.keyEnds, uint32(len(n.keys)))
	if b.cut.after(n.len(), len(n.text), key) {
		b.flush()
	}
}

// addAll adds records of which none is there yet.
func (b *builder) addAll(changes []Change) {
	for _, c := range changes {
		if c.Text != nil {
			b.key = append(b.key[:0], c.Key...)
			b.add(b.key, c.Text)
		}
	}
}

// merge adds the records of s as the changes leave them, which are in order.
func (b *builder) merge(s *segment, changes []Change) {
	for i := range s.len() {
		key := s.key(i)
		n := sort.Search(len(changes), func(c int) bool { return changes[c].Key >= string(key) })
		b.addAll(changes[:n])
		if changes = changes[n:]; len(changes) > 0 && changes[0].Key == string(key) {
			b.addAll(changes[:1])
			changes = changes[1:]
			continue
		}
		b.add(key, s.record(i))
	}
	b.addAll(changes)
}

// flush ends the segment that grows.
func (b *builder) flush() {
	n := &b.next
	if b.empty() {
		return
	}
	s := &segment{text: bytes.Clone(n.text), ends: slices.Clone(n.ends), keyEnds: slices.Clone(n.keyEnds)}
	if b.prefixed {
		b.point(s)
	} else {
		s.keys = bytes.Clone(n.keys)
	}
	b.segments = append(b.segments, s)
	n.text, n.ends, n.keys, n.keyEnds = n.text[:0], n.ends[:0], n.keys[:0], n.keyEnds[:0]
}

// point lets keyEnds of s show where keys end in its text.
func (b *builder) point(s *segment) {
	for i := s.len() - 1; i > 0; i-- {
		s.keyEnds[i] += s.ends[i-1] - s.keyEnds[i-1]
	}
}
