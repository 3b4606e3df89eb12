package publishtest

import (
	"archive/tar"
	"bytes"
	"crypto/md5" //nolint:gosec // part of the .dsc format
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"foundry/pkg/message"
	"foundry/pkg/publish"
)

// Binary describes a binary package to make.
type Binary struct {
	Name, Version, Arch string
	Source              string // Source field; empty for none
	Content             string // of the one file in it
	Fields              string // more fields, each with its line end
	Extension           string // ".deb" if empty
}

// MakeDeb makes a binary package in dir with dpkg-deb and returns its path.
func MakeDeb(t testing.TB, dir string, b Binary) string {
	t.Helper()
	tree := t.TempDir()
	control := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: Test <test@example.org>\nDescription: test package\n more about it\n .\n the end\n", b.Name, b.Version, b.Arch)
	if b.Source != "" {
		control += "Source: " + b.Source + "\n"
	}
	write(t, filepath.Join(tree, "DEBIAN", "control"), control+b.Fields)
	write(t, filepath.Join(tree, "usr", "share", b.Name, "content"), b.Content)
	extension := b.Extension
	if extension == "" {
		extension = ".deb"
	}
	_, version, found := strings.Cut(b.Version, ":")
	if !found {
		version = b.Version
	}
	path := filepath.Join(dir, b.Name+"_"+version+"_"+b.Arch+extension)
	cmd := exec.Command("dpkg-deb", "--root-owner-group", "--build", tree, path)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v: %s", err, out)
	}
	return path
}

// MakeSource makes a source package in dir, with the given orig tarball content, and returns the
// path of the .dsc and of the files beside it. The tarballs are not real ones: a repository does
// not look into them. more are what else belongs to the upstream version, such as "orig-docs.tar.gz" or
// "orig.tar.xz.asc".
func MakeSource(t testing.TB, dir, name, version, orig string, more ...string) (dsc string, files []string) {
	t.Helper()
	_, plain, found := strings.Cut(version, ":")
	if !found {
		plain = version
	}
	upstream, _, _ := strings.Cut(plain, "-")
	contents := map[string]string{
		fmt.Sprintf("%s_%s.orig.tar.xz", name, upstream): orig,
		fmt.Sprintf("%s_%s.debian.tar.xz", name, plain):  "debian " + version,
	}
	for _, m := range more {
		contents[fmt.Sprintf("%s_%s.%s", name, upstream, m)] = orig + " " + m
	}
	var md5s, sha256s bytes.Buffer
	for _, file := range slices.Sorted(maps.Keys(contents)) {
		content := contents[file]
		write(t, filepath.Join(dir, file), content)
		files = append(files, filepath.Join(dir, file))
		fmt.Fprintf(&md5s, " %x %d %s\n", md5.Sum([]byte(content)), len(content), file) //nolint:gosec // as above
		fmt.Fprintf(&sha256s, " %x %d %s\n", sha256.Sum256([]byte(content)), len(content), file)
	}
	dsc = filepath.Join(dir, name+"_"+plain+".dsc")
	write(t, dsc, fmt.Sprintf("Format: 3.0 (quilt)\nSource: %s\nBinary: %s\nArchitecture: any all\nVersion: %s\nMaintainer: Test <test@example.org>\nStandards-Version: 4.6.2\nBuild-Depends: debhelper-compat (= 13)\nChecksums-Sha256:\n%sFiles:\n%s",
		name, name, version, sha256s.Bytes(), md5s.Bytes()))
	return dsc, files
}

// upload makes an upload for alpha with one package of the given name for each architecture. The
// first brings the source.
func (f *fixture) upload(t testing.TB, name, version string, arches ...string) publish.Upload {
	t.Helper()
	dir := f.folder(t)
	u := publish.Upload{
		Package:      message.Package{Source: name, Version: version, Codename: "alpha"},
		Architecture: arches[0],
	}
	for _, arch := range arches {
		binary := name
		if len(arches) > 1 && arch == "all" {
			binary += "-data"
		}
		b := Binary{Name: binary, Version: version, Arch: arch, Content: version}
		if binary != name {
			b.Source = name
		}
		u.Files = append(u.Files, MakeDeb(t, dir, b))
	}
	u.Dsc, u.SourceFiles = MakeSource(t, dir, name, version, "orig of "+name)
	_, plain, found := strings.Cut(version, ":")
	if !found {
		plain = version
	}
	u.Buildinfo = []string{filepath.Join(dir, name+"_"+plain+"_"+arches[0]+".buildinfo")}
	write(t, u.Buildinfo[0], "Format: 1.0\n")
	return u
}

// folder makes an empty folder for packages.
func (f *fixture) folder(t testing.TB) string {
	t.Helper()
	f.made++
	dir := filepath.Join(f.packages, fmt.Sprint(f.made))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// MakeTar makes a tar archive of one file.
func MakeTar(t testing.TB, name string, size int64, content io.Reader) []byte {
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

// RawDeb makes a package file whose control member has the given name and bytes, whatever they are.
func RawDeb(t testing.TB, name string, member []byte) string {
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
