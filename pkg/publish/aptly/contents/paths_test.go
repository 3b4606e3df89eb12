package contents

import (
	"archive/tar"
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/debian"
	"foundry/pkg/message"
	"foundry/pkg/publish"
	"foundry/pkg/publish/publishtest"
)

// tarOf makes an archive of headers, each with as much content as it says.
func tarOf(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		h.Mode = 0o755
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, h.Size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestReadPaths(t *testing.T) {
	long := strings.Repeat("d/", 300) + "end"
	got, err := readPaths(bytes.NewReader(tarOf(t,
		tar.Header{Name: "./", Typeflag: tar.TypeDir},
		tar.Header{Name: "./usr/", Typeflag: tar.TypeDir},
		tar.Header{Name: "./usr/bin/b", Size: 700},
		tar.Header{Name: "/usr/bin/a"},
		tar.Header{Name: "usr/bin/a"},
		tar.Header{Name: "./usr/share/with space"},
		tar.Header{Name: "./usr/share/grün"},
		tar.Header{Name: "./usr/share/two\nlines"},
		tar.Header{Name: "./usr/lib/link", Typeflag: tar.TypeSymlink, Linkname: "b"},
		tar.Header{Name: "./usr/lib/hard", Typeflag: tar.TypeLink, Linkname: "./usr/bin/b"},
		tar.Header{Name: "./" + long},
		tar.Header{Name: "./.hidden"},
	)))
	want := []string{
		".hidden", long, "usr/bin/a", "usr/bin/b", "usr/lib/hard", "usr/lib/link", "usr/share/grün", "usr/share/with space",
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}

// TestPathsLikeDpkg compares with what dpkg-deb lists of a package that it has made, in each compression.
func TestPathsLikeDpkg(t *testing.T) {
	tree := t.TempDir()
	for name, text := range map[string]string{
		"DEBIAN/control": control + "Section: contrib/devel\nMaintainer: Test <test@example.org>\nDescription: test\n",
		"usr/bin/hello":  "x", "usr/share/a b": "", "usr/share/é": "", "etc/x": "", "usr/share/\xff": "",
	} {
		path := filepath.Join(tree, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for _, compression := range []string{"xz", "gzip", "zstd", "none"} {
		t.Run(compression, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "hello_1.0_amd64.deb")
			if out, err := exec.Command("dpkg-deb", "-Z"+compression, "--root-owner-group", "--build", tree, file).CombinedOutput(); err != nil {
				t.Fatalf("dpkg-deb: %v: %s", err, out)
			}
			u := publish.Upload{Files: []string{file}}
			u.Source, u.Version = "hello", "1.0"
			p, err := ReadBinary(t.Context(), publishtest.Suites()[0], u, file)
			if err != nil {
				t.Fatal(err)
			}
			listed, err := exec.Command("sh", "-c", `dpkg-deb --fsys-tarfile "$0" | tar --quoting-style=literal -t`, file).Output()
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for line := range strings.Lines(string(listed)) {
				if line = strings.TrimSuffix(line, "\n"); !strings.HasSuffix(line, "/") {
					want = append(want, strings.TrimPrefix(line, "./"))
				}
			}
			slices.Sort(want)
			if diff := cmp.Diff(want, p.Paths); diff != "" {
				t.Errorf("paths (-dpkg +got):\n%s", diff)
			}
			alone, err := Paths(t.Context(), file)
			if diff := cmp.Diff(p.Paths, alone); diff != "" || err != nil {
				t.Errorf("%v, paths alone (-with all +got):\n%s", err, diff)
			}
			if p.Section != "contrib/devel" {
				t.Errorf("section %q", p.Section)
			}
		})
	}
}

// TestSums reads small and large packages with signatures.
func TestSums(t *testing.T) {
	for _, size := range []int{10, 3 << 20} {
		content := make([]byte, size)
		for i := range content {
			content[i] = byte(i * i >> 3) // does not compress to nothing
		}
		built := publishtest.MakeDeb(t, t.TempDir(), publishtest.Binary{Name: "hello", Version: "1.0", Arch: "amd64", Content: string(content)})
		d, err := debian.OpenDeb(built)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		var signed bytes.Buffer
		if err := d.WriteSigned(&signed, []byte("signature")); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "hello_1.0_amd64.deb")
		plain, err := os.ReadFile(built)
		if err := errors.Join(err, os.WriteFile(file, signed.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
		b, err := readDeb(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		sum, old, below := sha256.Sum256(signed.Bytes()), md5.Sum(signed.Bytes()), sha256.Sum256(plain)
		want := []string{hex.EncodeToString(sum[:]), hex.EncodeToString(old[:]), hex.EncodeToString(below[:]), fmt.Sprint(signed.Len())}
		if diff := cmp.Diff(want, []string{b.sums.SHA256, b.sums.MD5, string(b.built), fmt.Sprint(b.sums.Size)}); diff != "" {
			t.Errorf("%d bytes (-want +got):\n%s", size, diff)
		}
		if again, err := BuiltSum(built); err != nil || again != b.built {
			t.Errorf("%s, %v, built package has another sum than the signed one", again, err)
		}
		if !SameBelowSignature(file, built) {
			t.Error("not the same below the signature")
		}
	}
}

func TestReadDebRefuses(t *testing.T) {
	controlTar := tarOf(t, tar.Header{Name: "./control"})
	good := publishtest.MakeTar(t, "./control", int64(len(control)), strings.NewReader(control))
	data := tarOf(t, tar.Header{Name: "./x", Size: 5000})
	for name, c := range map[string]struct {
		member  string
		control []byte
		name    string
		data    []byte
		words   string
	}{
		"two control files":   {"control.tar", append(bytes.Clone(good[:1024]), good...), "data.tar", nil, "two control files"},
		"control is a link":   {"control.tar", tarOf(t, tar.Header{Name: "control", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}), "data.tar", nil, "not a plain file"},
		"empty control":       {"control.tar", controlTar, "data.tar", nil, "control file is empty"},
		"data cut short":      {"control.tar", good, "data.tar", data[:1000], "data.tar: "},
		"data.xz cut short":   {"control.tar", good, "data.tar.xz", xzOf(t, data)[:60], "data.tar.xz: "},
		"data.xz altered":     {"control.tar", good, "data.tar.xz", altered(xzOf(t, data)), "data.tar.xz: "},
		"data.gz cut short":   {"control.tar", good, "data.tar.gz", gz(t, data)[:40], "data.tar.gz: "},
		"rubbish behind":      {"control.tar", good, "data.tar.xz", append(xzOf(t, data), "rubbish!"...), "data.tar.xz: "},
		"unknown compression": {"control.tar", good, "data.tar.lzma", data, "unknown compression"},
		"long path":           {"control.tar", good, "data.tar", tarOf(t, tar.Header{Name: strings.Repeat("x/", maxPath)}), "more than 4095"},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := readDeb(t.Context(), rawDeb(t, c.member, c.control, c.name, c.data))
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v, %v, want it to say %q", b, err, c.words)
			}
		})
	}
}

// altered changes a byte of the check at the end of the compressed data.
func altered(data []byte) []byte {
	data[len(data)/2] ^= 0x10
	return data
}

// rawDeb writes a package of members as they are given.
func rawDeb(t testing.TB, control string, controlTar []byte, data string, dataTar []byte) string {
	t.Helper()
	var out bytes.Buffer
	out.WriteString("!<arch>\n")
	for _, m := range []struct {
		name string
		data []byte
	}{{"debian-binary", []byte("2.0\n")}, {control, controlTar}, {data, dataTar}} {
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

func TestSourceSection(t *testing.T) {
	for list, want := range map[string]string{
		"":                                   "",
		"\n a deb contrib/devel optional\n":  "contrib/devel",
		"\n a deb contrib/x o\n b deb y o":   "y",
		"\n a deb unknown optional\n broken": "",
	} {
		if got := sourceSection(list); got != want {
			t.Errorf("%q: %q, want %q", list, got, want)
		}
	}
}

// FuzzReadDeb checks that no package makes the reader panic, or show paths that break lines of Contents, and that the
// decoder in this process says of xz what the program does.
func FuzzReadDeb(f *testing.F) {
	good := publishtest.MakeTar(f, "./control", int64(len(control)), strings.NewReader(control))
	data := tarOf(f, tar.Header{Name: "./usr/x", Size: 100}, tar.Header{Name: "./two\nlines"})
	f.Add("control.tar", good, "data.tar", data)
	f.Add("control.tar.xz", xzOf(f, good), "data.tar.xz", xzOf(f, data))
	f.Add("control.tar.gz", gz(f, good), "data.tar.gz", gz(f, data))
	f.Fuzz(func(t *testing.T, controlName string, controlTar []byte, dataName string, dataTar []byte) {
		if len(controlName) > 16 || len(dataName) > 16 {
			return
		}
		file := rawDeb(t, controlName, controlTar, dataName, dataTar)
		b, err := readDeb(t.Context(), file)
		if err != nil {
			return
		}
		if b.built == "" || b.built != message.Digest(b.sums.SHA256) {
			t.Fatalf("package without signatures has sums %s and %s", b.built, b.sums.SHA256)
		}
		for _, p := range b.paths {
			if p == "" || p[0] == '/' || strings.HasSuffix(p, "/") || strings.Contains(p, "\n") {
				t.Fatalf("path %q", p)
			}
		}
		if dataName == "data.tar.xz" {
			check := exec.Command("xz", "--decompress", "--stdout")
			check.Stdin = bytes.NewReader(dataTar)
			if err := check.Run(); err != nil {
				t.Fatalf("the program refuses what was read: %v", err)
			}
		}
	})
}
