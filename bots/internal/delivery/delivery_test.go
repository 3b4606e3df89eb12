package delivery

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foundry/pkg/debian"
	"foundry/pkg/message"
)

func TestCheck(t *testing.T) {
	const name = "hello_1.0-1_amd64.changes"
	sum := strings.Repeat("a", 64)
	version, err := debian.ParseVersion("1.0-1")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		why   string
		alter func(c *debian.Changes, files *[]message.Artifact)
		want  string
	}{
		{"good", func(*debian.Changes, *[]message.Artifact) {}, ""},
		{"binNMU", func(c *debian.Changes, _ *[]message.Artifact) { c.Version = version.Append("+b1") }, ""},
		{"other source", func(c *debian.Changes, _ *[]message.Artifact) { c.Source = "other" }, "is about other, not hello"},
		{"other version", func(c *debian.Changes, _ *[]message.Artifact) {
			c.Version, c.SourceVersion = version.Append("x"), version.Append("x")
		}, "is about version 1.0-1x, not 1.0-1"},
		{"other codename", func(c *debian.Changes, _ *[]message.Artifact) { c.Distribution = "sid" }, "is for sid, not bookworm"},
		{"no .changes", func(_ *debian.Changes, f *[]message.Artifact) { *f = (*f)[1:] }, "the build has no file"},
		{"file missing", func(_ *debian.Changes, f *[]message.Artifact) { *f = (*f)[:1] }, "lists hello.deb, which the build does not have"},
		{"other bytes", func(_ *debian.Changes, f *[]message.Artifact) {
			(*f)[1].SHA256 = message.Digest(strings.Repeat("b", 64))
		}, "does not list the bytes of hello.deb"},
		{"other size", func(_ *debian.Changes, f *[]message.Artifact) { (*f)[1].Size++ }, "does not list the bytes of hello.deb"},
		{"file too many", func(_ *debian.Changes, f *[]message.Artifact) { *f = append(*f, message.Artifact{Name: "extra.deb"}) }, "does not list extra.deb"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			c := &debian.Changes{
				Source: "hello", Version: version, SourceVersion: version, Distribution: "bookworm",
				Files: []debian.File{{Name: "hello.deb", Size: 3, SHA256: sum}},
			}
			files := []message.Artifact{{Name: name, Size: 9}, {Name: "hello.deb", Size: 3, SHA256: message.Digest(sum)}}
			tt.alter(c, &files)
			err := Check(c, name, message.Package{Source: "hello", Version: "1.0-1", Codename: "bookworm"}, files)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

func TestReadText(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.dsc")
	if _, err := ReadText(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want fs.ErrNotExist", err)
	}
	for size, want := range map[int]error{0: nil, MaxText: nil, MaxText + 1: ErrTooLarge} {
		if err := os.WriteFile(path, make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
		if text, err := ReadText(path); !errors.Is(err, want) || err == nil && len(text) != size {
			t.Errorf("%d bytes: got %d, %v, want %v", size, len(text), err, want)
		}
	}
}
