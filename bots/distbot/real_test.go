package main

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/debian"
	"foundry/pkg/message"
	"foundry/pkg/publish/publishtest"
)

// Packages of the distribution that are hard in some way.
var (
	// With their sources: a signed orig tarball; an epoch and a digit; a digit and "+"; native with "+" in
	// name and version; native; a version of its own for each binary (two); Static-Built-Using.
	realSources  = []string{"hello", "6tunnel", "9mount", "bonnie++", "gnucobol", "mysql-defaults", "what-is-python", "go-md2man-v2"}
	realBinaries = []string{
		"hello", "6tunnel", "9mount", "bonnie++", "gnucobol", "mysql-common", "default-mysql-server", "python-is-python3", "go-md2man",
		// Without: Built-Using of a rebuilt package; rebuilt; a name that is not ASCII; non-free firmware with an epoch;
		// contrib; non-free; "++" and Multi-Arch: same; "~"; a control file of a hundred kilobytes.
		"fgetty", "python3-speg", "librust-ufmt-write-dev", "firmware-zd1211", "hannah-foo2zjs", "python3-pynliner", "libdb++-dev", "wmweather+", "librust-winapi-dev",
	}
)

// fetchReal downloads the packages with an apt that has its folders below one of the test.
func fetchReal(t *testing.T) (dir string) {
	t.Helper()
	c := publishtest.NewClient(t, "", "", "amd64", "")
	c.Source(t, "Types: deb\nURIs: http://deb.debian.org/debian\nSuites: bookworm\nComponents: main contrib non-free non-free-firmware\n"+
		"Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n"+
		"Types: deb-src\nURIs: http://deb.debian.org/debian\nSuites: bookworm\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n")
	c.Must(t, "apt-get", "update")
	c.Must(t, "apt-get", append([]string{"download"}, realBinaries...)...)
	c.Must(t, "apt-get", append([]string{"source", "--download-only"}, realSources...)...)
	return c.Dir()
}

// oddPackages makes packages that are legal and that nobody expects.
func oddPackages(t *testing.T, dir string) {
	t.Helper()
	for name, c := range map[string]struct {
		args   []string
		fields string
	}{
		"odd-zstd":  {[]string{"-Zzstd"}, "Section: contrib/misc\n"},
		"odd-gzip":  {[]string{"-Zgzip", "--uniform-compression"}, "Section: non-free/net\n"},
		"odd-none":  {[]string{"-Znone"}, ""},
		"odd-xz":    {[]string{"-Zxz", "--no-uniform-compression"}, "Multi-Arch: same\n"},
		"odd-bytes": {nil, "Description: \xff\xfe not UTF-8, \u00fc and \u202e\n a\ttab,  two blanks\n .\n  \u2022 indented\n .\n the end\n"},
		"odd-huge":  {nil, "Provides: " + strings.Repeat("odd-provided-package (= 1.0), ", 4000) + "odd\nX-Long: " + strings.Repeat("x", 1<<16) + "\n"},
		"odd-names": {nil, "xcargo-built-using: a\nX-GPG-Key: b\nTag: role::program,\n uitoolkit::gtk\nInstalled-size: 3\nsTRANGE_Case.1: c\nEssential: no\n"},
	} {
		tree := t.TempDir()
		control := "Package: " + name + "\nSource: odd\nVersion: 1:1.0~a+b-1\nArchitecture: amd64\nMaintainer: J\u00fcrgen <test@example.org>\n" + c.fields
		if !strings.Contains(control, "\nDescription:") {
			control += "Description: odd\n"
		}
		if err := os.MkdirAll(filepath.Join(tree, "DEBIAN"), 0o755); err != nil {
			t.Fatal(err)
		}
		for path, text := range map[string]string{"DEBIAN/control": control, "na\u00efve \xff name": "x"} {
			if err := os.WriteFile(filepath.Join(tree, path), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		args := append(append([]string{"--root-owner-group"}, c.args...), "--build", tree, filepath.Join(dir, name+"_1.0~a+b-1_amd64.deb"))
		if out, err := exec.Command("dpkg-deb", args...).CombinedOutput(); err != nil {
			t.Fatalf("dpkg-deb %s: %v: %s", name, err, out)
		}
	}
}

var epoch = regexp.MustCompile(`_\d+%3a`)

// builds makes signed builds of the packages in dir, one for each source package.
func (f *fixture) builds(t *testing.T, dir string) (names []string, list []*message.Sign) {
	t.Helper()
	signs := map[string]*message.Sign{}
	get := func(source, version string) *message.Sign {
		if signs[source] == nil {
			signs[source] = &message.Sign{
				Package: message.Package{Source: source, Version: version, Codename: "bookworm"}, Architecture: "amd64",
				Changes: source + "_amd64.changes", Key: f.signer.Fingerprint(),
			}
			list = append(list, signs[source])
		}
		return signs[source]
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		plain := filepath.Join(dir, epoch.ReplaceAllString(filepath.Base(path), "_"))
		if err := os.Rename(path, plain); err != nil {
			t.Fatal(err)
		}
		about := strings.Split(command(t, "", "dpkg-deb", "-W", "--showformat=${source:Package}\t${source:Version}\t${Package}", plain), "\t")
		names = append(names, about[2])
		s := get(about[0], about[1])
		s.Files = append(s.Files, f.embed(t, plain))
	}
	for _, source := range realSources {
		paths, err := filepath.Glob(filepath.Join(dir, source+"_*.dsc"))
		if err != nil || len(paths) != 1 {
			t.Fatalf("%v, %v, want one .dsc of %s", paths, err, source)
		}
		f.addSource(t, signs[source], paths[0])
	}
	for _, s := range list {
		f.list(t, s, "bookworm")
	}
	return names, list
}

// addSource adds a source package as signbot signs it: the maintainer's signature gives way.
func (f *fixture) addSource(t *testing.T, s *message.Sign, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dsc, err := debian.ParseDsc(data)
	if err != nil {
		t.Fatal(err)
	}
	text, err := debian.Unsign(data)
	if err != nil {
		t.Fatal(err)
	}
	s.SourceFiles = []message.Artifact{f.put(t, filepath.Base(path), f.clearsign(t, string(text)))}
	for _, file := range dsc.Files {
		data, err := os.ReadFile(filepath.Join(filepath.Dir(path), file.Name))
		if err != nil {
			t.Fatal(err)
		}
		s.SourceFiles = append(s.SourceFiles, f.put(t, file.Name, data))
	}
}

func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var problem bytes.Buffer
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s (apt-get install apt-utils dpkg): %v: %s", name, err, problem.Bytes())
	}
	return string(out)
}

// stanzas returns the fields of the stanzas of an index by what they are about, without what says nothing:
// the order of lists of files, the case of names, and the line breaks of fields that are one line.
func stanzas(index string) map[string]map[string]string {
	all := map[string]map[string]string{}
	for stanza := range strings.SplitSeq(index, "\n\n") {
		fields, last := map[string]string{}, ""
		for line := range strings.Lines(stanza) {
			if name, value, _ := strings.Cut(line, ":"); line[0] != ' ' && line[0] != '\t' {
				last = strings.ToLower(name)
				fields[last] = strings.TrimSpace(value) + "\n"
			} else {
				fields[last] += line
			}
		}
		for name, value := range fields {
			switch {
			case name == "files", strings.HasPrefix(name, "checksums-"):
				lines := strings.Split(strings.TrimSpace(value), "\n")
				for i := range lines {
					lines[i] = strings.TrimSpace(lines[i])
				}
				slices.Sort(lines)
				fields[name] = strings.Join(lines, "\n")
			case name == "description":
				fields[name] = strings.TrimSpace(value)
			default:
				fields[name] = strings.Join(strings.Fields(value), " ")
			}
		}
		if fields["package"] != "" {
			all[fields["package"]+" "+fields["version"]] = fields
		}
	}
	return all
}

// TestRealPackages publishes packages of the distribution, and odd ones, and compares the indexes stanza
// by stanza with those that apt-ftparchive makes of the same pool. Then apt downloads them all.
func TestRealPackages(t *testing.T) {
	if testing.Short() {
		t.Skip("downloads packages")
	}
	dir := fetchReal(t)
	oddPackages(t, dir)
	f := newFixture(t)
	names, signs := f.builds(t, dir)
	for _, s := range signs {
		if _, err := f.run(t, s); err != nil {
			t.Errorf("%s %s: %v", s.Source, s.Version, err)
		}
	}
	for index, kind := range map[string]string{"main/binary-amd64/Packages": "packages", "main/source/Sources": "sources"} {
		got, err := os.ReadFile(filepath.Join(f.output, "dists/bookworm", index))
		if err != nil {
			t.Fatal(err)
		}
		want := command(t, f.output, "apt-ftparchive", "-o", "APT::FTPArchive::LongDescription=false", "-o", "APT::FTPArchive::SHA1=false", "-o", "APT::FTPArchive::SHA512=false", kind, "pool")
		if diff := cmp.Diff(stanzas(want), stanzas(string(got))); diff != "" {
			t.Errorf("%s (-apt-ftparchive +foundry):\n%s", index, diff)
		}
	}
	root, err := os.OpenRoot(f.output)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	server := httptest.NewServer(handler(root))
	defer server.Close()
	client := publishtest.NewClient(t, server.URL, "bookworm", "amd64", filepath.Join(f.output, "test.asc"))
	client.Must(t, "apt-get", "update")
	client.Must(t, "apt-get", append([]string{"download"}, names...)...)
	client.Must(t, "apt-get", append([]string{"source", "--download-only"}, realSources...)...)
	if got := fmt.Sprint(len(stanzas(client.Must(t, "apt-cache", "dumpavail")))); got != fmt.Sprint(len(names)) {
		t.Errorf("apt sees %s packages, want %d", got, len(names))
	}
}
