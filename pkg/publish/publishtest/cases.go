package publishtest

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/message"
	"foundry/pkg/publish"
)

const (
	amd64   = "main/binary-amd64/Packages"
	arm64   = "main/binary-arm64/Packages"
	sources = "main/source/Sources"
)

// lists checks that an index of a suite lists exactly want.
func (f *fixture) lists(t testing.TB, codename, index string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, f.consistent(t, codename)[index]); diff != "" {
		t.Errorf("%s of %s (-want +got):\n%s", index, codename, diff)
	}
}

// refused checks that an upload is refused for a reason that has the given words in it, and that
// nothing changes.
func (f *fixture) refused(t testing.TB, repo publish.Repository, upload publish.Upload, words string) {
	t.Helper()
	before := read(t, filepath.Join(f.Output(f.dir), "dists", "alpha", "InRelease"))
	_, err := repo.Include(t.Context(), upload)
	var refused *publish.RefusedError
	if !errors.As(err, &refused) {
		t.Errorf("include: %v, want a *RefusedError", err)
	} else if !strings.Contains(err.Error(), words) {
		t.Errorf("include: %q, want it to say %q", err, words)
	}
	if after := read(t, filepath.Join(f.Output(f.dir), "dists", "alpha", "InRelease")); !bytes.Equal(before, after) {
		t.Error("a refused upload changed the repository")
	}
}

func testEmpty(t *testing.T, f *fixture) {
	f.open(t)
	f.lists(t, "alpha", amd64)
	f.lists(t, "beta", sources)
	f.client(t, "stable", "amd64").Must(t, "apt-get", "update")
}

func testInclude(t *testing.T, f *fixture) {
	repo := f.open(t)
	got := f.include(t, repo, f.upload(t, "hello", "1.0-1", "amd64"))
	var names []string
	for _, p := range got.Packages {
		names = append(names, p.Package+" "+p.Version+" "+p.Architecture+" "+p.Filename)
		same(t, filepath.Join(f.Output(f.dir), p.Filename), strconv.FormatInt(p.Size, 10), string(p.SHA256))
	}
	want := []string{"hello 1.0-1 amd64 pool/main/h/hello/hello_1.0-1_amd64.deb", "hello 1.0-1 source pool/main/h/hello/hello_1.0-1.dsc"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	same(t, filepath.Join(f.Output(f.dir), "dists", "alpha", "Release"),
		strconv.Itoa(len(read(t, filepath.Join(f.Output(f.dir), "dists", "alpha", "Release")))), string(got.Release))
	f.lists(t, "alpha", amd64, "hello 1.0-1 amd64")
	f.lists(t, "alpha", arm64)
	f.lists(t, "alpha", sources, "hello 1.0-1")
	f.lists(t, "beta", amd64)
	c := f.client(t, "alpha", "amd64")
	c.Must(t, "apt-get", "update")
	c.Must(t, "apt-get", "download", "hello")
	c.Must(t, "apt-get", "source", "--download-only", "hello")
	if show := c.Must(t, "apt-cache", "show", "hello"); !strings.Contains(show, "more about it\n .\n the end") {
		t.Errorf("the description has suffered:\n%s", show)
	}
}

func testTwice(t *testing.T, f *fixture) {
	repo := f.open(t)
	upload := f.upload(t, "hello", "1.0-1", "amd64")
	first := f.include(t, repo, upload)
	second := f.include(t, repo, upload)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("including again (-first +second):\n%s", diff)
	}
	// Again after a newer one has come, as when a bot dies before it says that it is done.
	f.include(t, repo, f.upload(t, "hello", "1.0-2", "amd64"))
	third, err := repo.Include(t.Context(), upload)
	if err != nil {
		t.Fatalf("including again what has been replaced: %v", err)
	}
	if diff := cmp.Diff(first.Packages, third.Packages); diff != "" {
		t.Errorf("including again what has been replaced (-first +third):\n%s", diff)
	}
	f.lists(t, "alpha", amd64, "hello 1.0-2 amd64")
}

func testOtherBytes(t *testing.T, f *fixture) {
	repo := f.open(t)
	f.include(t, repo, f.upload(t, "hello", "1.0-1", "amd64"))
	other := f.upload(t, "hello", "1.0-1", "amd64")
	MakeDeb(t, filepath.Dir(other.Files[0]), Binary{Name: "hello", Version: "1.0-1", Arch: "amd64", Content: "altered"})
	f.refused(t, repo, other, "with other content")
	other.Files = nil
	other.Dsc, other.SourceFiles = MakeSource(t, f.folder(t), "hello", "1.0-1", "altered")
	f.refused(t, repo, other, "with other content")
	elsewhere := f.upload(t, "hello", "1.0-1", "amd64")
	elsewhere.Codename, elsewhere.Dsc, elsewhere.SourceFiles = "beta", "", nil
	f.include(t, repo, elsewhere)
	MakeDeb(t, filepath.Dir(elsewhere.Files[0]), Binary{Name: "hello", Version: "1.0-1", Arch: "amd64", Content: "altered"})
	f.refused(t, repo, elsewhere, "with other content")
}

func testUnknownCodename(t *testing.T, f *fixture) {
	upload := f.upload(t, "hello", "1.0-1", "amd64")
	for _, name := range []string{"gamma", "", "../alpha", "stable"} {
		upload.Codename = name
		if _, err := f.open(t).Include(t.Context(), upload); !errors.Is(err, publish.ErrUnknownCodename) {
			t.Errorf("codename %q: %v, want ErrUnknownCodename", name, err)
		}
		f = &fixture{Adapter: f.Adapter, suites: f.suites, dir: t.TempDir()}
	}
}

func testVersions(t *testing.T, f *fixture) {
	repo := f.open(t)
	for _, version := range []string{"1.0~rc1-1", "1.0-1", "1.0-1+20261120.2315.g1a2b3c4", "1:0.5-1"} {
		f.include(t, repo, f.upload(t, "hello", version, "amd64"))
		f.lists(t, "alpha", amd64, "hello "+version+" amd64")
		f.lists(t, "alpha", sources, "hello "+version)
	}
	f.refused(t, repo, f.upload(t, "hello", "2.0-1", "amd64"), "has the higher version 1:0.5-1")
	c := f.client(t, "alpha", "amd64")
	c.Must(t, "apt-get", "update")
	c.Must(t, "apt-get", "download", "hello=1:0.5-1")
}

func testArchitectures(t *testing.T, f *fixture) {
	repo := f.open(t)
	one := f.upload(t, "hello", "1.0-1", "amd64", "all")
	two := f.upload(t, "hello", "1.0-1", "arm64")
	f.include(t, repo, one)
	f.include(t, repo, two)
	f.lists(t, "alpha", amd64, "hello 1.0-1 amd64", "hello-data 1.0-1 all")
	f.lists(t, "alpha", arm64, "hello 1.0-1 arm64", "hello-data 1.0-1 all")
	f.lists(t, "alpha", sources, "hello 1.0-1")
	// A late architecture of the version before does no harm, and its source is there again.
	f.include(t, repo, f.upload(t, "hello", "1.0-2", "amd64", "all"))
	f.lists(t, "alpha", sources, "hello 1.0-1", "hello 1.0-2")
	f.include(t, repo, f.upload(t, "hello", "1.0-2", "arm64"))
	f.lists(t, "alpha", arm64, "hello 1.0-2 arm64", "hello-data 1.0-2 all")
	f.lists(t, "alpha", sources, "hello 1.0-2")
	f.refused(t, repo, f.upload(t, "other", "1.0-1", "riscv64"), "no architecture riscv64")
	for _, arch := range []string{"amd64", "arm64"} {
		c := f.client(t, "alpha", arch)
		c.Must(t, "apt-get", "update")
		c.Must(t, "apt-get", "download", "hello", "hello-data")
	}
}

func testNames(t *testing.T, f *fixture) {
	repo := f.open(t)
	for name, version := range map[string]string{
		"libfoo++1": "1:2.0~rc1+git1-1~deb12u0", "0ad": "0.0.26-3", "lib": "1-1", "libx": "1.0+b-1", "g++-12": "12.2.0-14",
	} {
		f.include(t, repo, f.upload(t, name, version, "amd64"))
	}
	dir := f.folder(t)
	u := publish.Upload{Package: message.Package{Source: "installer", Version: "1", Codename: "alpha"}, Architecture: "amd64"}
	u.Files = []string{
		MakeDeb(t, dir, Binary{Name: "installer-udeb", Version: "1", Arch: "amd64", Source: "installer", Extension: ".udeb"}),
		MakeDeb(t, dir, Binary{Name: "installer-dbgsym", Version: "1", Arch: "amd64", Source: "installer", Extension: ".ddeb"}),
	}
	f.include(t, repo, u)
	f.lists(t, "alpha", "main/debian-installer/binary-amd64/Packages", "installer-udeb 1 amd64")
	for _, path := range []string{"libf/libfoo++1/libfoo++1_2.0~rc1+git1-1~deb12u0_amd64.deb", "0/0ad/0ad_0.0.26-3.dsc", "l/lib/lib_1-1_amd64.deb", "libx/libx/libx_1.0+b-1_amd64.deb"} {
		if _, err := os.Stat(filepath.Join(f.Output(f.dir), "pool", "main", path)); err != nil {
			t.Error(err)
		}
	}
	c := f.client(t, "alpha", "amd64")
	c.Must(t, "apt-get", "update")
	c.Must(t, "apt-get", "download", "libfoo++1", "0ad", "lib", "libx", "g++-12", "installer-dbgsym")
}
