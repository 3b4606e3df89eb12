package ledger

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"foundry/pkg/debian"
	"foundry/pkg/publish/aptly/catalog"
)

func shown(t testing.TB) (*catalog.Entry, *Text) {
	t.Helper()
	v, err := debian.ParseVersion("1:1.0-1")
	if err != nil {
		t.Fatal(err)
	}
	e := &catalog.Entry{
		Key: "Pamd64 hello 1:1.0-1 0", Name: "hello", Version: "1:1.0-1", Parsed: v, Arch: "amd64", Udeb: true, Section: "contrib/net",
		Source: "hello-source", SourceVersion: "1:1.0", UsedSources: []string{"a 1", "b 2"},
		Files: []catalog.File{{Name: "hello.udeb", Pool: "ab/cd/x", Size: 1 << 40, SHA256: "abcd"}, {Name: "more"}},
	}
	return e, &Text{Stanza: []byte("Package: hello\nFilename: hello.udeb\n\n"), At: 25, Translation: []byte("Package: hello\n\n"), Paths: []string{"a b", "ü"}}
}

// TestEncode reads what was written.
func TestEncode(t *testing.T) {
	e, text := shown(t)
	for _, bare := range []bool{false, true} {
		if bare {
			e.UsedSources, e.Udeb, text.Translation, text.Paths = nil, false, nil, nil
		}
		gotEntry, gotText, err := decode(e.Key, encode(e, text))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, gotEntry, cmpopts.IgnoreUnexported(catalog.Entry{})); diff != "" {
			t.Errorf("entry (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(text, gotText); diff != "" {
			t.Errorf("text (-want +got):\n%s", diff)
		}
	}
	if got := string(text.In("pool/main/")); got != "Package: hello\nFilename: pool/main/hello.udeb\n\n" {
		t.Errorf("with its folder: %q", got)
	}
}

// FuzzDecode checks that no damaged record makes the repository panic.
func FuzzDecode(f *testing.F) {
	e, text := shown(f)
	good := encode(e, text)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		e, text, err := decode("key", data)
		if err != nil {
			return
		}
		_ = text.In("dir")
		_ = e.Published()
	})
}
