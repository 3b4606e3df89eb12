package metadata

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// descriptions are values of Description fields, of a package each.
var descriptions = map[string]string{
	"one":   "short one\n long line\n .\n  verbatim\n more",
	"two":   "short two",
	"three": "short  three\n trailing   \n .\n .\n ünï\u00a0",
	"four":  "x\n .\n .\n last   ",
}

// deb makes a binary package below pool, with files at paths.
func deb(t *testing.T, pool, name string, paths []string) {
	t.Helper()
	dir := t.TempDir()
	control := "Package: " + name + "\nVersion: 1\nArchitecture: amd64\nSection: misc\nMaintainer: a <a@b.c>\nDescription: " + descriptions[name] + "\n"
	write(t, filepath.Join(dir, "DEBIAN/control"), control)
	for _, path := range paths {
		write(t, filepath.Join(dir, path), "text\n")
	}
	run(t, "dpkg", "dpkg-deb", "--build", dir, filepath.Join(pool, name+"_1_amd64.deb"))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, from, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%v\nhint: apt-get install %s", err, from)
	}
	cmd := exec.Command(name, args...)
	var problem strings.Builder
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, problem.String())
	}
	return string(out)
}

// TestAsFtparchive compares with what apt-ftparchive makes of the same packages: short descriptions and
// their sums, Translation-en, and Contents.
func TestAsFtparchive(t *testing.T) {
	root := t.TempDir()
	pool := filepath.Join(root, "pool")
	write(t, filepath.Join(root, "dists/sid/main/binary-amd64/Packages"), "")
	write(t, filepath.Join(root, "dists/sid/main/i18n/Translation-en"), "")
	write(t, filepath.Join(pool, "empty"), "")
	paths := map[string][]string{
		"one":   {"usr/share/common", "usr/share/my dir/ünï", "usr/bin/one"},
		"two":   {"usr/share/common", "usr/share/doc/two"},
		"three": {"usr/share/common", "usr/share/" + strings.Repeat("long/", 20) + "three"},
		"four":  nil,
	}
	x := New(suite())
	var short []string
	for _, name := range []string{"one", "two", "three", "four"} {
		deb(t, pool, name, paths[name])
		p := pkg(name, "1", "amd64", "misc", paths[name]...)
		first, sum, translation := Describe(name, " "+descriptions[name]+"\n")
		p.Translation = translation
		short = append(short, name+": "+first+" "+sum)
		x = with(t, x, []Package{p}, nil)
	}
	write(t, filepath.Join(root, "config"), `Dir { ArchiveDir "`+root+`"; CacheDir "`+root+`"; };
Default { Packages::Compress "."; Translation::Compress "."; Contents::Compress "."; };
Tree "dists/sid" { Sections "main"; Architectures "amd64"; Directory "pool"; LongDescription "false"; Contents "dists/sid/Contents-amd64"; };
`)
	run(t, "apt-utils", "apt-ftparchive", "-q", "generate", filepath.Join(root, "config"))
	plain, _ := built(t, x)

	var theirs []string
	packages := read(t, filepath.Join(root, "dists/sid/main/binary-amd64/Packages"))
	for _, m := range regexp.MustCompile(`(?s)Package: (\w+)\n.*?\nDescription: (.*?)\nDescription-md5: (\w+)\n`).FindAllStringSubmatch(packages, -1) {
		theirs = append(theirs, m[1]+": "+m[2]+" "+m[3])
	}
	slices.Sort(short)
	slices.Sort(theirs)
	if diff := cmp.Diff(theirs, short); diff != "" {
		t.Errorf("short descriptions (-apt-ftparchive +here):\n%s", diff)
	}
	translation := read(t, filepath.Join(root, "dists/sid/main/i18n/Translation-en"))
	if diff := cmp.Diff(inOrder(translation, "\n\n"), inOrder(plain["main/i18n/Translation-en"], "\n\n")); diff != "" {
		t.Errorf("Translation-en (-apt-ftparchive +here):\n%s", diff)
	}
	contents := regexp.MustCompile(`[ \t]+(\S+)\n`).ReplaceAllString(read(t, filepath.Join(root, "dists/sid/Contents-amd64")), " $1\n")
	contents = regexp.MustCompile(`([ ,])(one|two|three)\b`).ReplaceAllString(contents, "${1}misc/$2")
	contents = strings.ReplaceAll(contents, "misc/two,misc/three", "misc/three,misc/two") // as it finds them
	here := regexp.MustCompile(`[ \t]+(\S+)\n`).ReplaceAllString(plain["main/Contents-amd64"], " $1\n")
	if diff := cmp.Diff(inOrder(contents, "\n"), inOrder(here, "\n")); diff != "" {
		t.Errorf("Contents (-apt-ftparchive +here):\n%s", diff)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func inOrder(text, end string) []string {
	list := strings.SplitAfter(strings.TrimSuffix(text, end), end)
	list[len(list)-1] += end
	slices.Sort(list)
	return list
}
