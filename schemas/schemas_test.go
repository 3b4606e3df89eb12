package schemas_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foundry/pkg/message"
	"foundry/schemas"
)

// example returns a valid message of a type, as one line.
func example(t testing.TB, typ message.Type) []byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("examples", string(typ), "valid-*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no valid example of %s: %v", typ, err)
	}
	data, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestExamples checks the messages in examples. The name of an invalid one tells what is wrong:
// invalid-FIELD-WHY.json, where the error must name that field, or the object that lacks it or has it.
func TestExamples(t *testing.T) {
	for _, typ := range append([]message.Type{"envelope"}, message.Types()...) {
		dir := filepath.Join("examples", string(typ))
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		valid, invalid := 0, 0
		for _, entry := range entries {
			name := strings.TrimSuffix(entry.Name(), ".json")
			data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
			if err != nil {
				t.Fatal(err)
			}
			err = schemas.Validate(data)
			if strings.HasPrefix(name, "valid-") {
				valid++
				if err != nil {
					t.Errorf("%s/%s: %v", dir, entry.Name(), err)
				}
				continue
			}
			invalid++
			field, _, _ := strings.Cut(strings.TrimPrefix(name, "invalid-"), "-")
			if why := explanation(field, name); err == nil || !strings.HasPrefix(err.Error(), why) {
				t.Errorf("%s/%s: got error %v, want one that begins %q", dir, entry.Name(), err, why)
			}
		}
		if valid == 0 || invalid == 0 {
			t.Errorf("%s: %d valid and %d invalid examples", dir, valid, invalid)
		}
	}
}

// explanation is how the error of an invalid example begins.
func explanation(field, name string) string {
	object, last := "", field
	if i := strings.LastIndexByte(field, '.'); i >= 0 {
		object, last = field[:i]+": ", field[i+1:]
	}
	switch {
	case strings.HasSuffix(name, "-missing"):
		return object + "missing " + last
	case strings.HasSuffix(name, "-unknown") && !strings.Contains("type topic class outcome action", last):
		return object + "unknown field " + last
	case strings.HasSuffix(name, "-quoted"):
		return object + "unknown field " + last
	}
	return field + ": "
}

func TestValidateRefusesBytes(t *testing.T) {
	good := bytes.TrimSpace(example(t, message.TypeCommit))
	if err := schemas.Validate(good); err != nil {
		t.Fatal(err)
	}
	change := func(from, to string) []byte {
		if !bytes.Contains(good, []byte(from)) {
			t.Fatalf("no %s in the example", from)
		}
		return bytes.Replace(good, []byte(from), []byte(to), 1)
	}
	tests := map[string]struct {
		payload []byte
		want    string
	}{
		"empty":              {nil, "not a JSON value"},
		"blank":              {[]byte(" \n"), "not a JSON value"},
		"half":               {good[:len(good)/2], "not a JSON value"},
		"two values":         {append(bytes.Clone(good), good...), "not a JSON value, or more than one"},
		"trailing word":      {append(bytes.Clone(good), "x"...), "not a JSON value, or more than one"},
		"NUL at the end":     {append(bytes.Clone(good), 0), "not a JSON value, or more than one"},
		"byte order mark":    {append([]byte("\xef\xbb\xbf"), good...), "not a JSON value"},
		"comment":            {append([]byte("/**/"), good...), "not a JSON value"},
		"trailing comma":     {change(`"version": 1,`, `"version": 1,,`), "not a JSON value"},
		"NaN":                {change(`"version": 1`, `"version": NaN`), "not a JSON value"},
		"leading zero":       {change(`"version": 1`, `"version": 01`), "not a JSON value"},
		"fraction":           {change(`"version": 1`, `"version": 1.0`), "version: integer written as a fraction"},
		"exponent":           {change(`"version": 1`, `"version": 1e0`), "version: integer written as a fraction"},
		"huge exponent":      {change(`"version": 1`, `"version": 1e999999999`), "version: integer written as a fraction, or a number too large"},
		"long number":        {change(`"version": 1`, `"version": 1`+strings.Repeat("0", 100000)), "version: number of more than"},
		"string":             {[]byte(`"x"`), "is string instead of object"},
		"number":             {[]byte(`1`), "is number instead of object"},
		"invalid UTF-8":      {change("Fix", "F\xffx"), "not valid UTF-8"},
		"overlong slash":     {change("Fix", "\xc0\xaf"), "not valid UTF-8"},
		"UTF-16":             {[]byte("\xff\xfe{\x00}\x00"), "not valid UTF-8"},
		"twice":              {change(`"version": 1`, `"version": 1, "version": 1`), "version: given twice"},
		"twice in data":      {change(`"branch"`, `"branch": "x", "branch"`), "data.branch: given twice"},
		"twice by escape":    {change(`"branch"`, `"\u0062ranch": "x", "branch"`), "data.branch: given twice"},
		"other case":         {change(`"branch"`, `"Branch": "x", "branch"`), "data: field with a name other than"},
		"other case alone":   {change(`"branch"`, `"BRANCH"`), "data: field with a name other than"},
		"long s":             {change(`"version"`, `"ver\u017fion"`), "field with a name other than"},
		"empty name":         {change(`"branch"`, `"": 1, "branch"`), "data: field with a name other than"},
		"prototype":          {change(`"branch"`, `"__proto__": 1, "branch"`), "data: unknown field __proto__"},
		"deep lists":         {bytes.Repeat([]byte("["), 1<<20), "nested deeper than"},
		"deep objects":       {bytes.Repeat([]byte(`{"a":`), 1<<18), "nested deeper than"},
		"deep in a field":    {change(`"subject": "`, `"x": [[[[[[[[[[[[[]]]]]]]]]]]]], "subject": "`), "nested deeper than"},
		"escaped newline":    {change("Fix", `\n`), "data.subject: "},
		"escaped escape":     {change("Fix", `\u001b[0m`), "data.subject: "},
		"escaped delete":     {change("Fix", `\u007f`), "data.subject: "},
		"escaped C1 control": {change("Fix", `\u009b`), "data.subject: "},
		"line separator":     {change("Fix", `\u2028`), "data.subject: "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := schemas.Validate(tt.payload)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Fatalf("got %v, want an error that begins %q", err, tt.want)
			}
			if strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 300 {
				t.Errorf("not one short line: %q", err)
			}
		})
	}
	for name, payload := range map[string][]byte{
		"brackets in strings": change("Fix", strings.Repeat("[{", 100)),
		"quote in strings":    change("Fix", `\"[[[[[[[[[[[[[[[[[\\`),
		"tab in a subject":    change("Fix", `\t`),
		"escaped name":        change(`"branch"`, `"\u0062ranch"`),
		"white space around":  append([]byte("\n\t "), good...),
	} {
		if err := schemas.Validate(payload); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestErrorsAreAlwaysTheSame(t *testing.T) {
	payload := []byte(`{"version":2,"type":"evil","topic":"x","id":1,"bot":{"x":1,"y":2},"zz":1,"yy":2}`)
	first := fmt.Sprint(schemas.Validate(payload))
	for range 50 {
		if again := fmt.Sprint(schemas.Validate(payload)); again != first {
			t.Fatalf("got %q, then %q", first, again)
		}
	}
}

func TestSchema(t *testing.T) {
	for _, typ := range message.Types() {
		if data, err := schemas.Schema(string(typ)); err != nil || len(data) == 0 {
			t.Errorf("schema of %s: %v", typ, err)
		}
	}
	if _, err := schemas.Schema("../go"); err == nil {
		t.Error("no error for what is not there")
	}
}

func FuzzValidate(f *testing.F) {
	for _, typ := range message.Types() {
		f.Add(example(f, typ))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if err := schemas.Validate(payload); err != nil && strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("error is not one line: %q", err)
		}
	})
}

func BenchmarkValidate(b *testing.B) {
	for _, typ := range []message.Type{message.TypeCommit, message.TypeBuild} {
		b.Run(string(typ), func(b *testing.B) {
			payload := example(b, typ)
			for b.Loop() {
				if err := schemas.Validate(payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
