package publishtest

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/message"
	"foundry/pkg/publish"
)

// binaries makes an upload of hello for alpha that brings these packages and, with a source, that.
func (f *fixture) binaries(t testing.TB, version string, withSource bool, packages ...Binary) publish.Upload {
	t.Helper()
	dir := f.folder(t)
	u := publish.Upload{Package: message.Package{Source: "hello", Version: version, Codename: "alpha"}, Architecture: packages[0].Arch}
	for _, b := range packages {
		u.Files = append(u.Files, MakeDeb(t, dir, b))
	}
	if withSource {
		u.Dsc, u.SourceFiles = MakeSource(t, dir, "hello", version, "orig of hello")
	}
	return u
}

// filenames returns the pool paths that an upload was published under.
func filenames(p publish.Publication) (list []string) {
	for _, one := range p.Packages {
		list = append(list, one.Filename)
	}
	return list
}

// testSharedOrig lets revisions share what belongs to the upstream version: tarballs of components and
// signatures too.
func testSharedOrig(t *testing.T, f *fixture) {
	repo := f.open(t)
	more := []string{"orig-docs.tar.gz", "orig.tar.xz.asc", "orig-docs.tar.gz.asc"}
	for _, version := range []string{"1:1.0-1", "1:1.0-2"} {
		u := f.upload(t, "hello", version, "amd64")
		u.Dsc, u.SourceFiles = MakeSource(t, f.folder(t), "hello", version, "orig", more...)
		f.include(t, repo, u)
	}
	f.lists(t, "alpha", sources, "hello 1:1.0-2")
	for _, name := range append(more, "orig.tar.xz") {
		bad := f.upload(t, "hello", "1:1.0-3", "amd64")
		bad.Dsc, bad.SourceFiles = MakeSource(t, f.folder(t), "hello", "1:1.0-3", "another orig", name)
		f.refused(t, repo, bad, "the repository has a file of this name with other content")
	}
	c := f.client(t, "alpha", "amd64")
	c.Must(t, "apt-get", "update")
	out := c.Must(t, "apt-get", "source", "--download-only", "--print-uris", "hello")
	for _, name := range append(more, "orig.tar.xz") {
		if !strings.Contains(out, "/pool/main/h/hello/hello_1.0."+name+"'") {
			t.Errorf("apt-get source does not fetch hello_1.0.%s:\n%s", name, out)
		}
	}
	c.Must(t, "apt-get", "source", "--download-only", "hello")
}

// testArchitectureAll has two architectures bring the package for all: the bytes that came first stay, and
// a build that brings others is refused as a whole.
func testArchitectureAll(t *testing.T, f *fixture) {
	repo := f.open(t)
	indep := Binary{Name: "hello-data", Version: "1.0-1", Arch: "all", Source: "hello"}
	f.include(t, repo, f.binaries(t, "1.0-1", true, Binary{Name: "hello", Version: "1.0-1", Arch: "amd64"}, indep))
	other := indep
	other.Content = "built elsewhere"
	f.refused(t, repo, f.binaries(t, "1.0-1", true, Binary{Name: "hello", Version: "1.0-1", Arch: "arm64"}, other), "refuse hello-data_1.0-1_all.deb")
	f.lists(t, "alpha", arm64, "hello-data 1.0-1 all")
	f.include(t, repo, f.binaries(t, "1.0-1", true, Binary{Name: "hello", Version: "1.0-1", Arch: "arm64"}, indep))
	f.lists(t, "alpha", arm64, "hello 1.0-1 arm64", "hello-data 1.0-1 all")
	f.lists(t, "alpha", amd64, "hello 1.0-1 amd64", "hello-data 1.0-1 all")
	for _, arch := range []string{"amd64", "arm64"} {
		c := f.client(t, "alpha", arch)
		c.Must(t, "apt-get", "update")
		if policy := c.Must(t, "apt-cache", "madison", "hello-data"); strings.Count(policy, "hello-data |") != 1 {
			t.Errorf("apt of %s sees the package for all more than once:\n%s", arch, policy)
		}
	}
}

// testArchitectureChanges has a package for all become one of each architecture: it stays for those that
// lag behind, and no longer. The other way round it takes the place of all at once.
func testArchitectureChanges(t *testing.T, f *fixture) {
	repo := f.open(t)
	f.include(t, repo, f.binaries(t, "1.0-1", true, Binary{Name: "hello", Version: "1.0-1", Arch: "all"}))
	f.include(t, repo, f.binaries(t, "1.0-2", true, Binary{Name: "hello", Version: "1.0-2", Arch: "amd64"}))
	f.lists(t, "alpha", arm64, "hello 1.0-1 all")
	f.lists(t, "alpha", sources, "hello 1.0-1", "hello 1.0-2")
	f.include(t, repo, f.binaries(t, "1.0-2", true, Binary{Name: "hello", Version: "1.0-2", Arch: "arm64"}))
	f.lists(t, "alpha", amd64, "hello 1.0-2 amd64")
	f.lists(t, "alpha", arm64, "hello 1.0-2 arm64")
	f.lists(t, "alpha", sources, "hello 1.0-2")
	f.include(t, repo, f.binaries(t, "1.0-3", true, Binary{Name: "hello", Version: "1.0-3", Arch: "all"}))
	f.lists(t, "alpha", amd64, "hello 1.0-3 all")
	f.lists(t, "alpha", arm64, "hello 1.0-3 all")
	f.lists(t, "alpha", sources, "hello 1.0-3")
}

// testBinaryVersions has packages whose versions are not that of their source: rebuilds of the binaries
// alone, and those that choose one of their own. They belong to the source that they name.
func testBinaryVersions(t *testing.T, f *fixture) {
	repo := f.open(t)
	f.include(t, repo, f.binaries(t, "1:1.0-1", true,
		Binary{Name: "hello", Version: "1:1.0-1", Arch: "amd64"},
		Binary{Name: "hello-extra", Version: "3:5.0~rc1", Arch: "all", Source: "hello (1:1.0-1)"}))
	rebuilt := f.binaries(t, "1:1.0-1", false, Binary{Name: "hello", Version: "1:1.0-1+b1", Arch: "amd64", Source: "hello (1:1.0-1)"})
	if diff := cmp.Diff([]string{"pool/main/h/hello/hello_1.0-1+b1_amd64.deb"}, filenames(f.include(t, repo, rebuilt))); diff != "" {
		t.Errorf("rebuilt (-want +got):\n%s", diff)
	}
	f.lists(t, "alpha", amd64, "hello 1:1.0-1+b1 amd64", "hello-extra 3:5.0~rc1 all")
	f.lists(t, "alpha", sources, "hello 1:1.0-1")
	c := f.client(t, "alpha", "amd64")
	c.Must(t, "apt-get", "update")
	c.Must(t, "apt-get", "download", "hello=1:1.0-1+b1", "hello-extra=3:5.0~rc1")
	if out := c.Must(t, "apt-get", "source", "--download-only", "hello-extra"); !strings.Contains(out, "hello 1:1.0-1 (dsc)") {
		t.Errorf("apt-get source of a package with its own version:\n%s", out)
	}
	// The next source replaces the rebuilt one, and needs a higher version for each package.
	f.refused(t, repo, f.binaries(t, "1:1.0-2", true,
		Binary{Name: "hello", Version: "1:1.0-2", Arch: "amd64"},
		Binary{Name: "hello-extra", Version: "3:4.9", Arch: "all", Source: "hello (1:1.0-2)"}), "has the higher version 3:5.0~rc1 of hello-extra")
	f.refused(t, repo, f.binaries(t, "1:1.0-2", true,
		Binary{Name: "hello-extra", Version: "3:5.0~rc1", Arch: "all", Source: "hello (1:1.0-2)"}), "with other content")
	f.include(t, repo, f.binaries(t, "1:1.0-2", true,
		Binary{Name: "hello", Version: "1:1.0-2", Arch: "amd64"},
		Binary{Name: "hello-extra", Version: "3:5.0", Arch: "all", Source: "hello (1:1.0-2)"}))
	f.lists(t, "alpha", amd64, "hello 1:1.0-2 amd64", "hello-extra 3:5.0 all")
	f.lists(t, "alpha", sources, "hello 1:1.0-2")
	f.refused(t, repo, f.binaries(t, "1:1.0-1", false, Binary{Name: "hello", Version: "1:1.0-1+b2", Arch: "amd64", Source: "hello (1:1.0-1)"}), "higher version")
}

// testZeroEpoch has an epoch of 0 written out, as woff-tools of Debian has: it is the same version as
// without, in whatever field it stands.
func testZeroEpoch(t *testing.T, f *fixture) {
	repo := f.open(t)
	u := f.binaries(t, "1.0-1", false,
		Binary{Name: "hello", Version: "0:1.0-1", Arch: "amd64"},
		Binary{Name: "hello-extra", Version: "0:1.0-1+b1", Arch: "amd64", Source: "hello (0:1.0-1)"})
	u.Dsc, u.SourceFiles = MakeSource(t, f.folder(t), "hello", "0:1.0-1", "orig of hello")
	f.include(t, repo, u)
	other := f.upload(t, "other", "1", "amd64")
	other.Files = []string{MakeDeb(t, f.folder(t), Binary{Name: "other", Version: "1", Arch: "amd64", Fields: "Built-Using: hello (= 1.0-1)\n"})}
	f.include(t, repo, other)
	f.include(t, repo, f.binaries(t, "1.0-2", true, Binary{Name: "hello", Version: "1.0-2", Arch: "amd64"}, Binary{Name: "hello-extra", Version: "1.0-2", Arch: "amd64", Source: "hello"}))
	f.lists(t, "alpha", amd64, "hello 1.0-2 amd64", "hello-extra 1.0-2 amd64", "other 1 amd64")
	f.lists(t, "alpha", sources, "hello 0:1.0-1", "hello 1.0-2", "other 1")
}

// testTwoSourceVersions lets one architecture lag behind: both sources stay as long as packages of both are
// there, and the older one comes back with a package of it that is late.
func testTwoSourceVersions(t *testing.T, f *fixture) {
	repo := f.open(t)
	f.include(t, repo, f.upload(t, "hello", "1.0-1", "amd64"))
	f.include(t, repo, f.upload(t, "hello", "1.0-2", "amd64"))
	f.lists(t, "alpha", sources, "hello 1.0-2")
	f.include(t, repo, f.upload(t, "hello", "1.0-1", "arm64"))
	f.lists(t, "alpha", arm64, "hello 1.0-1 arm64")
	f.lists(t, "alpha", sources, "hello 1.0-1", "hello 1.0-2")
	c := f.client(t, "alpha", "amd64")
	c.Must(t, "apt-get", "update")
	c.Must(t, "apt-get", "source", "--download-only", "hello=1.0-1")
	c.Must(t, "apt-get", "source", "--download-only", "hello=1.0-2")
	f.include(t, repo, f.upload(t, "hello", "1.0-2", "arm64"))
	f.lists(t, "alpha", sources, "hello 1.0-2")
}

// testUsedSources keeps sources that packages of others were built with for as long as a package
// names them.
func testUsedSources(t *testing.T, f *fixture) {
	repo := f.open(t)
	f.include(t, repo, f.upload(t, "golib", "1:1.0-1", "amd64"))
	f.include(t, repo, f.upload(t, "blob", "2-1", "amd64"))
	tool := func(version, fields string) publish.Upload {
		return f.binaries(t, version, true, Binary{Name: "hello", Version: version, Arch: "amd64", Fields: fields})
	}
	f.include(t, repo, tool("1.0-1", "Static-Built-Using: golib (= 1:1.0-1), other (= 2)\nBuilt-Using: blob (= 2-1)\n"))
	f.include(t, repo, f.upload(t, "golib", "1:1.0-2", "amd64"))
	f.include(t, repo, f.upload(t, "blob", "2-2", "amd64"))
	f.lists(t, "alpha", sources, "blob 2-1", "blob 2-2", "golib 1:1.0-1", "golib 1:1.0-2", "hello 1.0-1")
	c := f.client(t, "alpha", "amd64")
	c.Must(t, "apt-get", "update")
	c.Must(t, "apt-get", "source", "--download-only", "golib=1:1.0-1", "blob=2-1")
	f.include(t, repo, tool("1.0-2", "Static-Built-Using: golib (= 1:1.0-2)\n"))
	f.lists(t, "alpha", sources, "blob 2-2", "golib 1:1.0-2", "hello 1.0-2")
}

func testSources(t *testing.T, f *fixture) {
	repo := f.open(t)
	f.include(t, repo, f.upload(t, "hello", "1:1.0-1", "amd64"))
	f.include(t, repo, f.upload(t, "hello", "1:1.0-2", "arm64"))
	only := f.upload(t, "other", "2", "amd64")
	only.Dsc, only.SourceFiles = "", nil
	f.include(t, repo, only)
	got, err := repo.Sources("alpha")
	if diff := cmp.Diff(map[string]string{"hello": "1:1.0-2", "other": "2"}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got, err := repo.Sources("beta"); err != nil || len(got) > 0 {
		t.Errorf("%v, %v, want nothing", got, err)
	}
	if _, err := repo.Sources("gamma"); !errors.Is(err, publish.ErrUnknownCodename) {
		t.Errorf("%v, want ErrUnknownCodename", err)
	}
}

// testUdebs publishes packages of the installer where installers look, and where apt does not; packages
// of debug symbols are packages like any other.
func testUdebs(t *testing.T, f *fixture) {
	const udebs = "main/debian-installer/binary-amd64/Packages"
	repo := f.open(t)
	upload := func(version string) publish.Upload {
		return f.binaries(t, version, true,
			Binary{Name: "hello", Version: version, Arch: "amd64"},
			Binary{Name: "hello-udeb", Version: version, Arch: "amd64", Source: "hello", Fields: "Package-Type: udeb\nSection: debian-installer\n", Extension: ".udeb"},
			Binary{Name: "hello-menu", Version: version, Arch: "all", Source: "hello", Fields: "Package-Type: udeb\n", Extension: ".udeb"},
			Binary{Name: "hello-dbgsym", Version: version, Arch: "amd64", Source: "hello", Fields: "Auto-Built-Package: debug-symbols\nBuild-Ids: 0123456789abcdef\n"})
	}
	got := filenames(f.include(t, repo, upload("1.0-1")))
	if !slices.Contains(got, "pool/main/h/hello/hello-udeb_1.0-1_amd64.udeb") {
		t.Errorf("published as %v", got)
	}
	f.lists(t, "alpha", udebs, "hello-menu 1.0-1 all", "hello-udeb 1.0-1 amd64")
	f.lists(t, "alpha", amd64, "hello 1.0-1 amd64", "hello-dbgsym 1.0-1 amd64")
	f.include(t, repo, upload("1.0-2"))
	f.lists(t, "alpha", udebs, "hello-menu 1.0-2 all", "hello-udeb 1.0-2 amd64")
	c := f.client(t, "alpha", "amd64")
	c.Must(t, "apt-get", "update")
	c.Must(t, "apt-get", "download", "hello-dbgsym")
	for _, name := range []string{"hello-udeb", "hello-menu"} {
		if out, err := c.Run("apt-get", "download", name); err == nil || !strings.Contains(out, "Unable to locate package") {
			t.Errorf("apt sees %s: %v\n%s", name, err, out)
		}
	}
	key := f.Key(f.dir)
	c.Source(t, "Types: deb\nURIs: "+c.uri+"\nSuites: alpha\nComponents: main/debian-installer\nSigned-By: "+filepath.Clean(key)+"\n")
	c.Must(t, "apt-get", "update")
	c.Must(t, "apt-get", "download", "hello-udeb", "hello-menu")
}

// kept checks that a .buildinfo of hello is there with that text, outside the pool.
func (f *fixture) kept(t testing.TB, name, text string) {
	t.Helper()
	if got := read(t, filepath.Join(f.Output(f.dir), "buildinfo", "main", "h", "hello", name)); string(got) != text {
		t.Errorf("%s is kept as %q, want %q", name, got, text)
	}
	if pooled, err := filepath.Glob(filepath.Join(f.Output(f.dir), "pool", "*", "*", "*", "*.buildinfo")); err != nil || len(pooled) > 0 {
		t.Errorf("in the pool: %v, %v", pooled, err)
	}
}

// testBuildinfo keeps the first .buildinfo of a name, and that of nothing that is refused.
func testBuildinfo(t *testing.T, f *fixture) {
	repo := f.open(t)
	u := f.upload(t, "hello", "1.0-1", "amd64")
	f.include(t, repo, u)
	write(t, u.Buildinfo[0], "Format: 1.0\nBuild-Date: later\n")
	f.include(t, repo, u)
	f.kept(t, "hello_1.0-1_amd64.buildinfo", "Format: 1.0\n")
	lower := f.upload(t, "hello", "0.9-1", "amd64")
	f.refused(t, repo, lower, "higher version")
	if _, err := os.Stat(filepath.Join(f.Output(f.dir), "buildinfo", "main", "h", "hello", "hello_0.9-1_amd64.buildinfo")); err == nil {
		t.Error("the .buildinfo of a refused build is kept")
	}
	for _, name := range []string{"hello.deb", ".buildinfo", "-x.buildinfo"} {
		bad := f.upload(t, "hello", "1.0-2", "amd64")
		bad.Buildinfo[0] = filepath.Join(f.folder(t), name)
		write(t, bad.Buildinfo[0], "Format: 1.0\n")
		f.refused(t, repo, bad, "not the name of a .buildinfo")
	}
}
