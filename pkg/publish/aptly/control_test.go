package aptly

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"foundry/pkg/publish"
	"foundry/pkg/publish/publishtest"
)

const control = "Package: hello\nVersion: 1.0\nArchitecture: amd64\n"

// tarOf makes a tar archive of one file.
func tarOf(t testing.TB, name string, size int64, content io.Reader) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// debOf makes a package file with the given control member.
func debOf(t testing.TB, name string, member []byte) string {
	t.Helper()
	var out bytes.Buffer
	out.WriteString("!<arch>\n")
	for _, m := range []struct {
		name string
		data []byte
	}{{"debian-binary", []byte("2.0\n")}, {name, member}, {"data.tar", nil}} {
		fmt.Fprintf(&out, "%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", m.name, 0, 0, 0, "100644", len(m.data), m.data)
		if len(m.data)%2 == 1 {
			out.WriteByte('\n')
		}
	}
	path := filepath.Join(t.TempDir(), "hello_1.0_amd64.deb")
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func gz(t testing.TB, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func xz(t testing.TB, data []byte) []byte {
	t.Helper()
	cmd := exec.Command("xz", "-1", "--stdout")
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("xz (apt-get install xz-utils): %v", err)
	}
	return out
}

func TestReadControl(t *testing.T) {
	plain := tarOf(t, "./control", int64(len(control)), strings.NewReader(control))
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, member := range map[string][]byte{
		"control.tar": plain, "control.tar.gz": gz(t, plain), "control.tar.xz": xz(t, plain), "control.tar.zst": encoder.EncodeAll(plain, nil),
	} {
		stanza, err := readControl(t.Context(), debOf(t, name, member))
		if err != nil || stanza["Package"] != "hello" {
			t.Errorf("%s: %v, %v", name, stanza, err)
		}
	}
}

// TestReadControlRefuses tries broken, hostile and exploding control members.
func TestReadControlRefuses(t *testing.T) {
	zeros := io.LimitReader(zeroReader{}, maxControlTar+1)
	bomb := tarOf(t, "./zeros", maxControlTar+1, zeros)
	huge := strings.Repeat("X-A: a\n", maxControl/7+1)
	for name, c := range map[string]struct {
		member string
		data   []byte
		words  string
	}{
		"unknown compression": {"control.tar.lz", nil, "unknown compression"},
		"no gzip":             {"control.tar.gz", []byte("x"), ""},
		"no xz":               {"control.tar.xz", []byte("x"), ""},
		"no zstd":             {"control.tar.zst", []byte("x"), ""},
		"no tar":              {"control.tar", bytes.Repeat([]byte("x"), 600), ""},
		"no control":          {"control.tar", tarOf(t, "./md5sums", 0, strings.NewReader("")), "no control file"},
		"empty control":       {"control.tar", tarOf(t, "./control", 0, strings.NewReader("")), "control file is empty"},
		"two paragraphs":      {"control.tar", tarOf(t, "control", int64(len(control)*2+1), strings.NewReader(control+"\n"+control)), "more than one paragraph"},
		"no fields":           {"control.tar", tarOf(t, "control", 3, strings.NewReader("abc")), "malformed"},
		"huge control":        {"control.tar", tarOf(t, "control", int64(len(huge)), strings.NewReader(huge)), "more than"},
		"gzip bomb":           {"control.tar.gz", gz(t, bomb), ""},
		"xz bomb":             {"control.tar.xz", xz(t, bomb), ""},
	} {
		t.Run(name, func(t *testing.T) {
			stanza, err := readControl(t.Context(), debOf(t, c.member, c.data))
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v, %v, want it to say %q", stanza, err, c.words)
			}
		})
	}
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestSplitSource(t *testing.T) {
	for field, want := range map[string][2]string{
		"hello":         {"hello", "2"},
		"hello (1.0-1)": {"hello", "1.0-1"},
		"hello(1:1.0)":  {"hello", "1:1.0"},
		" hello  ( 1 )": {"hello", "1"},
	} {
		name, version := splitSource(field, "2")
		if diff := cmp.Diff(want, [2]string{name, version}); diff != "" {
			t.Errorf("%q (-want +got):\n%s", field, diff)
		}
	}
	want := []string{"gcc-12 12.2.0-14", "glibc 2.36-9"}
	if diff := cmp.Diff(want, usedSources("gcc-12 (= 12.2.0-14), glibc (=2.36-9), odd, ")); diff != "" {
		t.Errorf("Built-Using (-want +got):\n%s", diff)
	}
}

// TestBuiltUsing keeps a source that a package of another one was built with.
func TestBuiltUsing(t *testing.T) {
	b := newBench(t)
	b.include(t, "golib", "1.0-1")
	u := b.upload(t, "tool", "1.0-1")
	u.Files = []string{publishtest.MakeDeb(t, b.files, publishtest.Binary{
		Name: "tool", Version: "1.0-1", Arch: "amd64", Fields: "Static-Built-Using: golib (= 1.0-1), other (= 2)\n",
	})}
	if _, err := b.Include(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	b.include(t, "golib", "1.0-2")
	sources, err := os.ReadFile(filepath.Join(b.opts.Output, "dists/alpha/main/source/Sources"))
	if err != nil || strings.Count(string(sources), "Package: golib\n") != 2 {
		t.Errorf("%v, want both versions of golib:\n%s", err, sources)
	}
}

// FuzzReadDsc checks that no .dsc makes the repository panic or take a file from elsewhere.
func FuzzReadDsc(f *testing.F) {
	dir := f.TempDir()
	dsc, files := publishtest.MakeSource(f, dir, "hello", "1.0-1", "orig")
	text, err := os.ReadFile(dsc)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(bytes.ReplaceAll(text, []byte("hello_1.0.orig"), []byte("../x")))
	f.Add([]byte("-----BEGIN PGP SIGNED MESSAGE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "hello_1.0-1.dsc")
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		u := publish.Upload{Dsc: path, SourceFiles: files}
		u.Source, u.Version = "hello", "1.0-1"
		c, err := readSource(publishtest.Suites()[0], u)
		if err != nil {
			return
		}
		for _, file := range c.files {
			if filepath.Dir(file.path) != "pool/main/h/hello" {
				t.Fatalf("a file at %s", file.path)
			}
		}
	})
}

// FuzzControl checks that no control file makes the repository panic or show lines that are not its
// fields.
func FuzzControl(f *testing.F) {
	f.Add([]byte(control))
	f.Add([]byte(control + "Description: a\n b\n .\n c\nFilename: ../../x\nSize: 1\nSHA256: x\n"))
	f.Add([]byte(control + "Depends: a, b\n\tc\nSource: x (1)\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := debOf(t, "control.tar", tarOf(t, "control", int64(len(text)), bytes.NewReader(text)))
		u := publish.Upload{Files: []string{path}}
		u.Source, u.Version = "hello", "1.0"
		c, err := readBinary(t.Context(), publishtest.Suites()[0], u, path)
		if err != nil {
			return
		}
		paragraph := string(c.paragraph)
		if strings.Count(paragraph, "\n\n") != 1 || !strings.HasSuffix(paragraph, "\n\n") {
			t.Fatalf("not one paragraph: %q", paragraph)
		}
		if n := strings.Count("\n"+paragraph, "\nFilename: pool/main/h/hello/hello_1.0_amd64.deb\n"); n != 1 || strings.Count("\n"+paragraph, "\nFilename:") != 1 {
			t.Fatalf("Filename %d times: %q", n, paragraph)
		}
	})
}
