package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"foundry/bots/internal/delivery"
	"foundry/pkg/artifact"
	"foundry/pkg/artifact/folder"
	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/message"
	"foundry/pkg/publish/publishtest"
	"foundry/pkg/trust"
	"foundry/schemas"
)

// fixture is a build in an artifact store, and a key to sign it with.
type fixture struct {
	store  artifact.Store
	signer trust.Signer
	ring   *trust.Keyring
	dir    string
	build  *message.Build
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	store, err := folder.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{store: store, dir: t.TempDir()}
	key := filepath.Join(t.TempDir(), "package.asc")
	if _, _, err := trust.LoadOrCreate(key, "test packages"); err != nil {
		t.Fatal(err)
	}
	if f.signer, err = trust.OpenSigner(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	public, err := f.signer.Public()
	if err != nil {
		t.Fatal(err)
	}
	if f.ring, err = trust.ReadKeyring(f.write(t, "key.asc", string(public))); err != nil {
		t.Fatal(err)
	}
	f.makeBuild(t)
	return f
}

func (f *fixture) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func (f *fixture) put(t *testing.T, path string) message.Artifact {
	t.Helper()
	a, err := artifact.PutFile(t.Context(), f.store, path)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// makeBuild makes what a buildbot would have: two packages, .buildinfo, .changes, and the source.
func (f *fixture) makeBuild(t *testing.T) {
	t.Helper()
	files := []string{
		publishtest.MakeDeb(t, f.dir, publishtest.Binary{Name: "hello", Version: "1:1.0-1", Arch: "amd64"}),
		publishtest.MakeDeb(t, f.dir, publishtest.Binary{Name: "hello-udeb", Version: "1:1.0-1", Arch: "amd64", Source: "hello", Extension: ".udeb"}),
	}
	files = append(files, f.write(t, "hello_1.0-1_amd64.buildinfo",
		"Format: 1.0\nSource: hello\nBinary: hello\nArchitecture: amd64\nVersion: 1:1.0-1\nChecksums-Sha256:\n "+sum(t, files[0])+"\nEnvironment:\n LANG=\"C\"\n"))
	changes := f.write(t, "hello_1.0-1_amd64.changes", changesText(t, files))
	dsc, sources := publishtest.MakeSource(t, f.dir, "hello", "1:1.0-1", "orig")
	f.build = &message.Build{
		Origin:       message.Origin{Repository: "https://example.org/hello.git", Branch: "main", Ref: strings.Repeat("a", 40)},
		Package:      message.Package{Source: "hello", Version: "1:1.0-1", Codename: "bookworm"},
		Architecture: "amd64", Changes: "hello_1.0-1_amd64.changes", Log: f.put(t, f.write(t, "log.zst", "log")),
	}
	for _, path := range append([]string{changes}, files...) {
		f.build.Files = append(f.build.Files, f.put(t, path))
	}
	for _, path := range append([]string{dsc}, sources...) {
		f.build.SourceFiles = append(f.build.SourceFiles, f.put(t, path))
	}
}

func sum(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x %d %s", sha256.Sum256(data), len(data), filepath.Base(path))
}

// changesText is a .changes as dpkg-genchanges(1) writes it.
func changesText(t *testing.T, files []string) string {
	t.Helper()
	var sha1s, sha256s, md5s strings.Builder
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		fmt.Fprintf(&sha1s, " %x %d %s\n", sha1.Sum(data), len(data), name)
		fmt.Fprintf(&sha256s, " %x %d %s\n", sha256.Sum256(data), len(data), name)
		fmt.Fprintf(&md5s, " %x %d devel optional %s\n", md5.Sum(data), len(data), name)
	}
	return "Format: 1.8\nDate: Fri, 20 Nov 2026 23:15:01 +0000\nSource: hello\nBinary: hello hello-udeb\nArchitecture: amd64\nVersion: 1:1.0-1\nDistribution: bookworm\nUrgency: medium\nMaintainer: Test <test@example.org>\nDescription:\n hello      - test package\nChanges:\n hello (1:1.0-1) bookworm; urgency=medium\n .\n   * Test.\nChecksums-Sha1:\n" +
		sha1s.String() + "Checksums-Sha256:\n" + sha256s.String() + "Files:\n" + md5s.String()
}

func (f *fixture) do(t *testing.T) (*message.Sign, error) {
	t.Helper()
	s := &signing{signer: f.signer}
	j := &bot.Job{
		Bot: &bot.Bot{Ports: bot.Ports{Store: f.store}}, Message: new(message.Message),
		Body: f.build, Log: zerolog.Nop(), Dir: t.TempDir(),
	}
	results, err := s.do(t.Context(), j)
	if err != nil {
		return nil, err
	}
	return results[0].Body.(*message.Sign), nil
}

func (f *fixture) fetch(t *testing.T, a message.Artifact) []byte {
	t.Helper()
	path, err := artifact.FetchFile(context.Background(), f.store, a, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func names(list []message.Artifact) (names []string) {
	for _, a := range list {
		names = append(names, a.Name)
	}
	slices.Sort(names)
	return names
}

func TestSign(t *testing.T) {
	f := newFixture(t)
	sign, err := f.do(t)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(names(f.build.Files), names(sign.Files)); diff != "" {
		t.Errorf("files (-built +signed):\n%s", diff)
	}
	if diff := cmp.Diff(names(f.build.SourceFiles), names(sign.SourceFiles)); diff != "" {
		t.Errorf("source files (-built +signed):\n%s", diff)
	}
	checkSchema(t, sign)
	want := []string{"hello-udeb_1.0-1_amd64.udeb", "hello_1.0-1.dsc", "hello_1.0-1_amd64.buildinfo", "hello_1.0-1_amd64.changes", "hello_1.0-1_amd64.deb"}
	if diff := cmp.Diff(want, names(sign.Built)); diff != "" {
		t.Errorf("altered (-want +got):\n%s", diff)
	}
	built := map[string]message.Artifact{}
	for _, a := range sign.Built {
		built[a.Name] = a
	}
	var changes *debian.Changes
	for _, a := range append(slices.Clone(sign.Files), sign.SourceFiles...) {
		before, altered := built[a.Name]
		if !altered {
			continue
		}
		if strings.HasSuffix(a.Name, "deb") {
			f.checkDeb(t, a, before)
			continue
		}
		plain := f.checkText(t, a)
		if a.Name == sign.Changes {
			if changes, err = debian.ParseChanges(plain); err != nil {
				t.Fatal(err)
			}
		} else if !bytes.Equal(bytes.TrimSpace(plain), bytes.TrimSpace(f.fetch(t, before))) {
			t.Errorf("the text of %s was altered", a.Name)
		}
	}
	for _, a := range sign.Files {
		listed, found := changes.File(a.Name)
		if a.Name != sign.Changes && (!found || listed.SHA256 != string(a.SHA256) || listed.Size != a.Size || listed.MD5 != fmt.Sprintf("%x", md5.Sum(f.fetch(t, a)))) {
			t.Errorf(".changes does not list %s as it was signed", a.Name)
		}
	}
}

// checkSchema checks that the answer is one that the bus lets through.
func checkSchema(t *testing.T, sign *message.Sign) {
	t.Helper()
	m, err := message.New(message.Bot{Name: "signbot", Instance: "signbot-1", Host: "test", Endpoint: "pub/signbot", Version: "1"},
		message.Signs, "hello-20261120-231501-9f3c2a", message.MakeID(message.Builds, message.TypeBuild, ""), sign, sign.Architecture)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := schemas.Validate(payload); err != nil {
		t.Error(err)
	}
}

// checkDeb checks the embedded signature and that it can be stripped.
func (f *fixture) checkDeb(t *testing.T, signed, built message.Artifact) {
	t.Helper()
	data := f.fetch(t, signed)
	d, err := debian.ReadDeb(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := d.Signature()
	if err != nil {
		t.Fatal(err)
	}
	var payload, stripped bytes.Buffer
	_, err = payload.ReadFrom(d.Payload())
	_, err2 := stripped.ReadFrom(d.Built())
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	if print, err := f.ring.Verify(payload.Bytes(), signature); err != nil || print != f.signer.Fingerprint() {
		t.Errorf("%s: %v", signed.Name, err)
	}
	if !bytes.Equal(stripped.Bytes(), f.fetch(t, built)) {
		t.Errorf("stripping %s does not give the built bytes back", signed.Name)
	}
}

func (f *fixture) checkText(t *testing.T, a message.Artifact) []byte {
	t.Helper()
	plain, print, err := f.ring.VerifyClearsigned(f.fetch(t, a))
	if err != nil || print != f.signer.Fingerprint() {
		t.Errorf("%s: %v", a.Name, err)
	}
	if bytes.Contains(plain, []byte("BEGIN PGP")) {
		t.Errorf("%s: a signature within the signature", a.Name)
	}
	return plain
}

// TestSignsAnew signs a source that its maintainer has signed: the package key takes over.
func TestSignsAnew(t *testing.T) {
	f := newFixture(t)
	other := newFixture(t)
	signed, err := other.signer.Clearsign(t.Context(), f.fetch(t, f.build.SourceFiles[0]))
	if err != nil {
		t.Fatal(err)
	}
	f.build.SourceFiles[0] = f.put(t, f.write(t, f.build.SourceFiles[0].Name, string(signed)))
	sign, err := f.do(t)
	if err != nil {
		t.Fatal(err)
	}
	f.checkText(t, sign.SourceFiles[0])
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name  string
		alter func(t *testing.T, f *fixture)
		words string
	}{
		{"codename", func(_ *testing.T, f *fixture) { f.build.Codename = "trixie" }, "is for bookworm, not trixie"},
		{"source", func(_ *testing.T, f *fixture) { f.build.Source = "other" }, "is about hello, not other"},
		{"version", func(_ *testing.T, f *fixture) { f.build.Version = "1.0-1" }, "is about version 1:1.0-1"},
		{"two distributions", func(t *testing.T, f *fixture) {
			f.edit(t, "Distribution: bookworm\n", "Distribution: bookworm trixie\n")
		}, "2 distributions"},
		{"another distribution", func(t *testing.T, f *fixture) { f.edit(t, "Distribution: bookworm\n", "Distribution: sid\n") }, "is for sid, not bookworm"},
		{"slash in a listed name", func(t *testing.T, f *fixture) { f.edit(t, " hello_1.0-1_amd64.deb\n", " ../hello_1.0-1_amd64.deb\n") }, "invalid file name"},
		{"slash in a name", func(_ *testing.T, f *fixture) { f.build.Files[1].Name = "../" + f.build.Files[1].Name }, "bad file name"},
		{"no changes", func(_ *testing.T, f *fixture) { f.build.Changes = f.build.Files[1].Name }, "parse .changes"},
		{"not listed", func(t *testing.T, f *fixture) {
			f.build.Files = append(f.build.Files, f.put(t, f.write(t, "extra.deb", "x")))
		}, "does not list extra.deb"},
		{"not there", func(_ *testing.T, f *fixture) { f.build.Files = f.build.Files[:3] }, "which the build does not have"},
		{"other bytes", func(t *testing.T, f *fixture) {
			f.build.Files[1] = f.put(t, f.write(t, f.build.Files[1].Name, "x"))
		}, "does not list the bytes of"},
		{"two of a name", func(t *testing.T, f *fixture) {
			f.build.SourceFiles = append(f.build.SourceFiles, f.put(t, f.write(t, f.build.Files[1].Name, "x")))
		}, "two different files"},
		{"no package", func(t *testing.T, f *fixture) { f.replace(t, 1, "x") }, "not an ar archive"},
		{"text around", func(t *testing.T, f *fixture) {
			f.build.SourceFiles[0] = f.put(t, f.write(t, f.build.SourceFiles[0].Name, "x\n-----BEGIN PGP SIGNED MESSAGE-----\n"))
		}, "text before the signed message"},
		{"huge text", func(t *testing.T, f *fixture) {
			f.build.SourceFiles[0] = f.put(t, f.write(t, f.build.SourceFiles[0].Name, strings.Repeat("x", delivery.MaxText+1)))
		}, "has more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			c.alter(t, f)
			_, err := f.do(t)
			var failure *bot.Failure
			if !errors.As(err, &failure) || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v, want a failure that says %q", err, c.words)
			}
		})
	}
}

// replace replaces the i-th file by other bytes, which .changes then lists.
func (f *fixture) replace(t *testing.T, i int, text string) {
	t.Helper()
	f.build.Files[i] = f.put(t, f.write(t, f.build.Files[i].Name, text))
	var files []string
	for _, a := range f.build.Files[1:] {
		files = append(files, filepath.Join(f.dir, a.Name))
	}
	f.build.Files[0] = f.put(t, f.write(t, f.build.Changes, changesText(t, files)))
}

// edit replaces old by new all over the .changes.
func (f *fixture) edit(t *testing.T, old, new string) {
	t.Helper()
	text := string(f.fetch(t, f.build.Files[0]))
	if !strings.Contains(text, old) {
		t.Fatalf("no %q in the .changes", old)
	}
	f.build.Files[0] = f.put(t, f.write(t, f.build.Changes, strings.ReplaceAll(text, old, new)))
}

// TestTrouble checks that a store that cannot be read is trouble, not the package's fault.
func TestTrouble(t *testing.T) {
	f := newFixture(t)
	if err := f.store.Delete(t.Context(), f.build.Files[1].SHA256); err != nil {
		t.Fatal(err)
	}
	var failure *bot.Failure
	if _, err := f.do(t); err == nil || errors.As(err, &failure) {
		t.Errorf("%v, want an error that is no failure", err)
	}
}
