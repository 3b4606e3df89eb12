package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"foundry/scripts/internal/rig"
)

const (
	codename = "bookworm"
	keyring  = "/usr/share/keyrings/debian-archive-keyring.gpg"
)

// architectures of the repositories.
var architectures = []string{"amd64", "arm64"}

// Packages of Debian that are hard in some way.
var (
	binaries = strings.Fields(`
hello 6tunnel 9mount bonnie++ gnucobol mysql-common default-mysql-server python-is-python3 go-md2man
fgetty python3-speg librust-ufmt-write-dev libdb++-dev wmweather+ librust-winapi-dev firmware-zd1211 hannah-foo2zjs python3-pynliner
libc6 libc6-dev libc-bin tzdata busybox-static libstdc++6 perl-base dash bash coreutils grep adduser debconf locales
fonts-dejavu-core python3-minimal libpython3-stdlib golang-github-spf13-cobra-dev debian-archive-keyring apt-transport-https
gcc-12-base libgcc-s1 zlib1g zlib1g-dev linux-image-amd64 vim-tiny vim-common wamerican ca-certificates hyphen-de
aspell-de manpages-fr manpages-ja libjs-jquery node-clone lintian apt bsdutils login sysvinit-utils init-system-helpers
hello:arm64 zlib1g:arm64 libgcc-s1:arm64 dash:arm64
anna nano-udeb cdebconf-udeb`)
	sources = strings.Fields(`hello 6tunnel 9mount bonnie++ gnucobol mysql-defaults what-is-python go-md2man-v2 dash hostname tzdata`)
)

// equality is one call of the program.
type equality struct {
	rig      *rig.Rig
	aptly    string // program
	packages string // folder of the files of all packages
}

// fetch downloads packages of Debian with an apt of its own.
func (e *equality) fetch(ctx context.Context, mirror string) error {
	dir := filepath.Join(e.rig.Dir, "apt")
	for _, name := range []string{"state/lists/partial", "cache/archives/partial", "etc/preferences.d", "etc/apt.conf.d"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	signed := " [signed-by=" + keyring + "] " + mirror
	list := "deb" + signed + "/debian " + codename + " main contrib non-free non-free-firmware main/debian-installer\n" +
		"deb-src" + signed + "/debian " + codename + " main\n"
	config := fmt.Sprintf(`Dir::Etc "%[1]s/etc"; Dir::State "%[1]s/state"; Dir::State::status "%[1]s/status"; Dir::Cache "%[1]s/cache";
APT::Architecture "amd64"; APT::Architectures { "amd64"; "arm64"; }; APT::Sandbox::User "root"; Acquire::Languages "none"; Acquire::Retries "3";
`, dir)
	for name, content := range map[string]string{"etc/sources.list": list, "status": "", "apt.conf": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	get := func(args ...string) error {
		return e.rig.Run(ctx, rig.Command{Name: "apt-get", Args: args, Dir: e.packages, Env: []string{"APT_CONFIG=" + filepath.Join(dir, "apt.conf"), "LC_ALL=C.UTF-8"}})
	}
	if err := get("update", "--error-on=any"); err != nil {
		return err
	}
	if err := e.each(get, []string{"download", "--quiet"}, binaries); err != nil {
		return err
	}
	if err := e.each(get, []string{"source", "--quiet", "--download-only", "--only-source"}, sources); err != nil {
		return err
	}
	return e.plainNames()
}

// mostMissing is how many packages a mirror may lack although it lists them.
const mostMissing = 5

// each calls get with all names at once, and where that does not work with one after the other.
func (e *equality) each(get func(args ...string) error, args, names []string) error {
	if get(slices.Concat(args, names)...) == nil {
		return nil
	}
	var missing []string
	for _, name := range names {
		err := get(slices.Concat(args, []string{name})...)
		if err == nil {
			continue
		}
		if missing = append(missing, name); len(missing) > mostMissing {
			return err
		}
	}
	if len(missing) > 0 {
		fmt.Fprintf(os.Stderr, "equality: the mirror lacks %s\n", strings.Join(missing, ", "))
	}
	return nil
}

var epoch = regexp.MustCompile(`_\d+%3a`)

// plainNames takes the epochs out of the names of files, where apt has put them.
func (e *equality) plainNames() error {
	entries, err := os.ReadDir(e.packages)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if plain := epoch.ReplaceAllString(entry.Name(), "_"); plain != entry.Name() {
			if err := os.Rename(filepath.Join(e.packages, entry.Name()), filepath.Join(e.packages, plain)); err != nil {
				return err
			}
		}
	}
	return nil
}

// odd are packages that are legal: options of dpkg-deb, and fields.
var odd = map[string]struct {
	args   []string
	fields string
	files  []string
}{
	"odd-zstd":      {[]string{"-Zzstd"}, "Section: contrib/misc\n", nil},
	"odd-gzip":      {[]string{"-Zgzip", "--uniform-compression"}, "Section: non-free/net\nPriority: extra\n", nil},
	"odd-none":      {[]string{"-Znone"}, "", nil},
	"odd-xz":        {[]string{"-Zxz", "--no-uniform-compression"}, "Multi-Arch: foreign\n", nil},
	"odd-names":     {nil, "Section: misc\n", []string{"usr/share/a b  c", "usr/share/ünïcode/日本語", "usr/share/\xff\xfe", "usr/share/tab\there", "usr/share/back\\slash", "usr/share/\"quote'", "usr/share/-dash", "usr/share/comma,name", "usr/share/ leading", "usr/share/trailing "}},
	"odd-fields":    {nil, "Depends: libc6 (>= 2.36),\n odd-none | odd-xz,\n odd-zstd\nX-Foo-Bar: one\n  two\n .\n three\nBugs: https://example.org/?a=b:c\nTag: a::b,\n c::d\nEssential: yes\n", nil},
	"odd-long":      {nil, "Provides: " + strings.Repeat("odd-virtual (= 1.0), ", 2000) + "odd-last\n", nil},
	"odd-builtwith": {nil, "Built-Using: gcc-12 (= 12.2.0-14), bison (= 2:3.8.2+dfsg-1)\nStatic-Built-Using: golang-1.19 (= 1.19.8-2)\n", nil},
	"0odd.digit+":   {nil, "Source: odd-source (2:1.0-3)\nHomepage: https://example.org/~x?y#z\n", nil},
	"odd-udeb":      {nil, "Package-Type: udeb\nSection: debian-installer\nInstaller-Menu-Item: 100\n", nil},
	"odd-dbgsym":    {nil, "Auto-Built-Package: debug-symbols\nBuild-Ids: 0123456789abcdef0123456789abcdef01234567\nSection: debug\n", []string{"usr/lib/debug/.build-id/01/23456789abcdef0123456789abcdef01234567.debug"}},
	"odd-many":      {nil, "", many()},
}

// many are the names of many files.
func many() (names []string) {
	for n := range 3000 {
		names = append(names, fmt.Sprintf("usr/lib/odd/%02d/%05d", n%37, n))
	}
	return names
}

// generate makes odd packages, each in a version with an epoch.
func (e *equality) generate(ctx context.Context) error {
	if err := os.MkdirAll(e.packages, 0o755); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(odd)) {
		c := odd[name]
		tree := filepath.Join(e.rig.Dir, "tree", name)
		for _, file := range append([]string{"usr/share/" + name + "/content"}, c.files...) {
			path := filepath.Join(tree, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(path, []byte(file), 0o644); err != nil {
				return err
			}
		}
		control := "Package: " + name + "\nVersion: 1:1.0~rc1+b1\nArchitecture: all\nMaintainer: Jörg Müller <j@example.org>\n" + c.fields +
			"Description: odd, with \"quotes\" and ümlauts\n  Indented more.\n .\n\ta tab, and   blanks\n .\n the end\n"
		if err := os.Mkdir(filepath.Join(tree, "DEBIAN"), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(tree, "DEBIAN", "control"), []byte(control), 0o644); err != nil {
			return err
		}
		extension := ".deb"
		if strings.Contains(c.fields, "udeb") {
			extension = ".udeb"
		}
		args := slices.Concat([]string{"--root-owner-group", "--build"}, []string{tree, filepath.Join(e.packages, name+"_1.0~rc1+b1_all"+extension)})
		if err := e.rig.Run(ctx, rig.Command{Name: "dpkg-deb", Args: slices.Concat(c.args, args), Env: []string{"SOURCE_DATE_EPOCH=1700000000"}}); err != nil {
			return err
		}
	}
	return nil
}
