package importer_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"foundry/pkg/aptrepo"
	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly"
	"foundry/pkg/publish/importer"
	"foundry/pkg/trust"
)

// run runs a program in a folder.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	command := exec.Command(name, args...)
	command.Dir = dir
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v (apt-get install reprepro aptly dpkg-dev apt-utils)\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
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

// deb makes a binary package.
func deb(t *testing.T, dir, name, version, source string) string {
	t.Helper()
	tree := filepath.Join(t.TempDir(), "tree")
	control := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: amd64\nMaintainer: A <a@example.org>\nSection: misc\nPriority: optional\nDescription: a package\n", name, version)
	if source != "" {
		control += "Source: " + source + "\n"
	}
	write(t, filepath.Join(tree, "DEBIAN/control"), control)
	write(t, filepath.Join(tree, "usr/share", name), version)
	file := filepath.Join(dir, name+"_"+version+"_amd64.deb")
	run(t, dir, "dpkg-deb", "--root-owner-group", "--build", tree, file)
	return file
}

// packages makes those that all origins have.
func packages(t *testing.T) (dir string, files []string) {
	dir = t.TempDir()
	return dir, []string{
		deb(t, dir, "hello", "1.0-1", ""), deb(t, dir, "libhello", "1.0-1+b1", "hello (1.0-1)"), deb(t, dir, "other", "2.0", ""),
	}
}

func target(t *testing.T, dir string) publish.Archive {
	t.Helper()
	key := filepath.Join(dir, "key")
	if _, _, err := trust.LoadOrCreate(key, "test"); err != nil {
		t.Fatal(err)
	}
	signer, err := trust.OpenSigner(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	repo, err := aptly.Open(t.Context(), publish.Options{
		Dir: filepath.Join(dir, "state"), Output: filepath.Join(dir, "output"), Archive: "main", Signer: signer, Suites: []publish.Suite{suite()},
	})
	if err != nil {
		t.Fatal(err)
	}
	public, err := signer.Public()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "key.asc"), string(public))
	return repo
}

func suite() publish.Suite {
	return publish.Suite{Codename: "bookworm", Component: "main", Components: []string{"extra"}, Architectures: []string{"amd64"}, Keep: 2}
}

// origins make repositories of the packages.
var origins = map[string]func(t *testing.T) (dir, name string){
	"reprepro": func(t *testing.T) (string, string) {
		_, files := packages(t)
		dir := t.TempDir()
		write(t, filepath.Join(dir, "conf/distributions"), "Codename: bookworm\nArchitectures: amd64\nComponents: extra\n")
		for _, f := range files {
			run(t, dir, "reprepro", "-C", "extra", "includedeb", "bookworm", f)
		}
		return dir, "bookworm"
	},
	"aptly": func(t *testing.T) (string, string) {
		source, _ := packages(t)
		dir := t.TempDir()
		write(t, filepath.Join(dir, "aptly.conf"), fmt.Sprintf(`{"rootDir": %q}`, dir))
		conf := "-config=" + filepath.Join(dir, "aptly.conf")
		run(t, dir, "aptly", conf, "repo", "create", "-distribution=bookworm", "-component=extra", "x")
		run(t, dir, "aptly", conf, "repo", "add", "x", source)
		run(t, dir, "aptly", conf, "publish", "repo", "-skip-signing", "-architectures=amd64", "x")
		return filepath.Join(dir, "public"), "bookworm"
	},
	"flat with two versions": func(t *testing.T) (string, string) {
		dir, _ := packages(t)
		deb(t, dir, "hello", "1.0-2", "")
		list := run(t, dir, "apt-ftparchive", "packages", ".")
		write(t, filepath.Join(dir, "Packages"), list)
		release := run(t, dir, "apt-ftparchive", "release", ".")
		write(t, filepath.Join(dir, "Release"), release)
		return dir, "./"
	},
}

func TestImport(t *testing.T) {
	for name, make := range origins {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, suiteName := make(t)
			origin, err := aptrepo.Open(t.Context(), dir, aptrepo.Options{AllowUnsigned: true})
			if err != nil {
				t.Fatal(err)
			}
			into := t.TempDir()
			archive := target(t, into)
			for _, want := range []importer.Outcome{importer.Imported, importer.There} {
				result, err := importer.Import(t.Context(), origin, importer.Options{
					Archive: archive, Suites: map[string]publish.Suite{"bookworm": suite()},
					Codename: map[string]string{suiteName: "bookworm"}, Scratch: into,
				})
				if err != nil {
					t.Fatal(err)
				}
				if n := result.Count(want); n != len(result.Rows) || n < 2 {
					t.Errorf("%d of %d are %s: %+v", n, len(result.Rows), want, result.Rows)
				}
			}
			check(t, archive, name)
			if err := archive.Close(); err != nil {
				t.Fatal(err)
			}
			verify(t, into)
		})
	}
}

// check compares what the archive lists with what the origin had.
func check(t *testing.T, archive publish.Archive, name string) {
	t.Helper()
	list, err := archive.Packages(context.Background(), "bookworm", 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range list {
		got = append(got, strings.Join([]string{p.Package, p.Version, p.Component, p.Source, p.SourceVersion}, " "))
	}
	component := "extra"
	if strings.HasPrefix(name, "flat") {
		component = "main"
	}
	want := []string{"hello 1.0-1 " + component + " hello 1.0-1"}
	if component == "main" {
		want = append(want, "hello 1.0-2 main hello 1.0-2")
	}
	want = append(want, "libhello 1.0-1+b1 "+component+" hello 1.0-1", "other 2.0 "+component+" other 2.0")
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("packages (-want +got)\n%s", diff)
	}
}

// verify checks what the archive serves.
func verify(t *testing.T, dir string) {
	t.Helper()
	ring, err := trust.ReadKeyring(filepath.Join(dir, "key.asc"))
	if err != nil {
		t.Fatal(err)
	}
	report, err := aptrepo.Verify(t.Context(), filepath.Join(dir, "output"), aptrepo.Options{Keyring: ring}, aptrepo.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if n := cmp.Or(len(report.Findings), report.Suites-1); n != 0 || report.Files < 3 {
		t.Errorf("report %+v", report.Findings)
	}
}
