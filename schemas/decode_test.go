package schemas

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// reference is what encoding/json makes of a payload.
func reference(t *testing.T, payload []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	var want any
	if err := d.Decode(&want); err != nil {
		t.Fatalf("decoded what encoding/json does not: %v", err)
	}
	return want
}

// FuzzDecode holds the decoder against encoding/json: what it accepts, it understands in the same
// way.
func FuzzDecode(f *testing.F) {
	paths, err := filepath.Glob("examples/*/*.json")
	if err != nil || len(paths) == 0 {
		f.Fatalf("no examples: %v", err)
	}
	for _, path := range paths {
		payload, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
	}
	for _, text := range []string{
		`{}`, `[]`, ` [ 1 , -2.5 , 1e-3 ] `, `{ "a" : { } , "b" : [ ] }`, `"\u00e4\n\"\\"`, `{"a":"\ud83d\ude00 \ud800"}`,
		`true`, `null`, `0`, `{"a":[[],{"b":false}]}`, `{"a":1,"a":2}`, `{"A":1}`, "\t\r\n1",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := decode(payload)
		if err != nil {
			return
		}
		if diff := cmp.Diff(reference(t, payload), got); diff != "" {
			t.Errorf("(-encoding/json +decode)\n%s", diff)
		}
	})
}
