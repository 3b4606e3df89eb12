package environmenttest

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foundry/pkg/environment"
	"foundry/pkg/trust"
)

// An archive is a signed apt repository in a folder, with small packages of the test's own.
type archive struct {
	t       *testing.T
	dir     string
	keyring string
	signer  trust.Signer
	serial  int
}

func newArchive(t *testing.T) *archive {
	t.Helper()
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Fatal("dpkg-deb is missing: apt-get install dpkg")
	}
	a := &archive{t: t, dir: filepath.Join(t.TempDir(), "archive")}
	key, err := trust.Generate("archive")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.asc")
	if err := key.Save(file); err != nil {
		t.Fatal(err)
	}
	if a.signer, err = trust.OpenSigner(context.Background(), file); err != nil {
		t.Fatal(err)
	}
	public, err := key.Public()
	if err != nil {
		t.Fatal(err)
	}
	a.keyring = a.write("../archive-keyring.asc", string(public))
	return a
}

func (a *archive) write(name, content string) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		a.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// list is the archive as a source list.
func (a *archive) list() environment.SourceList {
	return environment.SourceList{URI: "file:" + a.dir, Suite: "stable", Components: []string{"main"}, Keyring: a.keyring}
}

// publish makes the archive consist of one package of the given version.
func (a *archive) publish(name, version string) {
	a.t.Helper()
	tree := a.t.TempDir()
	control := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: Foundry <foundry@localhost>\nDescription: test\n", name, version)
	for path, content := range map[string]string{"DEBIAN/control": control, "usr/share/" + name + "/version": version + "\n"} {
		path = filepath.Join(tree, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			a.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			a.t.Fatal(err)
		}
	}
	if err := os.MkdirAll(a.dir, 0o755); err != nil {
		a.t.Fatal(err)
	}
	file := fmt.Sprintf("%s_%s_all.deb", name, version)
	if out, err := exec.Command("dpkg-deb", "--root-owner-group", "-b", tree, filepath.Join(a.dir, file)).CombinedOutput(); err != nil {
		a.t.Fatalf("dpkg-deb: %v\n%s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(a.dir, file))
	if err != nil {
		a.t.Fatal(err)
	}
	a.release(fmt.Sprintf("%sFilename: %s\nSize: %d\nSHA256: %x\n\n", control, file, len(data), sha256.Sum256(data)))
}

// release writes the indexes and signs them.
func (a *archive) release(packages string) {
	a.t.Helper()
	a.serial++
	arch := environment.HostArchitecture()
	var zipped strings.Builder
	zip := gzip.NewWriter(&zipped)
	if _, err := zip.Write([]byte(packages)); err != nil {
		a.t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		a.t.Fatal(err)
	}
	index := "main/binary-" + arch + "/Packages.gz"
	a.write("dists/stable/"+index, zipped.String())
	release := fmt.Sprintf("Origin: foundry\nLabel: %d\nSuite: stable\nCodename: stable\nDate: %s\nArchitectures: %s all\nComponents: main\nSHA256:\n %x %d %s\n %x %d %s\n",
		a.serial, time.Now().UTC().Add(-time.Minute).Format(time.RFC1123), arch,
		sha256.Sum256([]byte(zipped.String())), zipped.Len(), index,
		sha256.Sum256([]byte(packages)), len(packages), strings.TrimSuffix(index, ".gz"))
	signed, err := a.signer.Clearsign(context.Background(), []byte(release))
	if err != nil {
		a.t.Fatal(err)
	}
	a.write("dists/stable/InRelease", string(signed))
}

// testOptional asks for a package of an archive that is not there yet.
func testOptional(t *testing.T, h Harness, r environment.Request) {
	r.Sources = []environment.SourceList{r.Sources[0]}
	r.Sources[0].Optional = true
	_, err := h.Adapter.Provision(t.Context(), r, nil)
	var missing *environment.UnsatisfiableError
	if !errors.As(err, &missing) || len(missing.Absent) != 1 {
		t.Errorf("error %v, want one dependency to be absent", err)
	}
	r.Depends = ""
	h.provision(t, r)
}

// key is the request's, with its source lists optional or not.
func (h Harness) key(t *testing.T, r environment.Request, optional bool) string {
	t.Helper()
	r.Sources = []environment.SourceList{r.Sources[0]}
	r.Sources[0].Optional = optional
	key, err := h.Adapter.Key(t.Context(), r)
	if err != nil || key == "" {
		t.Errorf("key %q, %v", key, err)
	}
	return key
}

func testRepositories(t *testing.T, h Harness) {
	a := newArchive(t)
	r := h.request("foundry-contract (>= 1)")
	r.Sources = []environment.SourceList{a.list()}
	t.Run("NotThereYet", func(t *testing.T) { testOptional(t, h, r) })
	before := h.key(t, r, true)
	a.publish("foundry-contract", "1.0")
	first := h.provision(t, r)
	if now := h.key(t, r, true); now == before || now != h.key(t, r, false) {
		t.Errorf("key %s, then %s when the repository has come", before, now)
	}
	if out, _ := h.sh(t, first, "cat /usr/share/foundry-contract/version"); out != "1.0\n" {
		t.Errorf("version %q, want 1.0", out)
	}
	if out, _ := h.sh(t, first, "grep -rl "+a.dir+" /etc 2>/dev/null; ls -A /run/foundry /srv 2>/dev/null || true"); strings.Contains(out, "/etc/") {
		t.Errorf("the image knows of the source list: %s", out)
	}
	t.Run("ListsAreThere", func(t *testing.T) {
		var log buffer
		other := r
		other.Depends = "foundry-contract, patchutils"
		if _, err := h.Adapter.Provision(t.Context(), other, &log); err != nil || strings.Contains(log.String(), "InRelease") {
			t.Errorf("lists are downloaded again although no source list has changed: %v\n%s", err, log.String())
		}
	})
	t.Run("Unchanged", func(t *testing.T) {
		begun := time.Now()
		if again := h.provision(t, r); again.ID != first.ID {
			t.Errorf("another image for the same request")
		}
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("an answer that is known took %s", took)
		}
	})
	t.Run("Resigned", func(t *testing.T) {
		a.publish("foundry-contract", "1.0")
		if again := h.provision(t, r); again.ID != first.ID {
			t.Errorf("another image although no version has changed")
		}
	})
	t.Run("Changed", func(t *testing.T) {
		a.publish("foundry-contract", "1.1")
		second := h.provision(t, r)
		if out, _ := h.sh(t, second, "cat /usr/share/foundry-contract/version"); out != "1.1\n" {
			t.Errorf("version %q, want 1.1", out)
		}
		if second.Key == first.Key || second.ID == first.ID {
			t.Errorf("the image is the same although a version has changed")
		}
	})
	t.Run("Untrusted", func(t *testing.T) {
		other := newArchive(t)
		bad := r
		bad.Sources = []environment.SourceList{a.list()}
		bad.Sources[0].Keyring = other.keyring
		_, err := h.Adapter.Provision(t.Context(), bad, nil)
		var missing *environment.UnsatisfiableError
		if err == nil || errors.As(err, &missing) {
			t.Errorf("error %v of a repository with a signature of somebody else", err)
		}
	})
	t.Run("Tampered", func(t *testing.T) {
		path := filepath.Join(a.dir, "dists/stable/InRelease")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		a.write("dists/stable/InRelease", strings.Replace(string(data), "Origin: foundry", "Origin: another", 1))
		if _, err := h.Adapter.Provision(t.Context(), r, nil); err == nil {
			t.Error("a Release file that was altered is believed")
		}
	})
}
