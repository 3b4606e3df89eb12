package upload_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foundry/bots/internal/upload"
)

// TestRefused alters a good upload in ways that must not pass, and signs it again where the signature is
// not what is wrong.
func TestRefused(t *testing.T) {
	b := newBench(t)
	good := native(t)
	change := func(old, with string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			text := read(t, path)
			if !strings.Contains(text, old) {
				t.Fatalf("there is no %q in\n%s", old, text)
			}
			write(t, path, strings.ReplaceAll(text, old, with))
		}
	}
	const digest, sum = "d41d8cd98f00b204e9800998ecf8427e", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	add := func(name string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			text := strings.Replace(read(t, path), "Files:\n", fmt.Sprintf("Files:\n %s 0 misc optional %s\n", digest, name), 1)
			write(t, path, strings.Replace(text, "Checksums-Sha256:\n", fmt.Sprintf("Checksums-Sha256:\n %s 0 %s\n", sum, name), 1))
			if !strings.Contains(name, "/") {
				write(t, filepath.Join(filepath.Dir(path), name), "")
			}
		}
	}
	for name, tt := range map[string]struct {
		alter  func(t *testing.T, path string)
		reason string
	}{
		"binary package":         {add("hello_1.0_amd64.deb"), "has a binary package"},
		"installer package":      {add("hello_1.0_amd64.udeb"), "has a binary package"},
		"with binaries":          {change("Architecture: source", "Architecture: source amd64"), "source alone"},
		"another file":           {add("hello_1.0_readme.txt"), "no file of the source package"},
		"another package's file": {add("other_1.0.tar.xz"), "no file of the source package"},
		"name with a slash":      {add("../hello_1.0.tar.gz"), "invalid file name"},
		"hidden file":            {add(".hello"), "invalid file name"},
		"two distributions":      {change("Distribution: bookworm", "Distribution: bookworm trixie"), "2 distributions"},
		"alias":                  {change("Distribution: bookworm", "Distribution: bookworm-security"), "is for bookworm-security; built are bookworm, trixie"},
		"no distribution":        {change("Distribution: bookworm\n", ""), "0 distributions"},
		"no date":                {change("Date: ", "X-Date: "), "date is not"},
		"binary rebuild":         {change("Source: hello\n", "Source: hello (0.9)\n"), "of the source package of version 0.9"},
		"other source":           {change("Source: hello\n", "Source: hallo\n"), "lists no hallo_1.0.dsc"},
		"other version":          {change("Version: 1.0\n", "Version: 1:1.0\n"), "is about hello 1:1.0"},
		"no checksums":           {change("Checksums-Sha256", "Checksums-Sha257"), "no Checksums-Sha256"},
		"empty":                  {func(t *testing.T, path string) { write(t, path, "") }, "0 stanzas"},
		"two stanzas":            {func(t *testing.T, path string) { write(t, path, read(t, path)+"\nFormat: 1.8\n") }, "2 stanzas"},
		"tarball altered": {func(t *testing.T, path string) {
			tarball := filepath.Join(filepath.Dir(path), "hello_1.0.tar.xz")
			text := []byte(read(t, tarball))
			text[len(text)/2] ^= 1
			write(t, tarball, string(text))
		}, "hello_1.0.tar.xz has not the SHA-256"},
		"tarball grown": {func(t *testing.T, path string) {
			tarball := filepath.Join(filepath.Dir(path), "hello_1.0.tar.xz")
			write(t, tarball, read(t, tarball)+"x")
		}, "and should have"},
		"huge": {func(t *testing.T, path string) {
			if err := os.Truncate(path, 5<<20); err != nil {
				t.Fatal(err)
			}
		}, "more than 4194304"},
	} {
		t.Run(name, func(t *testing.T) {
			path := copyUpload(t, good)
			tt.alter(t, path)
			if name != "huge" {
				b.sign(path)
			}
			wantRefusal(t, b, path, tt.reason)
		})
	}
	if there := b.said("sources"); there != nil {
		t.Errorf("announced: %v", there)
	}
}

// copyUpload copies the files of a package into a folder of their own.
func copyUpload(t *testing.T, changes string) string {
	t.Helper()
	dir := t.TempDir()
	entries, err := os.ReadDir(filepath.Dir(changes))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Type().IsRegular() {
			write(t, filepath.Join(dir, e.Name()), read(t, filepath.Join(filepath.Dir(changes), e.Name())))
		}
	}
	return filepath.Join(dir, filepath.Base(changes))
}

// TestUntrusted: an upload that no uploader has signed is refused unless that is allowed.
func TestUntrusted(t *testing.T) {
	b := newBench(t)
	good := native(t)
	stranger := newSigner(t, t.TempDir(), "stranger")
	signed := copyUpload(t, good)
	b.sign(signed)
	text := read(t, signed)
	for name, tt := range map[string]struct{ text, reason string }{
		"unsigned":            {read(t, good), "not a clearsigned text"},
		"altered":             {strings.Replace(text, "Distribution: bookworm", "Distribution: trixie", 1), "signature does not match"},
		"text before":         {"Format: 1.8\n\n" + text, "not a clearsigned text"},
		"text after":          {text + "\nArchitecture: amd64\n", "text after the signed block"},
		"signature cut off":   {text[:strings.Index(text, "-----BEGIN PGP SIGNATURE")], "not a clearsigned text"},
		"half of the text":    {text[:len(text)/3], "not a clearsigned text"},
		"signed by no friend": {"", "signed by unknown key"},
	} {
		t.Run(name, func(t *testing.T) {
			path := copyUpload(t, good)
			if tt.text != "" {
				write(t, path, tt.text)
			} else {
				signWith(t, stranger, path)
			}
			wantRefusal(t, b, path, tt.reason)
		})
	}
	if there := b.said("sources"); there != nil {
		t.Errorf("announced: %v", there)
	}
	if err := os.Remove(b.Uploaders); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, b, signed, "there is no keyring")
	b.Desk.AllowUnsigned = true
	if receipt := b.mustTake(good); strings.Contains(string(receipt.Message.Data), `"signer"`) {
		t.Errorf("message %s names a signer", receipt.Message.Data)
	}
}

// TestBadDsc alters the .dsc; the .changes lists it as it is then.
func TestBadDsc(t *testing.T) {
	b := newBench(t)
	b.Desk.Codename = "bookworm"
	good := strings.Replace(native(t), "_source.changes", ".dsc", 1)
	for name, tt := range map[string]struct{ old, with, reason string }{
		"format":      {"Format: 3.0 (native)", "Format: 3.0 (git)", "unsupported source format"},
		"version":     {"Version: 1.0\n", "Version: 1.1\n", "is the .dsc of hello 1.1"},
		"epoch":       {"Version: 1.0\n", "Version: 2:1.0\n", "its debian/changelog of hello 1.0"},
		"foreign":     {"hello_1.0.tar.xz", "hallo_1.0.tar.xz", "no file of hello 1.0"},
		"other":       {"hello_1.0.tar.xz", "hello_1.01.tar.xz", "no file of hello 1.0"},
		"dependency":  {"debhelper-compat (= 13)", "debhelper-compat (= 13", "Build-Depends"},
		"escape":      {"debhelper-compat (= 13)", "debhelper-compat \x1b[31m", "Build-Depends"},
		"uncompress":  {".tar.xz", ".tar.zst", "not there"},
		"huge":        {" 1.0\n", " 1.0\nX-Huge: " + strings.Repeat("x", 5<<20) + "\n", "more than 4194304"},
		"no binaries": {"Binary: hello, hello-doc", "Binary: " + strings.Repeat("hello, ", 3000) + "hello", "data.binaries"},
	} {
		t.Run(name, func(t *testing.T) {
			path := copyUpload(t, good)
			text := strings.ReplaceAll(read(t, path), tt.old, tt.with)
			if text == read(t, path) {
				t.Fatalf("there is no %q in\n%s", tt.old, text)
			}
			write(t, path, text)
			b.sign(path)
			if name == "uncompress" {
				if _, err := b.take(path); err == nil || !strings.Contains(err.Error(), tt.reason) {
					t.Errorf("error %v", err)
				}
				return
			}
			wantRefusal(t, b, path, tt.reason)
		})
	}
}

// FuzzOpen: nothing that comes in place of a .changes or .dsc panics or is taken without a signature.
func FuzzOpen(f *testing.F) {
	for _, name := range []string{"hello_1.0_source.changes", "hello_1.0.dsc"} {
		f.Add(name, []byte("Format: 1.8\nDate: Fri, 20 Nov 2026 12:00:00 +0100\nSource: hello\nArchitecture: source\nVersion: 1.0\nDistribution: bookworm\n"+
			"Checksums-Sha256:\n "+strings.Repeat("0", 64)+" 0 hello_1.0.dsc\nFiles:\n "+strings.Repeat("0", 32)+" 0 misc optional hello_1.0.dsc\n"))
		f.Add(name, []byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nFormat: 1.0\n-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n"))
	}
	dir := f.TempDir()
	strict := &upload.Desk{Uploaders: filepath.Join(dir, "none"), Codenames: []string{"bookworm"}}
	lax := &upload.Desk{Uploaders: filepath.Join(dir, "none"), Codenames: []string{"bookworm"}, AllowUnsigned: true}
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		if name == "" || strings.ContainsAny(name, "/\x00") || len(name) > 200 || name == "." || name == ".." {
			return
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return
		}
		defer os.Remove(path)
		if _, err := strict.Open(path); err == nil {
			t.Error("taken unsigned")
		}
		p, err := lax.Open(path)
		if err != nil {
			return
		}
		if p.Codename != "bookworm" || p.Package().Source == "" || p.Signer != "" {
			t.Errorf("taken: %+v", p.Package())
		}
	})
}

// FuzzChangelog: tarballs and diffs in which a changelog is looked for come from anybody.
func FuzzChangelog(f *testing.F) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	text := "hello (1.0) bookworm; urgency=medium\n\n  * A.\n\n -- U <u@example.org>  Fri, 20 Nov 2026 12:00:00 +0100\n"
	if err := w.WriteHeader(&tar.Header{Name: "./debian/changelog", Size: int64(len(text)), Mode: 0o644}); err != nil {
		f.Fatal(err)
	}
	fmt.Fprint(w, text)
	w.Close()
	f.Add(archive.Bytes(), false)
	f.Add([]byte("--- hello-1.0.orig/debian/changelog\n+++ hello-1.0/debian/changelog\n@@ -0,0 +1 @@\n+"+strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n+")+"\n"), true)
	f.Fuzz(func(t *testing.T, data []byte, diff bool) {
		text, err := upload.Changelog(bytes.NewReader(data), diff)
		if err == nil && len(text) > len(data) {
			t.Errorf("%d bytes of %d", len(text), len(data))
		}
	})
}
