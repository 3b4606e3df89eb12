package describe_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"foundry/pkg/trust/trusttest"

	"foundry/pkg/debian"
	"foundry/pkg/publish/publishtest"
	"foundry/pkg/trust"
)

// signedPackage makes a package with the signature of signer embedded (debsigs(1)).
func signedPackage(t *testing.T, signer trust.Signer) string {
	t.Helper()
	path := publishtest.MakeDeb(t, t.TempDir(), publishtest.Binary{Name: "hello", Version: "1.0", Arch: "amd64"})
	d, err := debian.OpenDeb(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	payload, err := io.ReadAll(d.Payload())
	if err != nil {
		t.Fatal(err)
	}
	signature, err := signer.DetachBinary(t.Context(), payload)
	if err != nil {
		t.Fatal(err)
	}
	var signed bytes.Buffer
	if err := d.WriteSigned(&signed, signature); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "hello_1.0_amd64.deb")
	if err := os.WriteFile(file, signed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// gpgSubkey makes a key in gpg that signs with a subkey.
func gpgSubkey(t *testing.T) trust.Signer {
	t.Helper()
	trusttest.GPGHome(t)
	run(t, "gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", "Sub <sub@example.org>", "ed25519", "cert", "0")
	list := run(t, "gpg", "--batch", "--with-colons", "--list-keys")
	_, list, _ = strings.Cut(list, "\nfpr:::::::::")
	print, _, _ := strings.Cut(list, ":")
	run(t, "gpg", "--batch", "--quiet", "--passphrase", "", "--quick-add-key", print, "rsa3072", "sign", "0")
	return openKey(t, print)
}

// TestDebsigVerify lets debsig-verify judge packages by what is served, and by what the keyring package brings.
func TestDebsigVerify(t *testing.T) {
	if _, err := exec.LookPath("debsig-verify"); err != nil {
		t.Fatal("debsig-verify is not installed; run: apt-get install debsig-verify")
	}
	f := newFixture(t, nil)
	file, sub, stranger := openKey(t, keyFile(t, "packages")), gpgSubkey(t), openKey(t, keyFile(t, "stranger"))
	public(t, trust.Together(file, sub), f.options.PackageKeys)
	f.describe(t)
	root := t.TempDir() // as if the keyring package were installed
	found, err := filepath.Glob(filepath.Join(f.options.Dir, "keyring", "*.deb"))
	if err != nil || len(found) != 1 {
		t.Fatalf("packages: %v, %v", found, err)
	}
	run(t, "dpkg-deb", "--extract", found[0], root)
	served := filepath.Join(f.options.Output, "debsig")
	if found, err := filepath.Glob(filepath.Join(served, "*", "test.pol")); err != nil || len(found) != 2 {
		t.Errorf("policies: %v, %v, want one of the key and one of the subkey", found, err)
	}
	tests := map[string]struct {
		signer trust.Signer
		change func(deb []byte) []byte
		good   bool
	}{
		"key":      {file, nil, true},
		"stranger": {stranger, nil, false},
		"altered":  {file, func(deb []byte) []byte { return bytes.Replace(deb, []byte("2.0\n"), []byte("2.1\n"), 1) }, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			deb := signedPackage(t, tt.signer)
			if tt.change != nil {
				data, err := os.ReadFile(deb)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(deb, tt.change(data), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for how, args := range map[string][]string{"served": {"--policies-dir", served, "--keyrings-dir", served}, "installed": {"--root", root}} {
				out, err := exec.Command("debsig-verify", append(args, "--verbose", deb)...).CombinedOutput()
				if (err == nil) != tt.good {
					t.Errorf("%s: %v: %s", how, err, out)
				}
			}
		})
	}
}
