package artifacttest

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foundry/pkg/artifact"
)

// fetch takes files through the store from folder to folder.
func fetch(t *testing.T, o Opener) {
	ctx, s := testContext(t), o.Open(t)
	from, to := t.TempDir(), t.TempDir()
	for i, name := range []string{"hello_1.0-1.dsc", "ä b~+.deb", "-rf", strings.Repeat("n", artifact.MaxName)} {
		b := data(uint64(i), i*700_000)
		path := filepath.Join(from, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		ref, err := artifact.PutFile(ctx, s, path)
		if err != nil {
			t.Fatal(err)
		}
		if want := (artifact.Reference{Name: name, Size: int64(len(b)), SHA256: digestOf(b)}); ref != want {
			t.Errorf("reference %+v, want %+v", ref, want)
		}
		target := filepath.Join(to, name)
		for _, before := range []string{"nothing", "the same", "other bytes"} {
			if before == "other bytes" {
				if err := os.WriteFile(target, append([]byte("x"), b...), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := artifact.FetchFile(ctx, s, ref, to)
			if err != nil || got != target {
				t.Errorf("%s there: fetched %s, %v", before, got, err)
			}
			if content, err := os.ReadFile(target); err != nil || !bytes.Equal(content, b) {
				t.Errorf("%s there: %d bytes, %v", before, len(content), err)
			}
		}
	}
	digest := digestOf(data(1, 700_000))
	for name, ref := range map[string]artifact.Reference{
		"path":         {Name: "../x", Size: 700_000, SHA256: digest},
		"absolute":     {Name: "/etc/x", Size: 700_000, SHA256: digest},
		"no name":      {Size: 700_000, SHA256: digest},
		"parent":       {Name: "..", Size: 700_000, SHA256: digest},
		"newline":      {Name: "a\nb", Size: 700_000, SHA256: digest},
		"long name":    {Name: strings.Repeat("n", artifact.MaxName+1), Size: 700_000, SHA256: digest},
		"no digest":    {Name: "x", Size: 700_000, SHA256: "../x"},
		"smaller size": {Name: "x", Size: 699_999, SHA256: digest},
		"larger size":  {Name: "x", Size: 700_001, SHA256: digest},
		"not there":    {Name: "x", Size: 1, SHA256: digestOf([]byte("?"))},
	} {
		if got, err := artifact.FetchFile(ctx, s, ref, to); err == nil || got != "" {
			t.Errorf("%s: fetched %q, %v", name, got, err)
		}
	}
	if files, err := os.ReadDir(to); err != nil || len(files) != 4 {
		t.Errorf("left behind %v, %v", files, err)
	}
	if _, err := artifact.PutFile(ctx, s, from); err == nil {
		t.Error("put a folder")
	}
	if _, err := artifact.PutFile(ctx, s, filepath.Join(from, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("put what is not there: %v", err)
	}
}
