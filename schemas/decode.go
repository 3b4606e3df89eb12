package schemas

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep values may be nested; the deepest message needs six levels.
const maxDepth = 12

// maxNumber is how many bytes a number may take.
const maxNumber = 32

// decode reads one JSON value. Go's own decoder takes invalid UTF-8, the last of several equal keys
// and keys in another case; since other readers decide otherwise, all of that is refused here. A
// message is decoded at each end of each hop, which is why it does not go token by token through
// encoding/json: that took a third of the time of a hop.
func decode(payload []byte) (any, error) {
	if !utf8.Valid(payload) {
		return nil, errors.New("not valid UTF-8")
	}
	if err := depth(payload); err != nil {
		return nil, err
	}
	if !json.Valid(payload) {
		return nil, errors.New("not a JSON value, or more than one")
	}
	r := reader{data: payload}
	v, err := r.value()
	if err != nil {
		return nil, err
	}
	return v, nil
}

// depth refuses nesting before anything that recurses sees it. Brackets in strings do not count.
func depth(payload []byte) error {
	level, quoted := 0, false
	for i := 0; i < len(payload); i++ {
		switch c := payload[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if level++; level > maxDepth {
				return fmt.Errorf("nested deeper than %d levels", maxDepth)
			}
		case c == '}' || c == ']':
			level--
		}
	}
	return nil
}

// fault is what is wrong with a value, and where it stands.
type fault struct{ at, text string }

func (f *fault) Error() string {
	if f.at == "" {
		return f.text
	}
	return f.at + ": " + f.text
}

// under says that the value is a part of the one called name.
func (f *fault) under(name string) *fault {
	if f.at != "" {
		name += "." + f.at
	}
	return &fault{name, f.text}
}

// reader reads values from data, which is known to be valid JSON (RFC 8259).
type reader struct {
	data []byte
	next int // position of what is read next
}

// peek returns the next byte that is not white space.
func (r *reader) peek() byte {
	for {
		switch c := r.data[r.next]; c {
		case ' ', '\t', '\n', '\r':
			r.next++
		default:
			return c
		}
	}
}

func (r *reader) value() (any, *fault) {
	switch r.peek() {
	case '{':
		return r.object()
	case '[':
		return r.array()
	case '"':
		return r.text(), nil
	case 't':
		r.next += len("true")
		return true, nil
	case 'f':
		r.next += len("false")
		return false, nil
	case 'n':
		r.next += len("null")
		return nil, nil
	}
	begin := r.next
	for r.next < len(r.data) && strings.IndexByte("+-.0123456789eE", r.data[r.next]) >= 0 {
		r.next++
	}
	n := json.Number(r.data[begin:r.next])
	return n, number(string(n))
}

func (r *reader) object() (any, *fault) {
	fields := make(map[string]any)
	for r.next++; r.peek() != '}'; {
		key := r.text()
		if !fieldName(key) {
			return nil, &fault{text: "field with a name other than lower-case letters, digits and _"}
		}
		if _, twice := fields[key]; twice {
			return nil, &fault{at: key, text: "given twice"}
		}
		r.peek() // the colon
		r.next++
		v, problem := r.value()
		if problem != nil {
			return nil, problem.under(key)
		}
		fields[key] = v
		if r.peek() == ',' {
			r.next++
			r.peek()
		}
	}
	r.next++
	return fields, nil
}

func (r *reader) array() (any, *fault) {
	items := []any{}
	for r.next++; r.peek() != ']'; {
		item, problem := r.value()
		if problem != nil {
			return nil, problem.under(strconv.Itoa(len(items)))
		}
		items = append(items, item)
		if r.peek() == ',' {
			r.next++
		}
	}
	r.next++
	return items, nil
}

// text reads a string.
func (r *reader) text() string {
	begin, escaped := r.next, false
	for r.next++; r.data[r.next] != '"'; r.next++ {
		if r.data[r.next] == '\\' {
			escaped = true
			r.next++
		}
	}
	r.next++
	if !escaped {
		return string(r.data[begin+1 : r.next-1])
	}
	var s string
	// Valid JSON with both quotes is never refused.
	_ = json.Unmarshal(r.data[begin:r.next], &s)
	return s
}

// number refuses what a schema takes for an integer and Go does not, such as 1.0 and 1e3, and
// what would be costly to compute.
func number(s string) *fault {
	if len(s) > maxNumber {
		return &fault{text: fmt.Sprintf("number of more than %d characters", maxNumber)}
	}
	if !strings.ContainsAny(s, ".eE") {
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f == math.Trunc(f) {
		return &fault{text: "integer written as a fraction, or a number too large"}
	}
	return nil
}

// fieldName tells whether s is made as the names of all fields are, which rules out names that
// differ in case only.
func fieldName(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}
