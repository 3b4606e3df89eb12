package debian

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// makeDeb makes a package with dpkg-deb and returns its bytes. Content sets the parity of data.tar.
func makeDeb(t testing.TB, compression, content string) []byte {
	t.Helper()
	tree := t.TempDir()
	for path, text := range map[string]string{
		"DEBIAN/control":       "Package: hello\nVersion: 1.0\nArchitecture: all\nMaintainer: Test <test@example.org>\nDescription: test\n",
		"usr/share/hello/text": content,
	} {
		path = filepath.Join(tree, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "hello.deb")
	if out, err := exec.Command("dpkg-deb", "--root-owner-group", "-Z"+compression, "--build", tree, file).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb (apt-get install dpkg): %v: %s", err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func readDeb(t testing.TB, data []byte) *Deb {
	t.Helper()
	d, err := ReadDeb(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func all(t testing.TB, r io.Reader) []byte {
	t.Helper()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// gpgHome makes a gpg home with one key and returns its folder.
func gpgHome(t *testing.T) string {
	t.Helper()
	// The agent's socket must fit into 108 bytes, so the folder is not below t.TempDir.
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	if out, err := exec.Command("gpg", "--homedir", home, "--batch", "--passphrase", "", "--quick-generate-key", "test@example.org", "ed25519", "sign").CombinedOutput(); err != nil {
		t.Fatalf("gpg (apt-get install gnupg): %v: %s", err, out)
	}
	return home
}

// TestEmbeddedSignature signs with gpg as debsigs(1) does, and lets gpg verify what is read back and
// dpkg-deb and ar read the package.
func TestEmbeddedSignature(t *testing.T) {
	home := gpgHome(t)
	for _, compression := range []string{"xz", "gzip", "zstd", "none"} {
		for _, content := range []string{"", "a", "ab"} {
			t.Run(compression+content, func(t *testing.T) {
				built := makeDeb(t, compression, content)
				d := readDeb(t, built)
				payload := all(t, d.Payload())
				sign := exec.Command("gpg", "--homedir", home, "--batch", "--openpgp", "--detach-sign", "--output", "-")
				sign.Stdin = bytes.NewReader(payload)
				signature, err := sign.Output()
				if err != nil {
					t.Fatal(err)
				}
				var signed bytes.Buffer
				if err := d.WriteSigned(&signed, signature); err != nil {
					t.Fatal(err)
				}
				checkSigned(t, home, built, signed.Bytes())
				if err := readDeb(t, signed.Bytes()).WriteSigned(io.Discard, signature); !errors.Is(err, ErrAlreadySigned) {
					t.Errorf("sign a second time: %v, want ErrAlreadySigned", err)
				}
			})
		}
	}
}

func checkSigned(t *testing.T, home string, built, signed []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "hello.deb")
	if err := os.WriteFile(file, signed, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("dpkg-deb", "--fsys-tarfile", file).Output(); err != nil || len(out) == 0 {
		t.Errorf("dpkg-deb cannot read the signed package: %v", err)
	}
	if names, err := exec.Command("ar", "t", file).Output(); err != nil || !strings.HasSuffix(string(names), "\n_gpgorigin\n") {
		t.Errorf("ar (apt-get install binutils): %v: %s", err, names)
	}
	// As debsig-verify(1) does: the members' contents one after the other.
	parts, err := exec.Command("sh", "-c", `ar p "$1" debian-binary; ar p "$1" $(ar t "$1" | grep ^control.tar); ar p "$1" $(ar t "$1" | grep ^data.tar)`, "sh", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	embedded, err := exec.Command("ar", "p", file, "_gpgorigin").Output()
	if err != nil {
		t.Fatal(err)
	}
	d := readDeb(t, signed)
	if got, err := d.Signature(); err != nil || !bytes.Equal(got, embedded) {
		t.Errorf("signature differs from what ar sees: %v", err)
	}
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "sig"), embedded, 0o644), os.WriteFile(filepath.Join(dir, "data"), parts, 0o644)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gpg", "--homedir", home, "--batch", "--verify", filepath.Join(dir, "sig"), filepath.Join(dir, "data")).CombinedOutput(); err != nil {
		t.Errorf("gpg: %v: %s", err, out)
	}
	if !bytes.Equal(all(t, d.Built()), built) {
		t.Error("stripping the signature does not give the built bytes back")
	}
	if !bytes.Equal(all(t, d.Payload()), parts) {
		t.Error("the payload differs from what ar sees")
	}
}

func TestNotSigned(t *testing.T) {
	d := readDeb(t, makeDeb(t, "gzip", ""))
	if _, err := d.Signature(); !errors.Is(err, ErrNotSigned) {
		t.Errorf("%v, want ErrNotSigned", err)
	}
	for _, signature := range [][]byte{nil, make([]byte, maxSignature+1)} {
		if err := d.WriteSigned(io.Discard, signature); err == nil {
			t.Errorf("a signature of %d bytes was embedded", len(signature))
		}
	}
}

// member is an ar member as ReadDeb expects it.
func member(name, size, content string) string {
	return fmt.Sprintf("%-16s%-12s%-6s%-6s%-8s%-10s`\n%s", name, "0", "0", "0", "100644", size, content)
}

func TestReadDebRefuses(t *testing.T) {
	binary, control, data := member("debian-binary", "4", "2.0\n"), member("control.tar", "2", "cc"), member("data.tar", "2", "dd")
	if _, err := ReadDeb(strings.NewReader(arMagic+binary+control+data), int64(len(arMagic+binary+control+data))); err != nil {
		t.Fatalf("a plain package: %v", err)
	}
	for _, c := range []struct{ name, text, words string }{
		{"empty", "", "not an ar archive"},
		{"magic only", arMagic, "0 members"},
		{"no data", arMagic + binary + control, "2 members"},
		{"order", arMagic + binary + data + control, `unexpected member "data.tar" at place 2`},
		{"other member", arMagic + binary + control + data + member("extra", "2", "xx"), "unexpected member"},
		{"two controls", arMagic + binary + control + control + data, "unexpected member"},
		{"format", arMagic + member("debian-binary", "4", "3.0\n") + control + data, "is not 2.x"},
		{"cut header", arMagic + binary + control + data[:30], "header cut short"},
		{"cut content", arMagic + binary + control + member("data.tar", "9", "dd"), "but 2 are left"},
		{"negative size", arMagic + binary + control + member("data.tar", "-2", "dd"), "bad size"},
		{"hexadecimal size", arMagic + binary + control + member("data.tar", "0x2", "dd"), "bad size"},
		{"huge size", arMagic + binary + control + member("data.tar", "9999999999", "dd"), "are left"},
		{"slash", arMagic + binary + control + member("data.tar/x", "2", "dd"), "bad name"},
		{"end mark", arMagic + strings.Replace(binary, "`", "'", 1) + control + data, "without end mark"},
		{"not padded", arMagic + binary + control + member("data.tar", "1", "d"), "not padded"},
		{"many", arMagic + binary + control + data + strings.Repeat(member("_gpg", "0", ""), 14), "more than 16"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadDeb(strings.NewReader(c.text), int64(len(c.text)))
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v, want it to say %q", err, c.words)
			}
		})
	}
}

// FuzzReadDeb checks that no bytes make it panic, and that of whatever is taken for a package the
// parts are within it and a signature can be embedded and stripped again.
func FuzzReadDeb(f *testing.F) {
	plain := arMagic + member("debian-binary", "4", "2.0\n") + member("control.tar.xz", "2", "cc") + member("data.tar", "3", "ddd\n")
	f.Add([]byte(plain))
	f.Add([]byte(plain + member("_gpgorigin", "3", "sig\n")))
	f.Add([]byte(arMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := ReadDeb(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		if payload := all(t, d.Payload()); !bytes.Equal(payload, all(t, d.Payload())) {
			t.Fatalf("payload of %d bytes is another when it is read again", len(payload))
		}
		built := all(t, d.Built())
		if !bytes.HasPrefix(data, built) {
			t.Fatal("the built package is not a part of the package")
		}
		var signed bytes.Buffer
		if err := d.WriteSigned(&signed, []byte("signature")); err != nil {
			return
		}
		again, err := ReadDeb(bytes.NewReader(signed.Bytes()), int64(signed.Len()))
		if err != nil {
			t.Fatal(err)
		}
		if signature, err := again.Signature(); err != nil || string(signature) != "signature" {
			t.Fatalf("%q, %v", signature, err)
		}
		if !bytes.Equal(all(t, again.Built()), built) {
			t.Fatal("stripping does not give the built bytes back")
		}
	})
}
