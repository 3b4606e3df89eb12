package target

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestListRead(t *testing.T) {
	const whole = `{"a":"1","b":"2"}` + "\n" + `{"a":"","c":"3"}` + "\n" + `{"b":null}` + "\n"
	for name, tt := range map[string]struct {
		text string
		want map[string]string
	}{
		"changes":        {whole, map[string]string{"a": "", "c": "3"}},
		"half a line":    {whole + `{"a":"4"`, map[string]string{"a": "", "c": "3"}},
		"no end of line": {whole + `{"a":"4"}`, map[string]string{"a": "", "c": "3"}},
		"damaged":        {whole + `{"a":{"d":"4"}` + "\n" + `{"a":"5"}` + "\n", map[string]string{}},
		"other content":  {"\x00\x00\n", map[string]string{}},
		"empty":          {"", map[string]string{}},
		"null":           {"null\n", map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newList(filepath.Join(t.TempDir(), "list"))
			if err := os.WriteFile(l.path, []byte(tt.text), 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := l.read()
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestListWrite(t *testing.T) {
	l := newList(filepath.Join(t.TempDir(), "state", "list"))
	if marks, err := l.read(); err != nil || len(marks) > 0 {
		t.Fatalf("a new list: %v, %v", marks, err)
	}
	if err := l.write(map[string]string{"a": "1", "b\n": "2"}); err != nil {
		t.Fatal(err)
	}
	l.set("a", "")
	l.set("c", "3")
	if err := l.flush(); err != nil {
		t.Fatal(err)
	}
	l.drop("b\n")
	if err := l.flush(); err != nil {
		t.Fatal(err)
	}
	got, err := newList(l.path).read()
	if diff := cmp.Diff(map[string]string{"a": "", "c": "3"}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
