package orig

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"path/filepath"
	"strings"
	"testing"
)

// makeDelta makes what pristine-tar keeps.
func makeDelta(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, h := range headers {
		text := h.Uname // borrowed for the content
		h.Uname, h.Mode = "", 0o644
		if h.Typeflag == 0 {
			h.Typeflag, h.Size = tar.TypeReg, int64(len(text))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestCheckDelta(t *testing.T) {
	manifest := func(text string) []byte {
		return makeDelta(t, tar.Header{Name: "version", Uname: "2\n"}, tar.Header{Name: "manifest", Uname: text})
	}
	links := map[string]bool{"out": true, "doc/out": true}
	for name, delta := range map[string][]byte{
		"plain":            manifest("hello-1.0/\nhello-1.0/a b\nhello-1.0/\\303\\251\nhello-1.0/..a\n"),
		"a link itself":    manifest("hello-1.0/out\nout\n"),
		"current folder":   manifest("./\n./a\n.\n"),
		"name with spaces": manifest("hello-1.0/-a\n"),
	} {
		if err := checkDelta(delta, links); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, delta := range map[string][]byte{
		"empty":              nil,
		"no tar":             []byte("hello, this is no tar file"),
		"broken gzip":        {0x1f, 0x8b, 1, 2, 3},
		"no manifest":        makeDelta(t, tar.Header{Name: "version", Uname: "2\n"}),
		"climbs":             manifest("hello-1.0/a\nhello-1.0/../../../etc/passwd\n"),
		"climbs back":        manifest("hello-1.0/../hello-1.0/a\n"),
		"absolute":           manifest("/etc/passwd\n"),
		"escaped dots":       manifest("hello-1.0/\\056\\056/\\056\\056/etc/passwd\n"),
		"escaped slash":      manifest("\\057etc/passwd\n"),
		"strange escape":     manifest("hello-1.0/\\999\n"),
		"option":             manifest("--checkpoint-action=exec=sh\n"),
		"escaped option":     manifest("\\055-to-command=sh\n"),
		"through a link":     manifest("hello-1.0/out/passwd\n"),
		"through a link, b":  manifest("out/passwd\n"),
		"through deep link":  manifest("hello-1.0/doc/out/x/y\n"),
		"link as part":       makeDelta(t, tar.Header{Name: "manifest", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}),
		"hard link as part":  makeDelta(t, tar.Header{Name: "delta", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}),
		"part elsewhere":     makeDelta(t, tar.Header{Name: "../manifest", Uname: "a\n"}),
		"part twice":         makeDelta(t, tar.Header{Name: "manifest", Uname: "a\n"}, tar.Header{Name: "manifest", Uname: "/b\n"}),
		"link in wrapper":    makeDelta(t, tar.Header{Name: "manifest", Uname: "a\n"}, tar.Header{Name: "wrapper", Uname: string(makeDelta(t, tar.Header{Name: "params", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}))}),
		"wrapper is no tar":  makeDelta(t, tar.Header{Name: "manifest", Uname: "a\n"}, tar.Header{Name: "wrapper", Uname: "nonsense"}),
		"line of a megabyte": manifest(strings.Repeat("a", 1<<20)),
	} {
		if err := checkDelta(delta, links); err == nil {
			t.Errorf("%s: believed", name)
		}
	}
}

func FuzzDelta(f *testing.F) {
	f.Add("hello-1.0/a\\303\n../x\n")
	f.Add("./\n\\057\n")
	f.Fuzz(func(t *testing.T, manifest string) {
		delta := makeDelta(t, tar.Header{Name: "manifest", Uname: manifest})
		if checkDelta(delta, map[string]bool{"out": true}) != nil {
			return
		}
		for line := range strings.Lines(manifest) {
			for _, name := range []string{strings.TrimSuffix(line, "\n"), unquoteManifest(strings.TrimSuffix(line, "\n"))} {
				joined := filepath.Join("/src/tree", name)
				if joined != "/src/tree" && !strings.HasPrefix(joined, "/src/tree/") || strings.HasPrefix(name, "-") {
					t.Fatalf("believed %q", name)
				}
			}
		}
	})
}
