package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/bots/foundry/trace"
	"foundry/pkg/artifact"
	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/message"
	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly"
	"foundry/pkg/trust"
)

// A package that builds without any build dependency.
var tracedPackage = map[string]string{
	"debian/source/format": "3.0 (native)\n",
	"debian/changelog":     "traced (1.0) stable; urgency=medium\n\n  * First.\n\n -- Alice <alice@example.org>  Fri, 20 Nov 2026 12:00:00 +0000\n",
	"debian/control": "Source: traced\nMaintainer: Alice <alice@example.org>\nStandards-Version: 4.6.2\nRules-Requires-Root: no\n\n" +
		"Package: traced\nArchitecture: amd64\nSection: misc\nPriority: optional\nDescription: package that is traced\n",
	"debian/rules": "#!/usr/bin/make -f\n%:\n\nbinary:\n\tmkdir -p debian/tmp/DEBIAN debian/tmp/usr/share/traced\n" +
		"\techo traced > debian/tmp/usr/share/traced/file\n\tdpkg-gencontrol\n\tdpkg-deb --root-owner-group --build debian/tmp ..\n" +
		"clean:\n\trm -rf debian/tmp debian/files\n",
}

// buildTraced builds the package as a buildbot would and returns the folder of its files.
func buildTraced(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	tree := filepath.Join(dir, "traced-1.0")
	for name, text := range tracedPackage {
		path := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"dpkg-source", "--build", "."},
		{"dpkg-buildpackage", "--build=binary", "--no-sign", "--no-check-builddeps", "--host-arch=amd64"},
	} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = tree
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("run %s: %v; if it is missing: apt-get install dpkg-dev\n%s", args[0], err, out)
		}
	}
	return dir
}

// Names of the files of the package.
const (
	tracedDeb       = "traced_1.0_amd64.deb"
	tracedDsc       = "traced_1.0.dsc"
	tracedTar       = "traced_1.0.tar.xz"
	tracedChanges   = "traced_1.0_amd64.changes"
	tracedBuildinfo = "traced_1.0_amd64.buildinfo"
)

// history is one transaction, from a real commit to a real repository. Tests alter it before it is
// said.
type history struct {
	*yard
	git       *demoGit
	committer *trust.Key
	commit    message.Commit
	source    message.Source
	provision message.Provision
	build     message.Build
	sign      message.Sign
	dist      message.Dist
	deb       string                 // path of the published package
	built     string                 // folder of the package as it was built
	telling   func(*message.Message) // alters the message that begins an upload; nil for not
}

// newHistory makes everything but the messages. built is the folder of the built package; sign makes
// the signatures, the package key if nil.
func newHistory(t *testing.T, built string, signer *trust.Key) *history {
	h := &history{yard: newYard(t)}
	ctx := t.Context()
	h.commitToGit(ctx)
	pkg := message.Package{Source: "traced", Version: "1.0", Codename: "stable"}
	origin := h.commit.Origin
	dsc, tar := h.put(filepath.Join(built, tracedDsc)), h.put(filepath.Join(built, tracedTar))
	image := &message.Image{Key: strings.Repeat("e", 64), ID: "sha256:" + strings.Repeat("f", 64), Base: strings.Repeat("b", 64), Packages: []string{}}
	h.source = message.Source{
		Origin: origin, Package: pkg, Format: "3.0 (native)", Architectures: []string{"amd64"}, IndepArchitecture: "amd64",
		Files: []message.Artifact{dsc, tar}, Signer: h.committer.Fingerprint(), Time: h.commit.Time,
	}
	h.provision = message.Provision{
		Origin: origin, Package: pkg, Architecture: "amd64", Outcome: message.Ready, Arch: true, Indep: true,
		Image: image, Files: h.source.Files, Time: h.commit.Time,
	}
	deb, info, changes := h.put(filepath.Join(built, tracedDeb)), h.put(filepath.Join(built, tracedBuildinfo)), h.put(filepath.Join(built, tracedChanges))
	log := h.keepLog("buildbot.log.zst", "built\n")
	h.build = message.Build{
		Origin: origin, Package: pkg, Architecture: "amd64", ImageKey: image.Key, Changes: changes.Name,
		Files: []message.Artifact{changes, info, deb}, SourceFiles: h.source.Files, Log: log,
	}
	if signer == nil {
		var err error
		signer, err = trust.Load(filepath.Join(h.state, "keys", "package.asc"))
		h.ok(err)
	}
	out := h.signAll(ctx, built, signer)
	signed := func(name string) message.Artifact { return h.put(filepath.Join(out, name)) }
	h.sign = message.Sign{
		Origin: origin, Package: pkg, Architecture: "amd64", Changes: changes.Name, Key: signer.Fingerprint(), Log: log,
		Files:       []message.Artifact{signed(tracedChanges), signed(tracedBuildinfo), signed(tracedDeb)},
		SourceFiles: []message.Artifact{signed(tracedDsc), tar},
		Built:       []message.Artifact{changes, info, deb, dsc},
	}
	h.deb, h.built = filepath.Join(out, tracedDeb), built
	h.publishTo(ctx, out, built, pkg)
	return h
}

func (h *history) put(path string) message.Artifact {
	h.t.Helper()
	ref, err := artifact.PutFile(h.t.Context(), h.Store, path)
	h.ok(err)
	return ref
}

// commitToGit makes a repository with a signed commit.
func (h *history) commitToGit(ctx context.Context) {
	h.t.Helper()
	var err error
	h.git, err = makeDemoGit(ctx, filepath.Join(h.t.TempDir(), "git"))
	h.ok(err)
	path := filepath.Join(h.state, "keys", "committer.asc")
	h.committer, _, err = trust.LoadOrCreate(path, "Alice")
	h.ok(err)
	h.ok(trust.Allow(bot.TrustDir(h.state), trust.Committers, h.committer))
	signer, err := trust.OpenSigner(ctx, path)
	h.ok(err)
	hash, err := h.git.commit(ctx, signer, "First")
	h.ok(err)
	h.ok(h.git.push(ctx))
	described, err := describe(ctx, h.git.bare+"#"+demoBranch, filepath.Join(h.t.TempDir(), "mirror"))
	h.ok(err)
	if described.Ref != hash {
		h.t.Fatalf("head is %s, not %s", described.Ref, hash)
	}
	h.commit = described
}

// signAll signs what was built, as signbot does, and returns the folder of the results.
func (h *history) signAll(ctx context.Context, built string, key *trust.Key) string {
	h.t.Helper()
	out := h.t.TempDir()
	keyFile := filepath.Join(h.t.TempDir(), "key.asc")
	h.ok(key.Save(keyFile))
	signer, err := trust.OpenSigner(ctx, keyFile)
	h.ok(err)
	f, err := os.Open(filepath.Join(built, tracedDeb))
	h.ok(err)
	defer f.Close()
	info, err := f.Stat()
	h.ok(err)
	deb, err := debian.ReadDeb(f, info.Size())
	h.ok(err)
	var payload, signed bytes.Buffer
	_, err = payload.ReadFrom(deb.Payload())
	h.ok(err)
	signature, err := signer.DetachBinary(ctx, payload.Bytes())
	h.ok(err)
	h.ok(deb.WriteSigned(&signed, signature))
	h.ok(os.WriteFile(filepath.Join(out, tracedDeb), signed.Bytes(), 0o644))
	changes, err := os.ReadFile(filepath.Join(built, tracedChanges))
	h.ok(err)
	for _, name := range []string{tracedDsc, tracedBuildinfo} {
		text, err := os.ReadFile(filepath.Join(built, name))
		h.ok(err)
		signed, err := signer.Clearsign(ctx, text)
		h.ok(err)
		h.ok(os.WriteFile(filepath.Join(out, name), signed, 0o644))
		changes = relist(changes, name, text, signed)
	}
	before, err := os.ReadFile(filepath.Join(built, tracedDeb))
	h.ok(err)
	changes, err = signer.Clearsign(ctx, relist(changes, tracedDeb, before, signed.Bytes()))
	h.ok(err)
	h.ok(os.WriteFile(filepath.Join(out, tracedChanges), changes, 0o644))
	tar, err := os.ReadFile(filepath.Join(built, tracedTar))
	h.ok(err)
	h.ok(os.WriteFile(filepath.Join(out, tracedTar), tar, 0o644))
	return out
}

// relist replaces the hashes and size of one file in a .changes.
func relist(changes []byte, name string, before, after []byte) []byte {
	text := string(changes)
	for _, sum := range []func([]byte) string{
		func(b []byte) string { s := md5.Sum(b); return hex.EncodeToString(s[:]) },
		func(b []byte) string { s := sha1.Sum(b); return hex.EncodeToString(s[:]) },
		func(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) },
		func(b []byte) string { s := sha512.Sum512(b); return hex.EncodeToString(s[:]) },
	} {
		text = strings.ReplaceAll(text, fmt.Sprintf(" %s %d ", sum(before), len(before)), fmt.Sprintf(" %s %d ", sum(after), len(after)))
	}
	return []byte(text)
}

// publishTo includes the signed files in a real repository.
func (h *history) publishTo(ctx context.Context, out, built string, pkg message.Package) {
	h.t.Helper()
	key, err := trust.OpenSigner(ctx, filepath.Join(h.state, "keys", "repository.asc"))
	h.ok(err)
	repo, err := aptly.Open(ctx, publish.Options{
		Dir: filepath.Join(h.state, "dist"), Output: filepath.Join(h.state, "repo", "yard"), Archive: "yard", Signer: key,
		Suites: []publish.Suite{{Codename: "stable", Component: "main", Architectures: []string{"amd64"}}},
	})
	h.ok(err)
	publication, err := repo.Include(ctx, publish.Upload{
		Package: pkg, Architecture: "amd64", Changes: filepath.Join(out, tracedChanges), Files: []string{filepath.Join(out, tracedDeb)},
		Dsc: filepath.Join(out, tracedDsc), SourceFiles: []string{filepath.Join(out, tracedTar)},
	})
	h.ok(err)
	h.ok(repo.Close())
	public, err := key.Public()
	h.ok(err)
	h.ok(os.WriteFile(filepath.Join(h.state, "repo", "yard", "yard.asc"), public, 0o644))
	h.dist = message.Dist{
		Origin: h.commit.Origin, Package: pkg, Architecture: "amd64", Archive: "yard",
		Packages: publication.Packages, Release: publication.Release, Key: publication.Key,
	}
}

// tell says the whole transaction. Messages of the types in silent are not said, though answered.
func (h *history) tell(silent ...message.Type) {
	h.t.Helper()
	say := func(program string, m *message.Message) {
		h.t.Helper()
		for _, typ := range silent {
			if m.Type == typ {
				return
			}
		}
		h.ok(h.Bus.Publish(h.t.Context(), h.raw(program, m)))
	}
	m := h.sayFirst(say)
	for _, answer := range []struct {
		program string
		topic   message.Topic
		body    message.Body
	}{
		{"provisionbot", message.Provisions, &h.provision},
		{"buildbot", message.Builds, &h.build},
		{"signbot", message.Signs, &h.sign},
		{"distbot", message.Dists, &h.dist},
	} {
		var err error
		m, err = message.New(botSelf(answer.program), answer.topic, m.Context, m.ID, answer.body, "amd64")
		h.ok(err)
		say(answer.program, m)
	}
}

// sayFirst says what comes before the provision, and returns the source message.
func (h *history) sayFirst(say func(program string, m *message.Message)) *message.Message {
	h.t.Helper()
	if h.source.Uploaded() {
		m, err := message.NewUpload(botSelf("sourcebot"), &h.source)
		h.ok(err)
		if h.telling != nil {
			h.telling(m)
		}
		say("sourcebot", m)
		return m
	}
	commit, err := message.NewCommit(botSelf("watchbot"), &h.commit)
	h.ok(err)
	say("watchbot", commit)
	m, err := message.New(botSelf("sourcebot"), message.Sources, commit.Context, commit.ID, &h.source, "amd64")
	h.ok(err)
	say("sourcebot", m)
	return m
}

// marks returns the names of the links of a chain by their mark.
func marks(ch *trace.Chain) map[string][]string {
	by := map[string][]string{}
	for _, l := range ch.Links {
		by[l.Mark()] = append(by[l.Mark()], l.Name)
	}
	return by
}

// expect traces the target and compares the marks of the links.
func (h *history) expect(target trace.Target, want map[string][]string) *trace.Chain {
	h.t.Helper()
	ch, err := h.tracer().Follow(h.t.Context(), h.state, target)
	h.ok(err)
	if diff := cmp.Diff(want, marks(ch)); diff != "" {
		var text strings.Builder
		ch.Print(&text, false)
		h.t.Errorf("marks of the links: %s\n%s", diff, text.String())
	}
	return ch
}
