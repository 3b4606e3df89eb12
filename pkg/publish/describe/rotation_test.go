package describe_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"foundry/pkg/publish/describe"
	"foundry/pkg/publish/publishtest"
	"foundry/pkg/trust"
)

// machine is a client with the keyring package installed, below a root folder of its own.
type machine struct {
	*publishtest.Client
	root, status, installed string
}

// newMachine sets a machine up as the page says: keyring first, then the list that names it.
func newMachine(t *testing.T, f *fixture) *machine {
	t.Helper()
	m := &machine{root: t.TempDir()}
	keyring := filepath.Join(m.root, "usr/share/keyrings/test-archive-keyring.gpg")
	if err := os.MkdirAll(filepath.Dir(keyring), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keyring, []byte(f.file(t, "test.gpg")), 0o644); err != nil {
		t.Fatal(err)
	}
	m.Client = publishtest.NewClient(t, f.options.URI, "bookworm", "amd64", keyring)
	m.Source(t, fmt.Sprintf("Types: deb\nURIs: %s\nSuites: bookworm\nComponents: main\nSigned-By: %s\n", f.options.URI, keyring))
	m.status = filepath.Join(m.Dir(), "..", "status")
	return m
}

// upgrade does what "apt-get update" and "apt-get upgrade" do to the keyring package, and tells whether there
// was a newer one.
func (m *machine) upgrade(t *testing.T) bool {
	t.Helper()
	m.Must(t, "apt-get", "update")
	command := "dist-upgrade"
	if m.installed == "" {
		m.Must(t, "apt-get", "install", "--simulate", "test-archive-keyring")
	} else if !strings.Contains(m.Must(t, "apt-get", "--simulate", command), "Inst test-archive-keyring") {
		return false
	}
	m.Must(t, "apt-get", "download", "test-archive-keyring")
	found, err := filepath.Glob(filepath.Join(m.Dir(), "test-archive-keyring_*.deb"))
	if err != nil || len(found) != 1 {
		t.Fatalf("downloaded: %v, %v", found, err)
	}
	run(t, "dpkg-deb", "--extract", found[0], m.root)
	m.installed = run(t, "dpkg-deb", "--field", found[0])
	if err := os.WriteFile(m.status, []byte(m.installed+"Status: install ok installed\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(found[0]); err != nil {
		t.Fatal(err)
	}
	return true
}

// TestRotation changes from one key to another: first both sign, then the new one alone.
func TestRotation(t *testing.T) {
	old, fresh := openKey(t, keyFile(t, "old")), openKey(t, keyFile(t, "fresh"))
	f := newFixture(t, func(o *describe.Options) { o.Signer = old })
	f.describe(t)
	current, stale := newMachine(t, f), newMachine(t, f)
	for _, m := range []*machine{current, stale} {
		if !m.upgrade(t) {
			t.Fatal("no keyring package")
		}
	}
	if current.upgrade(t) {
		t.Error("a newer keyring package though nothing has changed")
	}
	f.sign(t, trust.Together(old, fresh))
	if !current.upgrade(t) {
		t.Error("the new key has not come by an upgrade")
	}
	stale.Must(t, "apt-get", "update") // and no upgrade
	f.sign(t, fresh)
	if !current.upgrade(t) {
		t.Error("the old key is still in the keyring package")
	}
	if out, err := stale.Run("apt-get", "update"); err == nil || !strings.Contains(out, "NO_PUBKEY") {
		t.Errorf("a machine that knows the old key alone: %v\n%s", err, out)
	}
	current.Must(t, "apt-get", "update")
	ring, err := trust.ReadKeyring(filepath.Join(current.root, "usr/share/keyrings/test-archive-keyring.gpg"))
	if err != nil || len(ring.Fingerprints()) != 1 || ring.Fingerprints()[0] != fresh.Fingerprint() {
		t.Errorf("keys at the end: %v, %v", ring.Fingerprints(), err)
	}
}

// TestAnnouncedKey changes to a key that machines have known before it signed anything.
func TestAnnouncedKey(t *testing.T) {
	fresh := openKey(t, keyFile(t, "fresh"))
	next := filepath.Join(t.TempDir(), "next.asc")
	public(t, fresh, next)
	f := newFixture(t, func(o *describe.Options) { o.NextKeys = []string{next} })
	f.describe(t)
	m := newMachine(t, f)
	m.upgrade(t)
	before := f.versions["bookworm"]["test-archive-keyring"]
	if !strings.Contains(f.file(t, "index.html"), "will sign the repository") {
		t.Error("the page does not announce the key")
	}
	f.sign(t, fresh)
	m.Must(t, "apt-get", "update")
	if after := f.versions["bookworm"]["test-archive-keyring"]; exec.Command("dpkg", "--compare-versions", before, "lt", after).Run() != nil {
		t.Errorf("version %s after %s", after, before)
	}
}

// TestKeyringSources lets the package bring the source list, which differs by codename.
func TestKeyringSources(t *testing.T) {
	f := newFixture(t, func(o *describe.Options) { o.KeyringSources = true })
	f.describe(t)
	f.describe(t)
	if len(f.included) != 2 || f.versions["bookworm"]["test-archive-keyring"] == f.versions["trixie"]["test-archive-keyring"] {
		t.Errorf("included: %v", f.included)
	}
	for codename, versions := range f.versions {
		deb := filepath.Join(f.options.Output, "pool", codename, "test-archive-keyring_"+versions["test-archive-keyring"]+"_all.deb")
		if got := run(t, "dpkg-deb", "-I", deb, "conffiles"); got != "/etc/apt/sources.list.d/test.sources\n" {
			t.Errorf("conffiles: %q", got)
		}
		list := run(t, "sh", "-c", `dpkg-deb --fsys-tarfile "$1" | tar -xO ./etc/apt/sources.list.d/test.sources`, "sh", deb)
		want := "Types: deb deb-src\nURIs: " + f.options.URI + "\nSuites: " + codename + "\nComponents: main\nSigned-By: /usr/share/keyrings/test-archive-keyring.gpg\n"
		if list != want {
			t.Errorf("source list:\n%s", list)
		}
	}
}

// TestVersionsGrow sets the clock back, and loses the record together with what is published.
func TestVersionsGrow(t *testing.T) {
	f := newFixture(t, nil)
	record := filepath.Join(f.options.Dir, "keyring", "record.json")
	if err := os.MkdirAll(filepath.Dir(record), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(record, []byte(`{"sum":"other","version":"2099.12.31.235959","time":"2099-12-31T23:59:59Z"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	f.describe(t)
	if got := f.versions["bookworm"]["test-archive-keyring"]; got != "2100.01.01.000000" {
		t.Errorf("version %s", got)
	}
	if err := os.WriteFile(record, []byte(`{"sum`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := describe.New(f.options, f.shelf).Once(t.Context()); err == nil || !strings.Contains(err.Error(), record) {
		t.Errorf("half a record: %v", err)
	}
}

// TestLintian lets lintian look at the package.
func TestLintian(t *testing.T) {
	if testing.Short() {
		t.Skip("lintian takes seconds")
	}
	if _, err := exec.LookPath("lintian"); err != nil {
		t.Fatal("lintian is not installed; run: apt-get install lintian")
	}
	f := newFixture(t, func(o *describe.Options) { o.URI = "https://apt.example.org/debian" })
	public(t, openKey(t, keyFile(t, "packages")), f.options.PackageKeys)
	f.describe(t)
	found, err := filepath.Glob(filepath.Join(f.options.Dir, "keyring", "*.deb"))
	if err != nil || len(found) != 1 {
		t.Fatalf("packages: %v, %v", found, err)
	}
	cmd := exec.Command("lintian", "--allow-root", "--fail-on", "error,warning", found[0])
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("lintian: %v:\n%s", err, out)
	}
}
