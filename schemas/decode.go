package schemas

import (
	"bytes"
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
// and keys in another case; since other readers decide otherwise, all of that is refused here.
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
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	return value(d, "")
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

// value reads the next value; at is where it stands.
func value(d *json.Decoder, at string) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("%snot a JSON value", prefix(at))
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '{' {
			return object(d, at)
		}
		return array(d, at)
	case json.Number:
		return token, number(string(token), at)
	}
	return token, nil
}

func object(d *json.Decoder, at string) (any, error) {
	fields := make(map[string]any)
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("%snot a JSON object", prefix(at))
		}
		key, _ := token.(string)
		if !fieldName(key) {
			return nil, fmt.Errorf("%sfield with a name other than lower-case letters, digits and _", prefix(at))
		}
		here := join(at, key)
		if _, twice := fields[key]; twice {
			return nil, fmt.Errorf("%s: given twice", here)
		}
		if fields[key], err = value(d, here); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return fields, err
}

func array(d *json.Decoder, at string) (any, error) {
	items := []any{}
	for d.More() {
		item, err := value(d, join(at, strconv.Itoa(len(items))))
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	_, err := d.Token()
	return items, err
}

// number refuses what a schema takes for an integer and Go does not, such as 1.0 and 1e3, and
// what would be costly to compute.
func number(s, at string) error {
	if len(s) > maxNumber {
		return fmt.Errorf("%snumber of more than %d characters", prefix(at), maxNumber)
	}
	if !strings.ContainsAny(s, ".eE") {
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f == math.Trunc(f) {
		return fmt.Errorf("%sinteger written as a fraction, or a number too large", prefix(at))
	}
	return nil
}

// fieldName tells whether s is made as the names of all fields are, which rules out names that
// differ in case only.
func fieldName(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}

func prefix(at string) string {
	if at == "" {
		return ""
	}
	return at + ": "
}
