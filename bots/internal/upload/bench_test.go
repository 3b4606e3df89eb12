package upload_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"foundry/bots/internal/bottest"
	"foundry/bots/internal/upload"
	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

// bench is a desk on a real bus, and an uploader.
type bench struct {
	*bottest.Bench
	*upload.Desk
	t      *testing.T
	signer trust.Signer
}

func newBench(t *testing.T) *bench {
	t.Helper()
	home := bottest.New(t, bot.Definition{Name: "sourcebot", Watch: message.Sources, Publish: message.Sources})
	if err := trust.Allow(bot.TrustDir(home.State), string(message.Failures), home.Sealer.Key); err != nil {
		t.Fatal(err)
	}
	b := &bench{Bench: home, t: t, signer: newSigner(t, home.State, "uploader")}
	public, err := b.signer.Public()
	if err != nil {
		t.Fatal(err)
	}
	keyring := filepath.Join(home.State, "trust", "uploaders.asc")
	write(t, keyring, string(public))
	b.Desk = &upload.Desk{
		Uploaders: keyring, Codenames: []string{"bookworm", "trixie"}, Build: upload.Build{IndepArchitecture: "amd64"},
		Self:  message.Bot{Name: "sourcebot", Instance: "sourcebot-1", Host: "test", Endpoint: "pub/sourcebot", Version: "1"},
		Store: home.Ports.Store, Bus: home.Ports.Bus, Values: home.Ports.Values, Sealer: home.Sealer, Publish: b.publish,
	}
	return b
}

func newSigner(t *testing.T, dir, name string) trust.Signer {
	t.Helper()
	path := filepath.Join(dir, "keys", name+".asc")
	if _, _, err := trust.LoadOrCreate(path, name); err != nil {
		t.Fatal(err)
	}
	signer, err := trust.OpenSigner(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func (b *bench) publish(ctx context.Context, m *message.Message) (bool, error) {
	raw, err := b.Desk.Sealer.Seal(m)
	if err != nil {
		return false, err
	}
	err = b.Bus.Publish(ctx, raw)
	if errors.Is(err, bus.ErrDuplicate) {
		return false, nil
	}
	return err == nil, err
}

// said returns what is kept on a topic.
func (b *bench) said(topic message.Topic) (all []message.Body) {
	b.t.Helper()
	err := b.Bus.Tail(b.t.Context(), bus.Filter{Topics: []message.Topic{topic}}, func(raw bus.Raw) error {
		_, body, err := b.Desk.Sealer.Open(raw)
		all = append(all, body)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

// take takes an upload to its end.
func (b *bench) take(path string) (*upload.Receipt, error) {
	b.t.Helper()
	p, err := b.Open(path)
	if err != nil {
		return nil, err
	}
	if err := b.Gather(b.t.Context(), p); err != nil {
		return nil, err
	}
	return b.Announce(b.t.Context(), p)
}

func (b *bench) mustTake(path string) *upload.Receipt {
	b.t.Helper()
	receipt, err := b.take(path)
	if err != nil {
		b.t.Fatalf("%s: %v (%s)", path, err, hint(err))
	}
	return receipt
}

func hint(err error) string {
	var failure *bot.Failure
	if errors.As(err, &failure) {
		return failure.Hint
	}
	return bot.HintOf(err)
}

// sign clearsigns a file in place.
func (b *bench) sign(path string) {
	b.t.Helper()
	signWith(b.t, b.signer, path)
}

func signWith(t *testing.T, signer trust.Signer, path string) {
	t.Helper()
	signed, err := signer.Clearsign(t.Context(), []byte(read(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, string(signed))
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// run runs a program in dir.
func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DEBEMAIL=u@example.org", "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("run %s: %v; if it is missing: apt-get install dpkg-dev dput\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// control is that of a package that anybody can build.
const control = `Source: hello
Maintainer: U Ploader <u@example.org>
Build-Depends: debhelper-compat (= 13)
Standards-Version: 4.6.2
Rules-Requires-Root: no

Package: hello
Architecture: any
Description: says hello

Package: hello-doc
Architecture: all
Description: says how
`

// pack makes the source package hello with the given version, for a distribution, as dpkg-buildpackage does:
// the orig tarball is listed for the first revision only. It returns the path of its .changes, unsigned.
// content tells two packages of one version apart.
func pack(t *testing.T, dir, format, version, distribution, content string) string {
	t.Helper()
	tree := unpacked(t, dir, format, version, distribution, content)
	args := []string{"dpkg-buildpackage", "--build=source", "--no-sign", "--no-check-builddeps", "--no-pre-clean"}
	if strings.HasSuffix(version, "-2") {
		args = append(args, "-sd")
	}
	run(t, tree, args...)
	return filepath.Join(dir, "hello_"+version+"_source.changes")
}

// unpacked makes the tree of the source package, and its orig tarball beside it unless one is there.
func unpacked(t *testing.T, dir, format, version, distribution, content string) string {
	t.Helper()
	upstream, _, _ := strings.Cut(version, "-")
	tree := filepath.Join(dir, "hello-"+upstream)
	if err := os.RemoveAll(tree); err != nil {
		t.Fatal(err)
	}
	if format == "3.0 (quilt)" || format == "1.0" {
		orig := filepath.Join(dir, "hello_"+upstream+".orig.tar.gz")
		write(t, filepath.Join(tree, "hello.c"), "int main(void) { return 0; }\n")
		if _, err := os.Stat(orig); err != nil {
			run(t, dir, "tar", "--create", "--gzip", "--file", orig, "--sort=name", "--mtime=2026-11-20", filepath.Base(tree))
		}
	}
	write(t, filepath.Join(tree, "debian", "source", "format"), format+"\n")
	write(t, filepath.Join(tree, "debian", "control"), control)
	write(t, filepath.Join(tree, "debian", "content"), content+"\n")
	write(t, filepath.Join(tree, "debian", "rules"), "#!/usr/bin/make -f\n%:\n")
	write(t, filepath.Join(tree, "debian", "changelog"), fmt.Sprintf(
		"hello (%s) %s; urgency=medium\n\n  * A change.\n\n -- U Ploader <u@example.org>  Fri, 20 Nov 2026 12:00:00 +0100\n", version, distribution))
	if err := os.Chmod(filepath.Join(tree, "debian", "rules"), 0o755); err != nil {
		t.Fatal(err)
	}
	return tree
}

// packed is hello 1.0 as a native package, made once.
var packed struct {
	sync.Mutex
	files map[string]string
}

// native returns the .changes of hello 1.0, a native package for bookworm, in a folder of its own.
func native(t *testing.T) string {
	t.Helper()
	packed.Lock()
	defer packed.Unlock()
	const changes = "hello_1.0_source.changes"
	if packed.files == nil {
		dir := filepath.Dir(pack(t, t.TempDir(), "3.0 (native)", "1.0", "bookworm", "one"))
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		files := map[string]string{}
		for _, e := range entries {
			if e.Type().IsRegular() {
				files[e.Name()] = read(t, filepath.Join(dir, e.Name()))
			}
		}
		packed.files = files
	}
	dir := t.TempDir()
	for name, text := range packed.files {
		write(t, filepath.Join(dir, name), text)
	}
	return filepath.Join(dir, changes)
}
