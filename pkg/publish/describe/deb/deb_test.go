package deb

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/debian"
)

func example() Package {
	long := strings.Repeat("long/", 40) + "name with spaces and ünïcode"
	return Package{
		Time: time.Date(2026, 11, 21, 6, 55, 1, 999, time.UTC),
		Control: debian.Stanza{
			{Name: "Package", Value: "hello"},
			{Name: "Version", Value: "1.0"},
			{Name: "Architecture", Value: "all"},
			{Name: "Maintainer", Value: "Test <test@example.org>"},
			{Name: "Description", Value: "short\nlong\n.\nend"},
		},
		Files: []File{
			{Path: "usr/share/doc/hello/copyright", Content: []byte("free\n")},
			{Path: "etc/hello/conf", Content: []byte("a=b\n"), Conffile: true},
			{Path: "usr/share/" + long, Content: bytes.Repeat([]byte{0}, 3000)},
			{Path: "usr/share/empty"},
		},
	}
}

func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestBuild lets dpkg-deb read a package.
func TestBuild(t *testing.T) {
	data, err := example().Build()
	if err != nil {
		t.Fatal(err)
	}
	file, tree := filepath.Join(t.TempDir(), "hello_1.0_all.deb"), t.TempDir()
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	want := "Package: hello\nVersion: 1.0\nArchitecture: all\nMaintainer: Test <test@example.org>\nDescription: short\n long\n .\n end\nInstalled-Size: 52\n"
	if diff := cmp.Diff(want, run(t, "dpkg-deb", "--field", file)); diff != "" {
		t.Errorf("control (-want +got):\n%s", diff)
	}
	if got := run(t, "dpkg-deb", "-I", file, "conffiles"); got != "/etc/hello/conf\n" {
		t.Errorf("conffiles: %q", got)
	}
	run(t, "dpkg-deb", "--raw-extract", file, tree)
	for _, f := range example().Files {
		got, err := os.ReadFile(filepath.Join(tree, f.Path))
		if err != nil || !bytes.Equal(got, f.Content) {
			t.Errorf("%s: %d bytes, %v", f.Path, len(got), err)
		}
	}
	sums := exec.Command("md5sum", "--check", "--strict", "DEBIAN/md5sums")
	sums.Dir = tree
	if out, err := sums.CombinedOutput(); err != nil || strings.Count(string(out), ": OK") != 3 {
		t.Errorf("md5sums: %v: %s", err, out)
	}
	for line := range strings.Lines(run(t, "sh", "-c", `TZ=UTC dpkg-deb --fsys-tarfile "$1" | TZ=UTC tar -tv --full-time`, "sh", file)) {
		if !strings.Contains(line, " root/root ") || !strings.Contains(line, "2026-11-21 06:55:01") {
			t.Errorf("not of root or of another time: %s", line)
		}
	}
}

// TestRepeatable builds twice, from files in another order, and with other contents.
func TestRepeatable(t *testing.T) {
	first, err := example().Build()
	if err != nil {
		t.Fatal(err)
	}
	p := example()
	p.Files[0], p.Files[2] = p.Files[2], p.Files[0]
	again, err := p.Build()
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("the same package has other bytes: %v", err)
	}
	sum, err := example().Sum()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(p *Package){
		"content": func(p *Package) { p.Files[0].Content = []byte("other") }, "path": func(p *Package) { p.Files[0].Path += "x" },
		"conffile": func(p *Package) { p.Files[1].Conffile = false }, "control": func(p *Package) { p.Control[1].Value = "1.1" },
		"time": func(p *Package) { p.Time = p.Time.Add(time.Second) },
	} {
		p := example()
		change(&p)
		if other, err := p.Sum(); err != nil || other == sum {
			t.Errorf("%s: the same sum, %v", name, err)
		}
	}
}

func TestRefuses(t *testing.T) {
	for _, path := range []string{"", "/etc/passwd", "../x", "usr/../../x", "usr//x", "usr/", "a\nb", "usr/share/empty"} {
		p := example()
		p.Files = append(p.Files, File{Path: path})
		if _, err := p.Build(); err == nil {
			t.Errorf("%q was packed", path)
		}
	}
}
