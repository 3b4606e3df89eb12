package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"foundry/bots/internal/bottest"
	"foundry/bots/internal/repository"
	"foundry/pkg/artifact"
	"foundry/pkg/artifact/folder"
	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/message"
	"foundry/pkg/publish/publishtest"
	"foundry/pkg/trust"
)

// fixture is a distbot with its repository, and a package key that it trusts.
type fixture struct {
	*dist
	store  artifact.Store
	signer trust.Signer
	dir    string // of the files of builds
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	store, err := folder.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{store: store, signer: newKey(t), dir: t.TempDir()}
	s := settings("bookworm", "trixie")
	b := &bot.Bot{Ports: bot.Ports{Store: store, Values: new(bottest.Values)}, Log: zerolog.Nop(), Settings: bot.Settings{State: t.TempDir()}}
	if f.dist, err = new(options).open(t.Context(), b, s); err != nil {
		t.Fatal(err)
	}
	f.trustKey(t, f.signer)
	repo, err := f.settings.Open(t.Context(), f.Bot, f.options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = repo.Close() })
	f.repo = repo
	return f
}

// settings are those of a repository for amd64, with defaults.
func settings(codenames ...string) *repository.Settings {
	s := new(repository.Settings)
	s.Declare(pflag.NewFlagSet("", pflag.ContinueOnError))
	s.Name, s.Codenames, s.Arches, s.ValidFor = "test", codenames, []string{"amd64"}, 24*time.Hour
	return s
}

func newKey(t *testing.T) trust.Signer {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key.asc")
	if _, _, err := trust.LoadOrCreate(path, "test"); err != nil {
		t.Fatal(err)
	}
	signer, err := trust.OpenSigner(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func (f *fixture) trustKey(t *testing.T, signer trust.Signer) {
	t.Helper()
	public, err := signer.Public()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(f.trust), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.trust, public, 0o644); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) put(t *testing.T, name string, data []byte) message.Artifact {
	t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	a, err := artifact.PutFile(t.Context(), f.store, path)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (f *fixture) clearsign(t *testing.T, text string) []byte {
	t.Helper()
	signed, err := f.signer.Clearsign(t.Context(), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// signedDeb makes a package with an embedded signature.
func (f *fixture) signedDeb(t *testing.T, b publishtest.Binary) message.Artifact {
	t.Helper()
	return f.embed(t, publishtest.MakeDeb(t, f.dir, b))
}

// embed puts a package with a signature embedded into the store.
func (f *fixture) embed(t *testing.T, path string) message.Artifact {
	t.Helper()
	d, err := debian.OpenDeb(path)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	defer d.Close()
	signature, err := trust.DetachStream(t.Context(), f.signer, d.Payload)
	if err != nil {
		t.Fatal(err)
	}
	var signed bytes.Buffer
	if err := d.WriteSigned(&signed, signature); err != nil {
		t.Fatal(err)
	}
	return f.put(t, filepath.Base(path), signed.Bytes())
}

// sign makes a signed build of hello for amd64.
func (f *fixture) sign(t *testing.T, version string) *message.Sign {
	t.Helper()
	return f.signFor(t, version, "amd64")
}

// signFor makes a signed build of hello.
func (f *fixture) signFor(t *testing.T, version, arch string) *message.Sign {
	t.Helper()
	return f.signOf(t, "hello", version, arch)
}

// signOf makes a signed build of a source package with a binary package of the same name.
func (f *fixture) signOf(t *testing.T, name, version, arch string) *message.Sign {
	t.Helper()
	s := &message.Sign{
		Origin:       message.Origin{Repository: "https://example.org/hello.git", Branch: "main", Ref: strings.Repeat("a", 40)},
		Package:      message.Package{Source: name, Version: version, Codename: "bookworm"},
		Architecture: arch, Changes: name + "_" + version + "_" + arch + ".changes", Key: f.signer.Fingerprint(),
	}
	s.Files = []message.Artifact{
		f.signedDeb(t, publishtest.Binary{Name: name, Version: version, Arch: arch}),
		f.put(t, name+"_"+version+"_"+arch+".buildinfo", f.clearsign(t, "Format: 1.0\n")),
	}
	f.list(t, s, "bookworm")
	dsc, files := publishtest.MakeSource(t, f.dir, name, version, "orig")
	text, err := os.ReadFile(dsc)
	if err != nil {
		t.Fatal(err)
	}
	s.SourceFiles = []message.Artifact{f.put(t, filepath.Base(dsc), f.clearsign(t, string(text)))}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s.SourceFiles = append(s.SourceFiles, f.put(t, filepath.Base(path), data))
	}
	return s
}

// list makes the .changes of what s has, and puts it last.
func (f *fixture) list(t *testing.T, s *message.Sign, distribution string) {
	t.Helper()
	var sums, files strings.Builder
	for _, a := range s.Files {
		fmt.Fprintf(&sums, " %s %d %s\n", a.SHA256, a.Size, a.Name)
		fmt.Fprintf(&files, " %032x %d devel optional %s\n", 0, a.Size, a.Name)
	}
	text := fmt.Sprintf("Format: 1.8\nSource: %s\nArchitecture: %s\nVersion: %s\nDistribution: %s\nMaintainer: Test <test@example.org>\nChecksums-Sha256:\n%sFiles:\n%s",
		s.Source, s.Architecture, s.Version, distribution, sums.String(), files.String())
	s.Files = append(s.Files, f.put(t, s.Changes, f.clearsign(t, text)))
}

func (f *fixture) run(t *testing.T, body message.Body) ([]bot.Result, error) {
	t.Helper()
	return f.do(t.Context(), &bot.Job{Bot: f.Bot, Message: new(message.Message), Body: body, Log: zerolog.Nop(), Dir: t.TempDir()})
}

// TestPublish takes a signed build to a client that reads it over distbot's own http server.
func TestPublish(t *testing.T) {
	f := newFixture(t)
	results, err := f.run(t, f.sign(t, "1.0-1"))
	if err != nil {
		t.Fatal(err)
	}
	got := results[0].Body.(*message.Dist)
	var files []string
	for _, p := range got.Packages {
		files = append(files, p.Filename+" "+p.Architecture)
		data, err := os.ReadFile(filepath.Join(f.output, p.Filename))
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprintf("%x", sha256.Sum256(data)) != string(p.SHA256) || int64(len(data)) != p.Size {
			t.Errorf("%s has not the hash or size that the message says", p.Filename)
		}
	}
	if diff := cmp.Diff([]string{"pool/main/h/hello/hello_1.0-1_amd64.deb amd64", "pool/main/h/hello/hello_1.0-1.dsc source"}, files); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	if got.Archive != "test" || got.Key != f.options.Signer.Fingerprint() || got.Codename != "bookworm" || len(got.Release) != 64 {
		t.Errorf("message: %+v", got)
	}
	if diff := cmp.Diff([]string{"amd64", "test"}, results[0].Siblings); diff != "" {
		t.Errorf("siblings (-want +got):\n%s", diff)
	}
	kept, err := os.ReadFile(filepath.Join(f.output, "buildinfo", "main", "h", "hello", "hello_1.0-1_amd64.buildinfo"))
	if err != nil || !bytes.Contains(kept, []byte("BEGIN PGP SIGNATURE")) {
		t.Errorf("%v, want a signed .buildinfo outside the pool:\n%s", err, kept)
	}
	if pooled, err := filepath.Glob(filepath.Join(f.output, "pool", "main", "h", "hello", "*.buildinfo")); err != nil || len(pooled) > 0 {
		t.Errorf("in the pool: %v, %v", pooled, err)
	}
	root, err := os.OpenRoot(f.output)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	server := httptest.NewServer(handler(root))
	defer server.Close()
	client := publishtest.NewClient(t, server.URL, "bookworm", "amd64", filepath.Join(f.output, "test.asc"))
	client.Must(t, "apt-get", "update")
	client.Must(t, "apt-get", "download", "hello")
	client.Must(t, "apt-get", "source", "--download-only", "hello")

	// Once more, as after a crash before the answer was published.
	again, err := f.run(t, f.sign(t, "1.0-1"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got.Packages, again[0].Body.(*message.Dist).Packages); diff != "" {
		t.Errorf("published again (-first +second):\n%s", diff)
	}
}

func TestOtherCodenameIsLeftToOthers(t *testing.T) {
	f := newFixture(t)
	s := f.sign(t, "1.0-1")
	s.Codename = "sid"
	results, err := f.run(t, s)
	if err != nil || len(results) != 0 || f.results(nil, s) != nil {
		t.Errorf("%v, %v, want nothing", results, err)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name  string
		alter func(t *testing.T, f *fixture, s *message.Sign)
		words string
	}{
		{"untrusted key", func(t *testing.T, f *fixture, _ *message.Sign) { f.trustKey(t, newKey(t)) }, "signature of hello_1.0-1_amd64.deb"},
		{"other key than said", func(_ *testing.T, _ *fixture, s *message.Sign) { s.Key = strings.Repeat("A", 40) }, "not by AAAA"},
		{"codename", func(_ *testing.T, _ *fixture, s *message.Sign) { s.Codename = "trixie" }, "is for bookworm, not trixie"},
		{"source", func(_ *testing.T, _ *fixture, s *message.Sign) { s.Source = "other" }, "is about hello, not other"},
		{"version", func(_ *testing.T, _ *fixture, s *message.Sign) { s.Version = "2.0-1" }, "is about version 1.0-1"},
		{"unsigned changes", func(t *testing.T, f *fixture, s *message.Sign) {
			s.Files[2] = f.put(t, s.Changes, []byte("Format: 1.8\n"))
		}, "signature of hello_1.0-1_amd64.changes"},
		{"two distributions", func(t *testing.T, f *fixture, s *message.Sign) {
			s.Files = s.Files[:2]
			f.list(t, s, "bookworm trixie")
		}, "2 distributions instead of one"},
		{"another distribution", func(t *testing.T, f *fixture, s *message.Sign) {
			s.Files = s.Files[:2]
			f.list(t, s, "trixie")
		}, "is for trixie, not bookworm"},
		{"slash in a listed name", func(t *testing.T, f *fixture, s *message.Sign) {
			good := s.Files[0]
			s.Files = s.Files[:2]
			s.Files[0].Name = "../" + good.Name
			f.list(t, s, "bookworm")
			s.Files[0] = good
		}, "invalid file name"},
		{"slash in a name", func(_ *testing.T, _ *fixture, s *message.Sign) { s.Files[0].Name = "../" + s.Files[0].Name }, "bad file name"},
		{"unsigned buildinfo", func(t *testing.T, f *fixture, s *message.Sign) {
			s.Files[1] = f.put(t, s.Files[1].Name, []byte("Format: 1.0\n"))
		}, "signature of hello_1.0-1_amd64.buildinfo"},
		{"unsigned package", func(t *testing.T, f *fixture, s *message.Sign) {
			data, err := os.ReadFile(publishtest.MakeDeb(t, t.TempDir(), publishtest.Binary{Name: "hello", Version: "1.0-1", Arch: "amd64"}))
			if err != nil {
				t.Fatal(err)
			}
			s.Files[0] = f.put(t, s.Files[0].Name, data)
		}, "no embedded signature"},
		{"altered package", func(t *testing.T, f *fixture, s *message.Sign) {
			data, err := os.ReadFile(filepath.Join(f.dir, s.Files[0].Name))
			if err != nil {
				t.Fatal(err)
			}
			d, err := debian.ReadDeb(bytes.NewReader(data), int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			data[d.Members[2].Offset+d.Members[2].Size/2] ^= 1
			s.Files[0] = f.put(t, s.Files[0].Name, data)
		}, "signature of hello_1.0-1_amd64.deb"},
		{"unsigned source", func(t *testing.T, f *fixture, s *message.Sign) {
			s.SourceFiles[0] = f.put(t, s.SourceFiles[0].Name, []byte("Format: 1.0\n"))
		}, "signature of hello_1.0-1.dsc"},
		{"not listed", func(t *testing.T, f *fixture, s *message.Sign) {
			s.Files = append(s.Files, f.signedDeb(t, publishtest.Binary{Name: "extra", Version: "1.0-1", Arch: "amd64", Source: "hello"}))
		}, "does not list extra_1.0-1_amd64.deb"},
		{"replaced by another that is signed", func(t *testing.T, f *fixture, s *message.Sign) {
			s.Files[0] = f.signedDeb(t, publishtest.Binary{Name: "hello", Version: "1.0-1", Arch: "amd64", Content: "another"})
		}, "does not list the bytes of"},
		{"not given", func(_ *testing.T, _ *fixture, s *message.Sign) { s.Files = s.Files[1:] }, "which the build does not have"},
		{"hidden among the source", func(t *testing.T, f *fixture, s *message.Sign) {
			s.SourceFiles = append(s.SourceFiles, f.signedDeb(t, publishtest.Binary{Name: "extra", Version: "1.0-1", Arch: "amd64", Source: "hello"}))
		}, "not listed in hello_1.0-1.dsc"},
		{"two of a name", func(t *testing.T, f *fixture, s *message.Sign) {
			s.SourceFiles = append(s.SourceFiles, f.put(t, s.Files[0].Name, []byte("x")))
		}, "two different files"},
		{"no changes", func(_ *testing.T, _ *fixture, s *message.Sign) { s.Changes = "other.changes" }, "has no file"},
		{"source without dsc", func(_ *testing.T, _ *fixture, s *message.Sign) { s.SourceFiles = s.SourceFiles[1:] }, "without a .dsc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			s := f.sign(t, "1.0-1")
			c.alter(t, f, s)
			f.refused(t, s, c.words)
		})
	}
}

// refused checks that a build is a failure of class policy and leaves the repository as it is.
func (f *fixture) refused(t *testing.T, s *message.Sign, words string) {
	t.Helper()
	path := filepath.Join(f.output, "dists", "bookworm", "InRelease")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.run(t, s)
	var failure *bot.Failure
	if !errors.As(err, &failure) || failure.Class != message.ClassPolicy || !strings.Contains(err.Error(), words) {
		t.Errorf("%v, want a failure of class policy that says %q", err, words)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("the repository has changed")
	}
}

// TestReplay includes what has been replaced by a newer version: nothing changes. A version that
// never was there and is lower is refused.
func TestReplay(t *testing.T) {
	f := newFixture(t)
	old := f.sign(t, "1.0-1")
	for _, s := range []*message.Sign{old, f.sign(t, "1.0-3"), old} {
		if _, err := f.run(t, s); err != nil {
			t.Fatal(err)
		}
	}
	f.refused(t, f.sign(t, "1.0-2"), "has the higher version 1.0-3")
}

func TestNoTrustIsTrouble(t *testing.T) {
	f := newFixture(t)
	if err := os.Remove(f.trust); err != nil {
		t.Fatal(err)
	}
	_, err := f.run(t, f.sign(t, "1.0-1"))
	var failure *bot.Failure
	if err == nil || errors.As(err, &failure) || !strings.Contains(bot.HintOf(err), "--trust-packages") {
		t.Errorf("%v, want trouble with a hint", err)
	}
}

// TestBadStart checks what a distbot with a bad key or keyring says.
func TestBadStart(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken.asc")
	if err := os.WriteFile(broken, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ key, trust string }{{key: broken}, {key: filepath.Join(t.TempDir(), "absent.asc")}, {trust: broken}} {
		s := settings("bookworm")
		if c.key != "" {
			s.Keys = []string{c.key}
		}
		s.PackageKeys = c.trust
		o := new(options)
		b := &bot.Bot{Log: zerolog.Nop(), Settings: bot.Settings{State: t.TempDir()}}
		if _, err := o.open(t.Context(), b, s); err == nil || bot.HintOf(err) == "" {
			t.Errorf("%v (%q), want an error with a hint", err, bot.HintOf(err))
		}
	}
}
