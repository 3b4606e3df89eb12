package index

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/xi2/xz"
)

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// run runs a program that the package installs.
func run(t *testing.T, pkg, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%v\nhint: apt-get install %s", err, pkg)
	}
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return string(out)
}

// files are those that programs have to read.
func files() map[string]*File {
	var stanzas, lines, mixed []Change
	for i := range 2000 {
		key := fmt.Sprintf("package-%04d\x001.%d\x00amd64", i, i)
		stanzas = append(stanzas, Change{key, fmt.Appendf(nil, "Package: package-%04d\nVersion: 1.%d\nDescription: Größe %x\n\n", i, i, digest([]byte(key)))})
		path := fmt.Sprintf("usr/share/with blank/ß%d/\xff%d", i%17, i)
		lines = append(lines, Change{path, fmt.Appendf(nil, "%-55s utils/package-%d\n", path, i)})
	}
	huge := bytes.Repeat([]byte("all work and no play\n"), 500_000)
	mixed = []Change{{"", []byte("the empty key\n")}, {"a", []byte{}}, {"b", huge}, {"c", []byte("c\n")}}
	return map[string]*File{
		"empty":   New(100),
		"emptied": New(10).With(stanzas).With([]Change{{stanzas[0].Key, nil}}).With(removed(stanzas)),
		"nothing": New(100).With([]Change{{"a", []byte{}}, {"b", []byte{}}}),
		"one":     New(100).With(stanzas[:1]),
		"stanzas": New(100).With(stanzas),
		"lines":   New(3).With(lines),
		"mixed":   New(1).With(mixed),
	}
}

func removed(changes []Change) []Change {
	list := make([]Change, len(changes))
	for i, c := range changes {
		list[i].Key = c.Key
	}
	return list
}

// TestProgramsRead lets the programs that clients have read every form.
func TestProgramsRead(t *testing.T) {
	const python = "import gzip, lzma, sys; sys.stdout.buffer.write({'.gz': gzip, '.xz': lzma}[sys.argv[1][-3:]].open(sys.argv[1]).read())"
	for name, f := range files() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made := build(t, f, all...)
			for _, form := range all[1:] {
				path := filepath.Join(t.TempDir(), "Index"+string(form))
				if err := os.WriteFile(path, []byte(made[form]), 0o644); err != nil {
					t.Fatal(err)
				}
				read := map[string]string{
					"apt": run(t, "apt", "/usr/lib/apt/apt-helper", "cat-file", path),
					"Go":  decoded(t, form, made[form]),
				}
				switch form {
				case Gzip:
					read["gzip"] = run(t, "gzip", "gzip", "-dc", path)
					read["Python"] = run(t, "python3", "python3", "-c", python, path)
				case Xz:
					read["xz"] = run(t, "xz-utils", "xz", "-dc", path)
					read["xz with threads"] = run(t, "xz-utils", "xz", "-dc", "-T4", path)
					read["Python"] = run(t, "python3", "python3", "-c", python, path)
				case Zstd:
					read["zstd"] = run(t, "zstd", "zstd", "-dcq", path)
				}
				for program, got := range read {
					if got != made[Plain] {
						t.Errorf("%s reads %d bytes of %s, not the %d that are in it", program, len(got), path, len(made[Plain]))
					}
				}
			}
			if f.Len() == 0 && made[Plain] != "" {
				t.Errorf("no record, and %q", made[Plain])
			}
		})
	}
}

// decoded reads a form with decoders written in Go.
func decoded(t *testing.T, form Form, data string) string {
	t.Helper()
	var r io.Reader
	var err error
	switch form {
	case Gzip:
		r, err = gzip.NewReader(strings.NewReader(data))
	case Zstd:
		r, err = zstd.NewReader(strings.NewReader(data))
	case Xz:
		r, err = xz.NewReader(strings.NewReader(data), xz.DefaultDictMax)
	}
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read %s: %v", form, err)
	}
	return string(plain)
}

// TestListing looks at what xz says of a stream put together: it has one block for each segment and
// nothing more.
func TestListing(t *testing.T) {
	f := files()["stanzas"]
	path := filepath.Join(t.TempDir(), "Index.xz")
	if err := os.WriteFile(path, []byte(build(t, f, Xz)[Xz]), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, "xz-utils", "xz", "--test", path)
	fields := strings.Split(strings.Split(run(t, "xz-utils", "xz", "--list", "--robot", path), "\n")[1], "\t")
	want := []string{"file", "1", fmt.Sprint(len(f.segments)), fields[3], fmt.Sprint(f.Size()), fields[5], "CRC64", "0"}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("streams, blocks, sizes, check, padding (-want +got):\n%s", diff)
	}
}
