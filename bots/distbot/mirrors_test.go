package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/message"
	"foundry/pkg/publish/publishtest"
)

// mirrored is a repository with a home folder for programs that copy it.
type mirrored struct {
	*fixture
	url  string
	home string
	want []string // files of packages
}

func newMirrored(t *testing.T) *mirrored {
	t.Helper()
	f := newFixture(t)
	for _, s := range []*message.Sign{f.sign(t, "1.0-1"), f.signOf(t, "libfoo++1", "1:2.0~rc1-1", "amd64")} {
		if _, err := f.run(t, s); err != nil {
			t.Fatal(err)
		}
	}
	url, _ := strict(t, f.output)
	m := &mirrored{fixture: f, url: url}
	var err error
	if m.home, err = os.MkdirTemp("", "mirror-"); err != nil { // short, for the sockets of gpg
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", filepath.Join(m.home, ".gnupg"), "--kill", "all").Run()
		_ = os.RemoveAll(m.home)
	})
	m.sh(t, "mkdir -m 700 .gnupg && gpg --quiet --batch --import "+filepath.Join(f.output, "test.asc"))
	m.want = poolFiles(t, filepath.Join(f.output, "pool"))
	return m
}

// poolFiles are the names of the packages below a folder, without the path.
func poolFiles(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			names = append(names, filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// sh runs a script in the home folder.
func (m *mirrored) sh(t *testing.T, script string) string {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-euc", script)
	cmd.Dir = m.home
	cmd.Env = append(os.Environ(), "HOME="+m.home, "GNUPGHOME="+filepath.Join(m.home, ".gnupg"), "URL="+m.url, "LC_ALL=C.UTF-8", "http_proxy=", "no_proxy=*")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v:\n%s", script, err, out)
	}
	return string(out)
}

// TestMirrors has programs that copy repositories copy this one, sources too, each verifying it in its own way.
func TestMirrors(t *testing.T) {
	m := newMirrored(t)
	print := m.options.Signer.Fingerprint()[24:] // which is as much as reprepro takes
	for _, c := range []struct{ program, script, pool string }{
		{"reprepro", fmt.Sprintf(`
mkdir -p reprepro/conf
printf 'Codename: bookworm\nArchitectures: amd64 source\nComponents: main\nUpdate: from\n' > reprepro/conf/distributions
printf 'Name: from\nMethod: %s\nSuite: bookworm\nVerifyRelease: %s\n' > reprepro/conf/updates
reprepro --basedir reprepro update
reprepro --basedir reprepro check
`, m.url, print), "reprepro/pool"},
		{"aptly", `
gpg --export > trusted.gpg
printf '{"rootDir": "%s/aptly", "gpgProvider": "gpg"}' "$PWD" > aptly.conf
aptly -config=aptly.conf mirror create -keyring="$PWD/trusted.gpg" -with-sources -architectures=amd64 from "$URL" bookworm main
aptly -config=aptly.conf mirror update -keyring="$PWD/trusted.gpg" from
aptly -config=aptly.conf snapshot create one from mirror from
aptly -config=aptly.conf publish snapshot -skip-signing one
`, "aptly/public/pool"},
		{"debmirror", `
gpg --export > debmirror.gpg
debmirror --method=http --host="${URL#http://}" --root=/ --dist=bookworm --section=main --arch=amd64 --source --diff=none \
	--keyring="$PWD/debmirror.gpg" --check-gpg --checksums --i18n debmirror
`, "debmirror/pool"},
	} {
		t.Run(c.program, func(t *testing.T) {
			if _, err := exec.LookPath(c.program); err != nil {
				t.Fatalf("%v: apt-get install %s", err, c.program)
			}
			m.sh(t, c.script)
			if diff := cmp.Diff(m.want, poolFiles(t, filepath.Join(m.home, c.pool))); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSourceClients has programs fetch a source package.
func TestSourceClients(t *testing.T) {
	m := newMirrored(t)
	m.sh(t, `
mkdir dget
cd dget
dget --quiet --download-only --allow-unauthenticated "$URL/pool/main/h/hello/hello_1.0-1.dsc"
gpgv --keyring "$HOME/.gnupg/pubring.kbx" --output Release `+filepath.Join(m.output, "dists/bookworm/InRelease")+`
`)
	got := poolFiles(t, filepath.Join(m.home, "dget"))
	for _, name := range []string{"hello_1.0-1.dsc", "hello_1.0.orig.tar.xz", "hello_1.0-1.debian.tar.xz"} {
		if !strings.Contains(strings.Join(got, " "), name) {
			t.Errorf("dget did not fetch %s: %v", name, got)
		}
	}
	c := publishtest.NewClient(t, m.url, "bookworm", "amd64", filepath.Join(m.output, "test.asc"))
	c.Must(t, "apt-get", "update")
	c.Must(t, "apt-get", "source", "--download-only", "libfoo++1=1:2.0~rc1-1")
}
