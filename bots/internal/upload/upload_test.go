package upload_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foundry/pkg/trust/trusttest"

	"github.com/google/go-cmp/cmp"

	"foundry/bots/internal/published"
	"foundry/bots/internal/upload"
	"foundry/pkg/bot"
	"foundry/pkg/message"
)

var noon = time.Date(2026, 11, 20, 11, 0, 0, 0, time.UTC)

// TestUpload takes a package, the same again, the same signed again, another of the same version, and the
// next revision, which does not bring the orig tarball.
func TestUpload(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	changes := pack(t, dir, "3.0 (quilt)", "1.0-1", "bookworm", "one")
	b.sign(changes)
	first := b.mustTake(changes)
	body, err := first.Message.Body()
	if err != nil {
		t.Fatal(err)
	}
	source, ok := body.(*message.Source)
	if !ok || !first.Fresh || first.Message.Parent != "" || first.Message.ID != message.UploadID(source) {
		t.Fatalf("fresh %v, message %+v", first.Fresh, first.Message)
	}
	wantSource(t, b, source)

	if again := b.mustTake(changes); again.Fresh || again.Message.Context != first.Message.Context {
		t.Errorf("the same again: fresh %v in %s", again.Fresh, again.Message.Context)
	}
	other := t.TempDir()
	run(t, dir, "cp", filepath.Join(dir, "hello_1.0.orig.tar.gz"), other)
	unlike := pack(t, other, "3.0 (quilt)", "1.0-1", "bookworm", "two")
	b.sign(unlike)
	wantRefusal(t, b, unlike, "uploaded for bookworm before, with other contents")
	if got := len(b.said(message.Sources)); got != 1 {
		t.Errorf("%d sources were announced", got)
	}

	// The next revision comes without the orig tarball, also from a folder that has none.
	next := pack(t, dir, "3.0 (quilt)", "1.0-2", "bookworm", "one")
	if strings.Contains(read(t, next), ".orig.") {
		t.Fatal("the test wants a .changes that lists no orig tarball")
	}
	b.sign(next)
	if err := os.Remove(filepath.Join(dir, "hello_1.0.orig.tar.gz")); err != nil {
		t.Fatal(err)
	}
	if second := b.mustTake(next); !second.Fresh {
		t.Error("the next revision is not new")
	}
}

func wantSource(t *testing.T, b *bench, s *message.Source) {
	t.Helper()
	var names []string
	for _, f := range append(s.Files, *s.Upload) {
		names = append(names, f.Name)
		if there, err := b.Store.Has(t.Context(), f.SHA256); err != nil || !there {
			t.Errorf("%s is not in the store: %v", f.Name, err)
		}
	}
	wantNames := []string{"hello_1.0-1.dsc", "hello_1.0.orig.tar.gz", "hello_1.0-1.debian.tar.xz", "hello_1.0-1_source.changes"}
	if diff := cmp.Diff(wantNames, names); diff != "" {
		t.Errorf("files -want +got:\n%s", diff)
	}
	want := &message.Source{
		Origin:  message.Origin{Repository: "upload", Branch: "bookworm", Ref: string(s.Files[0].SHA256)},
		Package: message.Package{Source: "hello", Version: "1.0-1", Codename: "bookworm"},
		Format:  "3.0 (quilt)", Architectures: []string{"any", "all"}, IndepArchitecture: "amd64",
		Relations: message.Relations{BuildDepends: "debhelper-compat (= 13)"}, Binaries: []string{"hello", "hello-doc"},
		Files: s.Files, Upload: s.Upload, Signer: b.signer.Fingerprint(), Committer: "U Ploader <u@example.org>", Time: s.Time,
	}
	if diff := cmp.Diff(want, s); diff != "" || !s.Time.Equal(noon) {
		t.Errorf("-want +got:\n%s\ntime %s", diff, s.Time)
	}
}

// wantRefusal wants an upload to be refused with this reason.
func wantRefusal(t *testing.T, b *bench, path, reason string) {
	t.Helper()
	_, err := b.take(path)
	var failure *bot.Failure
	if !errors.As(err, &failure) || !strings.Contains(err.Error(), reason) || hint(err) == "" || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v (hint %q), want a refusal with %q", err, hint(err), reason)
	}
}

// TestSignatureOfDsc: that an uploader has made the same .dsc anew, so that its signature and nothing else
// differs, makes no other upload.
func TestSignatureOfDsc(t *testing.T) {
	b := newBench(t)
	dsc := filepath.Join(filepath.Dir(native(t)), "hello_1.0.dsc")
	plain := read(t, dsc)
	b.Desk.Codename = "trixie"
	b.sign(dsc)
	if !b.mustTake(dsc).Fresh {
		t.Fatal("not taken")
	}
	first := read(t, dsc)
	write(t, dsc, strings.ReplaceAll(plain, "\n", " \n")) // white space at ends of lines is not signed
	b.sign(dsc)
	if first == read(t, dsc) {
		t.Fatal("the test wants two signatures")
	}
	if b.mustTake(dsc).Fresh {
		t.Error("taken twice")
	}
}

// TestDsc: a .dsc alone says neither when it was made nor for what.
func TestDsc(t *testing.T) {
	b := newBench(t)
	for format, version := range map[string]string{"3.0 (quilt)": "2.0-1", "3.0 (native)": "3.0", "1.0": "4.0-1"} {
		t.Run(format, func(t *testing.T) {
			dir := t.TempDir()
			run(t, dir, "dpkg-source", "--build", unpacked(t, dir, format, version, "UNRELEASED", "one"))
			dsc := filepath.Join(dir, "hello_"+version+".dsc")
			b.sign(dsc)
			wantRefusal(t, b, dsc, "does not say for which codename")
			desk := *b.Desk
			desk.Codename = "trixie"
			p, err := desk.Open(dsc)
			if err == nil {
				err = desk.Gather(t.Context(), p)
			}
			if err != nil {
				t.Fatal(err)
			}
			receipt, err := desk.Announce(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			if !p.Date.Equal(noon) || p.Uploader != "U Ploader <u@example.org>" || !strings.HasPrefix(receipt.Message.Context, "hello-20261120-110000-") {
				t.Errorf("date %s, uploader %q, context %s", p.Date, p.Uploader, receipt.Message.Context)
			}
		})
	}
}

// TestLowerVersion: what a repository has a higher version of is refused before it is built.
func TestLowerVersion(t *testing.T) {
	b := newBench(t)
	changes := native(t)
	b.sign(changes)
	higher := message.Package{Source: "hello", Version: "1.0.1", Codename: "bookworm"}
	if err := published.Note(t.Context(), b.Values, "test", higher, ""); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, b, changes, "hello 1.0 is lower than version 1.0.1")
	if there := b.said(message.Sources); there != nil {
		t.Errorf("announced: %v", there)
	}
	b.Desk.Downgrade = true
	b.mustTake(changes)
}

// TestOrigFromRepository: where no artifact of the earlier version is kept, the published repository has it.
func TestOrigFromRepository(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	changes := pack(t, dir, "3.0 (quilt)", "1.0-2", "bookworm", "one")
	b.sign(changes)
	orig := filepath.Join(dir, "hello_1.0.orig.tar.gz")
	pool := filepath.Join(b.State, "repo", "acme", "pool", "main", "h", "hello", "hello_1.0.orig.tar.gz")
	write(t, pool, "another with this name")
	text := read(t, orig)
	if err := os.Remove(orig); err != nil {
		t.Fatal(err)
	}
	b.Desk.Pools = upload.Pools(b.State)
	_, err := b.take(changes)
	var incomplete *upload.Incomplete
	if !errors.As(err, &incomplete) || !strings.Contains(err.Error(), "hello_1.0.orig.tar.gz") || !strings.Contains(hint(err), "-sa") {
		t.Fatalf("error %v, hint %q", err, hint(err))
	}
	write(t, pool, text)
	b.mustTake(changes)
}

// TestBySignatureOfGnuPG takes what dpkg-buildpackage and gpg have signed.
func TestBySignatureOfGnuPG(t *testing.T) {
	b := newBench(t)
	home := trusttest.GPGHome(t)
	run(t, home, "gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", "U Ploader <u@example.org>", "rsa2048")
	write(t, b.Uploaders, run(t, home, "gpg", "--armor", "--export"))
	dir := t.TempDir()
	changes := pack(t, dir, "3.0 (native)", "1.0", "bookworm", "one")
	tree := filepath.Join(dir, "hello-1.0")
	run(t, tree, "dpkg-buildpackage", "--build=source", "--force-sign", "--sign-key=u@example.org", "--no-check-builddeps", "--no-pre-clean")
	body, err := b.mustTake(changes).Message.Body()
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := body.(*message.Source); !ok || s.Signer == "" || !strings.HasPrefix(read(t, filepath.Join(dir, s.Files[0].Name)), "-----BEGIN") {
		t.Errorf("source %+v", body)
	}
}
