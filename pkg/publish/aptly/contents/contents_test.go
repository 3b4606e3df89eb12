package contents

import (
	"bytes"
	"compress/gzip"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"foundry/pkg/publish/publishtest"
)

const control = "Package: hello\nVersion: 1.0\nArchitecture: amd64\n"

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

func xzOf(t testing.TB, data []byte) []byte {
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
	plain := publishtest.MakeTar(t, "./control", int64(len(control)), strings.NewReader(control))
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, member := range map[string][]byte{
		"control.tar": plain, "control.tar.gz": gz(t, plain), "control.tar.xz": xzOf(t, plain), "control.tar.zst": encoder.EncodeAll(plain, nil),
	} {
		read, err := readDeb(t.Context(), publishtest.RawDeb(t, name, member))
		if err != nil || read.stanza["Package"] != "hello" {
			t.Errorf("%s: %v, %v", name, read, err)
		}
	}
}

// TestReadControlRefuses tries broken, hostile and exploding control members.
func TestReadControlRefuses(t *testing.T) {
	zeros := io.LimitReader(zeroReader{}, maxControlTar+1)
	bomb := publishtest.MakeTar(t, "./zeros", maxControlTar+1, zeros)
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
		"no control":          {"control.tar", publishtest.MakeTar(t, "./md5sums", 0, strings.NewReader("")), "no control file"},
		"empty control":       {"control.tar", publishtest.MakeTar(t, "./control", 0, strings.NewReader("")), "control file is empty"},
		"two paragraphs":      {"control.tar", publishtest.MakeTar(t, "control", int64(len(control)*2+1), strings.NewReader(control+"\n"+control)), "more than one paragraph"},
		"no fields":           {"control.tar", publishtest.MakeTar(t, "control", 3, strings.NewReader("abc")), "malformed"},
		"huge control":        {"control.tar", publishtest.MakeTar(t, "control", int64(len(huge)), strings.NewReader(huge)), "more than"},
		"gzip bomb":           {"control.tar.gz", gz(t, bomb), ""},
		"xz bomb":             {"control.tar.xz", xzOf(t, bomb), ""},
	} {
		t.Run(name, func(t *testing.T) {
			read, err := readDeb(t.Context(), publishtest.RawDeb(t, c.member, c.data))
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v, %v, want it to say %q", read, err, c.words)
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
		name, version := SplitSource(field, "2")
		if diff := cmp.Diff(want, [2]string{name, version}); diff != "" {
			t.Errorf("%q (-want +got):\n%s", field, diff)
		}
	}
	want := []string{"gcc-12 12.2.0-14", "glibc 2.36-9"}
	if diff := cmp.Diff(want, UsedSources("gcc-12 (= 12.2.0-14), glibc (=2.36-9), odd, ")); diff != "" {
		t.Errorf("Built-Using (-want +got):\n%s", diff)
	}
}
