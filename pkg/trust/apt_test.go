package trust_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAptBelievesSignedMetadata lets the real apt read a repository without packages by an armored
// key, once through InRelease and once through Release and Release.gpg.
func TestAptBelievesSignedMetadata(t *testing.T) {
	tool(t, "apt-get", "apt")
	content := fmt.Sprintf("Origin: example\nSuite: stable\nCodename: stable\nDate: Fri, 20 Nov 2020 23:15:01 UTC\n"+
		"Architectures: amd64\nComponents: main\nSHA256:\n %x 0 main/binary-amd64/Packages\n", sha256.Sum256(nil))
	for name, signer := range signers(t) {
		public, err := signer.Public()
		if err != nil {
			t.Fatal(err)
		}
		inline, err := signer.Clearsign(t.Context(), []byte(content))
		if err != nil {
			t.Fatal(err)
		}
		detached, err := signer.Detach(t.Context(), []byte(content))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name+" inline", func(t *testing.T) {
			files := map[string]string{"InRelease": string(inline)}
			if err := aptUpdate(t, public, files); err != nil {
				t.Error(err)
			}
			files["InRelease"] = strings.Replace(files["InRelease"], "Origin: example", "Origin: evil", 1)
			if aptUpdate(t, public, files) == nil {
				t.Error("altered metadata were believed")
			}
		})
		t.Run(name+" detached", func(t *testing.T) {
			files := map[string]string{"Release": content, "Release.gpg": string(detached)}
			if err := aptUpdate(t, public, files); err != nil {
				t.Error(err)
			}
		})
	}
}

// aptUpdate runs apt-get update with nothing of this host against a repository whose metadata are
// the given files.
func aptUpdate(t *testing.T, public []byte, files map[string]string) error {
	t.Helper()
	dir := t.TempDir()
	files["main/binary-amd64/Packages"] = ""
	for name, content := range files {
		path := filepath.Join(dir, "repository/dists/stable", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"state/lists/partial", "cache/archives/partial", "etc"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	key := filepath.Join(dir, "key.asc")
	if err := os.WriteFile(key, public, 0o644); err != nil {
		t.Fatal(err)
	}
	list := fmt.Sprintf("deb [arch=amd64 signed-by=%s] file:%s/repository stable main\n", key, dir)
	if err := os.WriteFile(filepath.Join(dir, "etc/sources.list"), []byte(list), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := try(nil, "apt-get", "update", "-o", "Dir::State="+dir+"/state", "-o", "Dir::Cache="+dir+"/cache",
		"-o", "Dir::Etc="+dir+"/etc", "-o", "Dir::State::status=/dev/null", "-o", "APT::Sandbox::User=",
		"-o", "APT::Architecture=amd64", "-o", "APT::Update::Error-Mode=any")
	return err
}
