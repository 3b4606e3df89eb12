package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/debian"
	"foundry/scripts/internal/rig"
)

// command runs a program that makes something for a test.
func command(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v (scripts/setup --test)\n%s", name, err, out)
	}
}

// makeNasty makes the source package of testdata/nasty, with two orig tarballs.
func makeNasty(t *testing.T, dir string) (dsc string) {
	t.Helper()
	const tree = "9nasty+x-1.0~rc1+git"
	if err := os.CopyFS(filepath.Join(dir, tree), os.DirFS("testdata/nasty")); err != nil {
		t.Fatal(err)
	}
	command(t, dir, "chmod", "755", filepath.Join(tree, "debian/rules"))
	for name, what := range map[string][]string{
		"9nasty+x_1.0~rc1+git.orig.tar.gz":       {"--exclude=debian", "--exclude=extra", tree},
		"9nasty+x_1.0~rc1+git.orig-extra.tar.gz": {"--directory=" + tree, "extra"},
	} {
		args := append([]string{"--create", "--gzip", "--sort=name", "--owner=0", "--group=0", "--mtime=@0", "--file", name}, what...)
		command(t, dir, "tar", args...)
	}
	command(t, dir, "dpkg-source", "--build", tree)
	return filepath.Join(dir, "9nasty+x_1.0~rc1+git-1~x1.dsc")
}

// TestNasty builds a package that is odd in most ways on both sides. It writes what it sees of the
// place where it is built into its packages, and these have to be the same to the byte.
func TestNasty(t *testing.T) {
	if testing.Short() {
		t.Skip("makes a chroot for sbuild")
	}
	// Not in t.TempDir: another user runs sbuild, and podman wants short names.
	dir, err := os.MkdirTemp("/var/tmp", "fc-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	programs := filepath.Join(dir, "bin")
	for _, name := range []string{"foundry", "sourcebot", "provisionbot", "buildbot", "signbot", "distbot"} {
		command(t, "../..", "go", "build", "-o", programs+"/", "./bots/"+name)
	}
	cache := os.Getenv("FOUNDRY_TEST_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		cache = filepath.Join(user, "foundry-test")
	}
	c := &corpus{
		codename: "bookworm", mirror: "http://deb.debian.org/debian", programs: programs,
		keep: filepath.Join(dir, "keep"), cache: cache, patience: 5 * time.Minute,
	}
	results, err := c.compareAll(t.Context(), dir, []hard{{makeNasty(t, dir), "made for it"}})
	if err != nil {
		t.Fatal(err)
	}
	r := results[0]
	if diff := cmp.Diff([]string(nil), r.differences); diff != "" {
		t.Errorf("differences (-want +got)\n%s", diff)
	}
	host := rig.Architecture()
	want := []string{
		"9nasty+x-data_1.0~rc1+git-1~x1_all.deb", "9nasty+x-udeb_1.0~rc1+git-1~x1_" + host + ".udeb",
		"9nasty+x_1.0~rc1+git-1~x1_" + host + ".deb", "libnasty0_0.5+odd_" + host + ".deb",
	}
	if diff := cmp.Diff(want, r.binaries); diff != "" {
		t.Errorf("packages (-want +got)\n%s", diff)
	}
	if r.identical != len(want) {
		t.Errorf("%d of %d packages are the same to the byte", r.identical, len(want))
	}
}

// TestDifferences sees that each kind of difference is told, and what may differ is not.
func TestDifferences(t *testing.T) {
	stanza := func(text string) debian.Stanza {
		s, err := debian.ParseControl([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return s[0]
	}
	sample := func(edit func(b *build, p *binary)) *build {
		p := &binary{
			digest: "1", control: stanza("Package: x\nVersion: 1\nInstalled-Size: 5\n"),
			files:   []entry{{"./usr/bin/x", '0', 0o755, "0:0:root:root", "", "content0000001"}, {"./l", '2', 0o777, "0:0:root:root", "x", ""}},
			members: []entry{{"./control", '0', 0o644, "0:0:root:root", "", "content0000002"}, {"./postinst", '0', 0o755, "0:0:root:root", "", "content0000003"}},
		}
		b := &build{
			changes:   stanza("Source: x\nDate: now\nFiles:\n 0 1 misc optional x_1_amd64.deb\n"),
			buildinfo: stanza("Source: x\nBuild-Date: now\nInstalled-Build-Depends: a (= 1)\n"),
			files:     []string{"x_1_amd64.deb"}, packages: map[string]*binary{"x_1_amd64.deb": p},
		}
		if edit != nil {
			edit(b, p)
		}
		return b
	}
	for _, test := range []struct {
		name string
		edit func(b *build, p *binary)
		want string // part of the one difference; empty for none
	}{
		{"nothing", nil, ""},
		{"content", func(_ *build, p *binary) { p.files[0].content, p.digest = "other content", "2" }, ""},
		{"control file", func(_ *build, p *binary) { p.members[0].content = "other content" }, ""},
		{"date of build", func(b *build, _ *binary) {
			b.buildinfo = stanza("Source: x\nBuild-Date: later\nInstalled-Build-Depends: a (= 1)\n")
		}, ""},
		{"version", func(_ *build, p *binary) { p.control = stanza("Package: x\nVersion: 2\nInstalled-Size: 5\n") }, `field Version is "2"`},
		{"size", func(_ *build, p *binary) { p.control = stanza("Package: x\nVersion: 1\nInstalled-Size: 6\n") }, `field Installed-Size`},
		{"new field", func(_ *build, p *binary) {
			p.control = stanza("Package: x\nVersion: 1\nInstalled-Size: 5\nDepends: y\n")
		}, `field Depends is "y"`},
		{"mode", func(_ *build, p *binary) { p.files[0].mode = 0o4755 }, "4755"},
		{"owner", func(_ *build, p *binary) { p.files[0].owner = "0:42:root:shadow" }, "shadow"},
		{"kind", func(_ *build, p *binary) { p.files[0].kind = '1' }, "./usr/bin/x 1"},
		{"link", func(_ *build, p *binary) { p.files[1].link = "y" }, "-> y"},
		{"name", func(_ *build, p *binary) { p.files[0].path = "./usr/bin/ü" }, "ü"},
		{"script", func(_ *build, p *binary) { p.members[1].content = "other content" }, "postinst"},
		{"section", func(b *build, _ *binary) {
			b.changes = stanza("Source: x\nDate: now\nFiles:\n 0 1 libs optional x_1_amd64.deb\n")
		}, "libs optional"},
		{"environment", func(b *build, _ *binary) {
			b.buildinfo = stanza("Source: x\nBuild-Date: now\nInstalled-Build-Depends: a (= 2)\n")
		}, "Installed-Build-Depends"},
		{"package", func(b *build, _ *binary) { b.files = append(b.files, "y_1_amd64.deb") }, "y_1_amd64.deb besides"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := strings.Join(differences(sample(nil), sample(test.edit)), "\n")
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
