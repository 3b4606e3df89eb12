package debian

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	sumA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	sumB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	md5A = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	md5B = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

const goodChanges = `Format: 1.8
Date: Fri, 20 Nov 2026 23:15:01 +0000
Source: hello (2.10-3)
Binary: hello
Architecture: amd64
Version: 1:2.10-3+b1
Distribution: bookworm
Urgency: low
Maintainer: A B <a@example.org>
Changed-By: C D <c@example.org>
Description:
 hello - says hello
Changes:
 hello (2.10-3) bookworm; urgency=low
 .
   * Hello.
Checksums-Sha256:
 ` + sumA + ` 12 hello_2.10-3+b1_amd64.buildinfo
 ` + sumB + ` 3456 hello_2.10-3+b1_amd64.deb
Files:
 ` + md5A + ` 12 devel optional hello_2.10-3+b1_amd64.buildinfo
 ` + md5B + ` 3456 devel optional hello_2.10-3+b1_amd64.deb
`

func TestParseChanges(t *testing.T) {
	for name, text := range map[string]string{"plain": goodChanges, "clearsigned": clearsigned(t, goodChanges)} {
		t.Run(name, func(t *testing.T) {
			c, err := ParseChanges([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			c.Fields = nil
			want := &Changes{
				Source: "hello", SourceVersion: Version{0, "2.10", "3"}, Version: Version{1, "2.10", "3+b1"},
				Distribution: "bookworm", Architectures: []string{"amd64"}, Maintainer: "A B <a@example.org>", ChangedBy: "C D <c@example.org>",
				Files: []File{
					{"hello_2.10-3+b1_amd64.buildinfo", 12, sumA, md5A, "devel", "optional"},
					{"hello_2.10-3+b1_amd64.deb", 3456, sumB, md5B, "devel", "optional"},
				},
			}
			if diff := cmp.Diff(want, c); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// clearsigned signs text with a key that gpg makes for it.
func clearsigned(t *testing.T, text string) string {
	t.Helper()
	home := t.TempDir()
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	run := func(stdin string, args ...string) string {
		cmd := exec.Command("gpg", append([]string{"--homedir", home, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("gpg: %v\nhint: apt-get install gnupg", err)
		}
		return string(out)
	}
	run("", "--quick-generate-key", "test <test@example.org>", "ed25519", "sign", "never")
	t.Cleanup(func() { _ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run() })
	return run(text, "--clearsign")
}

func TestParseChangesErrors(t *testing.T) {
	signed := clearsigned(t, goodChanges)
	replace := func(old, new string) string {
		if !strings.Contains(goodChanges, old) {
			t.Fatalf("no %q", old)
		}
		return strings.ReplaceAll(goodChanges, old, new)
	}
	for name, test := range map[string]struct{ text, want string }{
		"empty":              {"", "0 stanzas"},
		"two stanzas":        {goodChanges + "\nSource: other\n", "2 stanzas"},
		"two distributions":  {replace(": bookworm\n", ": bookworm trixie\n"), "2 distributions"},
		"no distribution":    {replace("Distribution: bookworm\n", ""), "0 distributions"},
		"climbing":           {replace(": bookworm\n", ": ../x\n"), "invalid distribution"},
		"slash in file":      {replace("_amd64.deb", "/amd64.deb"), "invalid file name"},
		"file climbs":        {replace("hello_2.10-3+b1_amd64.deb", ".."), "invalid file name"},
		"file with newline":  {replace("_amd64.deb", "_amd64\x1b.deb"), "invalid file name"},
		"files disagree":     {strings.Replace(goodChanges, "3456 hello", "3457 hello", 1), "do not agree"},
		"file unlisted":      {strings.Replace(goodChanges, " "+sumB+" 3456 hello_2.10-3+b1_amd64.deb\n", "", 1), "different files"},
		"no digest":          {replace(sumA, "abc"), "invalid digest"},
		"negative size":      {replace(" 12 ", " -12 "), "invalid size"},
		"size overflows":     {replace(" 12 ", " 99999999999999999999 "), "invalid size"},
		"no sha256":          {replace("Checksums-Sha256", "Checksums-Sha1"), "no Checksums-Sha256"},
		"bad source":         {replace("Source: hello (", "Source: hello ["), "invalid Source"},
		"text before signed": {"Distribution: evil\n\n" + signed, "text before"},
		"text after signed":  {signed + "\nSource: evil\n", "text after"},
		"cut signature":      {signed[:len(signed)-60], "broken"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := ParseChanges([]byte(test.text))
			if err == nil {
				t.Fatalf("believed %+v", c)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q does not say %q", err, test.want)
			}
		})
	}
}

func TestParseDsc(t *testing.T) {
	dir := t.TempDir()
	tree := filepath.Join(dir, "hello-1.0")
	for name, text := range map[string]string{
		"debian/changelog":     "hello (1.0) unstable; urgency=low\n\n  * Hello.\n\n -- A B <a@example.org>  Fri, 20 Nov 2026 23:15:01 +0000\n",
		"debian/control":       goodControl,
		"debian/source/format": "3.0 (native)\n",
		"debian/rules":         "#!/usr/bin/make -f\n%:\n\ttrue\n",
	} {
		path := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("dpkg-source", "-b", tree)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("dpkg-source: %v\n%s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(dir, DscName("hello", Version{Upstream: "1.0"})))
	if err != nil {
		t.Fatal(err)
	}
	d, err := ParseDsc(data)
	if err != nil {
		t.Fatal(err)
	}
	if d.Format != "3.0 (native)" || d.Source != "hello" || len(d.Files) != 1 || d.Files[0].Name != "hello_1.0.tar.xz" ||
		!cmp.Equal(d.Architectures, []string{"any", "all"}) || !cmp.Equal(d.Binaries, []string{"hello", "hello-doc", "hello-udeb"}) {
		t.Errorf("%+v", d)
	}
	if _, err := ParseDsc(bytes.ReplaceAll(data, []byte("Format: "), []byte("X-Format: "))); err == nil {
		t.Error("a .dsc without Format is believed")
	}
	if _, err := ParseDsc(bytes.ReplaceAll(data, []byte(" hello_1.0.tar.xz"), []byte(" ../hello_1.0.tar.xz"))); err == nil {
		t.Error("a .dsc with a climbing file is believed")
	}
}

func checkFiles(t *testing.T, files []File) {
	t.Helper()
	seen := map[string]bool{}
	for _, f := range files {
		if filepath.Base(f.Name) != f.Name || f.Name == ".." || f.Size < 0 || len(f.SHA256) != 64 || seen[f.Name] {
			t.Fatalf("believed file %+v", f)
		}
		seen[f.Name] = true
	}
}

func FuzzChanges(f *testing.F) {
	f.Add([]byte(goodChanges))
	f.Add([]byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n" + goodChanges + "-----BEGIN PGP SIGNATURE-----\n\niHUE\n-----END PGP SIGNATURE-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseChanges(data)
		if err != nil {
			return
		}
		checkFiles(t, c.Files)
		if len(strings.Fields(c.Distribution)) != 1 || !ValidPackageName(c.Source) {
			t.Fatalf("believed %+v", c)
		}
	})
}

func FuzzDsc(f *testing.F) {
	f.Add([]byte("Format: 3.0 (native)\nSource: hello\nVersion: 1.0\nArchitecture: any\nChecksums-Sha256:\n " + sumA + " 1 hello_1.0.tar.xz\nFiles:\n " + md5A + " 1 hello_1.0.tar.xz\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := ParseDsc(data)
		if err != nil {
			return
		}
		checkFiles(t, d.Files)
		if !ValidPackageName(d.Source) || d.Format == "" || len(d.Architectures) == 0 {
			t.Fatalf("believed %+v", d)
		}
	})
}
