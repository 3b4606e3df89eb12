package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/message"
)

// upstream is the source without packaging.
var upstream = map[string]string{"hello.c": "int main(void) { return 0; }\n", "configure": "#!/bin/sh\ntrue\n", "doc/read.me": "hello\n"}

// upstreamRepo has upstream on the branch upstream and merges it into main.
func upstreamRepo(t *testing.T, format string, more map[string]string) (*repo, string) {
	t.Helper()
	r := newRepo(t)
	r.git("checkout", "--quiet", "-b", "upstream")
	r.write(upstream)
	r.commit()
	r.git("checkout", "--quiet", "-b", "debian/main")
	r.write(hello("1.0~rc1-2", format, more))
	return r, r.commit()
}

// testTwice makes the package of a commit twice, from mirrors and in folders of their own, and compares all bytes.
func testTwice(t *testing.T, r *repo, branch, ref string, args ...string) (*bench, *message.Source) {
	t.Helper()
	args = append([]string{"--codename", "bookworm", "--allow-unsigned"}, args...)
	b := newBench(t, args...)
	first := b.mustMake(r, branch, ref)
	second := newBench(t, args...).mustMake(r, branch, ref)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("made twice, -first +second:\n%s", diff)
	}
	if _, err := os.Stat("/tmp/sourcebot-ran-debian-rules"); err == nil {
		t.Error("debian/rules was run")
	}
	return b, first[0]
}

func wantNames(t *testing.T, s *message.Source, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, names(s)); diff != "" {
		t.Errorf("files, -want +got:\n%s", diff)
	}
}

func TestNative(t *testing.T) {
	r := newRepo(t)
	r.write(hello("1:1.0", "3.0 (native)", map[string]string{"run": "#!/bin/sh\n", "link": "-> /etc/passwd"}))
	b, s := testTwice(t, r, "main", r.commit())
	wantNames(t, s, "hello_1.0.dsc", "hello_1.0.tar.xz")
	tree, _ := b.unpack(s)
	if info, err := os.Stat(filepath.Join(tree, "run")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("run: %v, %v", info.Mode(), err)
	}
	if target, err := os.Readlink(filepath.Join(tree, "link")); err != nil || target != "/etc/passwd" {
		t.Errorf("link: %q, %v", target, err)
	}
	s.Files, s.Ref, s.Repository = nil, "", ""
	want := &message.Source{
		Origin: message.Origin{Branch: "main"}, Package: message.Package{Source: "hello", Version: "1:1.0", Codename: "bookworm"},
		Format: "3.0 (native)", Architectures: []string{"any", "all"}, IndepArchitecture: "amd64",
		Relations: message.Relations{BuildDepends: "debhelper-compat (= 13), libfoo-dev [amd64] <!nocheck>", BuildDependsIndep: "doxygen"},
		Committer: "C D <c@example.org>", Time: s.Time, Binaries: []string{"hello", "hello-doc"},
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestSameBytesAnywhere: neither the umask nor a commit from the future or the beginning of time
// shows in the package.
func TestSameBytesAnywhere(t *testing.T) {
	patch := map[string]string{
		"debian/patches/series":    "fix.patch\n",
		"debian/patches/fix.patch": "--- a/hello.c\n+++ b/hello.c\n@@ -1 +1 @@\n-int main(void) { return 0; }\n+int main(void) { return 1; }\n",
	}
	for _, when := range []string{"2038-01-19T03:14:07Z", "1970-01-01T00:00:00Z", commitTime} {
		for _, format := range []string{"3.0 (native)", "3.0 (quilt)"} {
			t.Run(when+" "+format, func(t *testing.T) {
				r := newRepo(t)
				r.env = append(r.env, "GIT_COMMITTER_DATE="+when)
				r.write(upstream)
				r.commit()
				r.git("tag", "upstream/1.0")
				version := map[string]string{"3.0 (native)": "1.0", "3.0 (quilt)": "1.0-1"}[format]
				r.write(hello(version, format, patch))
				ref := r.commit()
				args := []string{"--codename", "bookworm", "--codename", "trixie", "--allow-unsigned"}
				first := newBench(t, args...).mustMake(r, "main", ref)
				defer syscall.Umask(syscall.Umask(0o077))
				second := newBench(t, args...).mustMake(r, "main", ref)
				if diff := cmp.Diff(first, second); diff != "" {
					t.Errorf("-first +second:\n%s", diff)
				}
			})
		}
	}
}

// TestUpstreamSignature: dpkg-source checks upstream's signature of the orig tarball where the package has
// upstream's key.
func TestUpstreamSignature(t *testing.T) {
	r, _ := upstreamRepo(t, "3.0 (quilt)", nil)
	_, public := r.signingKey("upstream")
	files := t.TempDir()
	name := filepath.Join(files, "hello_1.0~rc1.orig.tar.xz")
	r.run("git", "archive", "-o", filepath.Join(files, "x.tar"), "--prefix=hello/", "upstream")
	r.run("sh", "-c", "xz -c "+files+"/x.tar > "+name)
	r.run("gpg", "--batch", "--armor", "--detach-sign", name)
	r.run("pristine-tar", "commit", "-s", name+".asc", name, "upstream")
	r.write(map[string]string{"debian/upstream/signing-key.asc": public + "\n"})
	_, s := testTwice(t, r, "debian/main", r.commit())
	wantNames(t, s, "hello_1.0~rc1-2.dsc", "hello_1.0~rc1-2.debian.tar.xz", "hello_1.0~rc1.orig.tar.xz", "hello_1.0~rc1.orig.tar.xz.asc")
}

func TestFormat1(t *testing.T) {
	t.Run("native without format", func(t *testing.T) {
		r := newRepo(t)
		r.write(hello("1.0", "", nil))
		_, s := testTwice(t, r, "main", r.commit())
		wantNames(t, s, "hello_1.0.dsc", "hello_1.0.tar.gz")
		if s.Format != "1.0" {
			t.Errorf("format %q", s.Format)
		}
	})
	t.Run("native with revision", func(t *testing.T) {
		for _, format := range []string{"1.0", ""} {
			r := newRepo(t)
			r.write(hello("1:1.0-1", format, gbp("pristine-tar = False\ndebian-branch = main\n")))
			b, s := testTwice(t, r, "main", r.commit(), "--codename", "trixie")
			wantNames(t, s, "hello_1.0-1~deb12u0.dsc", "hello_1.0-1~deb12u0.tar.gz")
			if !strings.Contains(b.log, "no sign of an upstream") {
				t.Errorf("nothing is said of it:\n%s", b.log)
			}
			tree, _ := b.unpack(s)
			wantTree(t, tree, map[string]string{"hello.c": upstream["hello.c"]})
		}
	})
	t.Run("diff", func(t *testing.T) {
		r, ref := upstreamRepo(t, "1.0", map[string]string{"extra.c": "int extra;\n"})
		r.git("tag", "upstream/1.0_rc1", "upstream")
		b, s := testTwice(t, r, "debian/main", ref, "--compression", "xz")
		wantNames(t, s, "hello_1.0~rc1-2.dsc", "hello_1.0~rc1-2.diff.gz", "hello_1.0~rc1.orig.tar.gz")
		tree, _ := b.unpack(s)
		if _, err := os.Stat(filepath.Join(tree, "extra.c")); err != nil {
			t.Error(err)
		}
	})
}

func TestQuiltFromTag(t *testing.T) {
	r, ref := upstreamRepo(t, "3.0 (quilt)", map[string]string{
		"debian/patches/series":    "fix.patch\n",
		"debian/patches/fix.patch": "--- a/hello.c\n+++ b/hello.c\n@@ -1 +1 @@\n-int main(void) { return 0; }\n+int main(void) { return 1; }\n",
	})
	r.git("tag", "-a", "-m", "release", "upstream/1.0_rc1", "upstream")
	b, s := testTwice(t, r, "debian/main", ref)
	wantNames(t, s, "hello_1.0~rc1-2.dsc", "hello_1.0~rc1-2.debian.tar.xz", "hello_1.0~rc1.orig.tar.xz")
	tree, dir := b.unpack(s)
	if text, err := os.ReadFile(filepath.Join(tree, "hello.c")); err != nil || !strings.Contains(string(text), "return 1") {
		t.Errorf("patch is not applied: %q, %v", text, err)
	}
	listing := r.run("tar", "-tvf", filepath.Join(dir, "hello_1.0~rc1.orig.tar.xz"), "--numeric-owner", "--utc")
	for _, want := range []string{"-rwxrwxr-x 0/0", "hello-1.0~rc1/configure", "2026-11-20 22:15", "hello-1.0~rc1/doc/read.me"} {
		if !strings.Contains(listing, want) {
			t.Errorf("orig tarball has not %q:\n%s", want, listing)
		}
	}
	if strings.Contains(listing, "debian") {
		t.Errorf("orig tarball has debian:\n%s", listing)
	}
}

// TestQuiltRevisionsShareOrig: the orig tarball has the same bytes for the next revision, though the
// branch upstream has moved on.
func TestQuiltFromBranch(t *testing.T) {
	r, ref := upstreamRepo(t, "3.0 (quilt)", map[string]string{"debian/gbp.conf": "[DEFAULT]\nupstream-branch = vendor\n"})
	r.git("branch", "-m", "upstream", "vendor")
	_, s := testTwice(t, r, "debian/main", ref)
	wantNames(t, s, "hello_1.0~rc1-2.dsc", "hello_1.0~rc1-2.debian.tar.xz", "hello_1.0~rc1.orig.tar.xz")
	r.git("checkout", "--quiet", "vendor")
	r.write(map[string]string{"hello.c": "int main(void) { return 2; }\n"})
	r.commit()
	r.git("checkout", "--quiet", "debian/main")
	r.write(hello("1.0~rc1-3", "3.0 (quilt)", nil))
	_, next := testTwice(t, r, "debian/main", r.commit())
	for _, f := range s.Files {
		for _, g := range next.Files {
			if f.Name == g.Name && f != g {
				t.Errorf("%s has other bytes in the next revision", f.Name)
			}
		}
	}
	wantNames(t, next, "hello_1.0~rc1-3.dsc", "hello_1.0~rc1-3.debian.tar.xz", "hello_1.0~rc1.orig.tar.xz")
}

func TestQuiltUpstreamWithDebianAndComponents(t *testing.T) {
	r := newRepo(t)
	r.git("checkout", "--quiet", "-b", "upstream")
	r.write(map[string]string{"hello.c": "int x;\n", "debian/control": "not ours\n", "plug/a.c": "int a;\n", "plug/deep/b.c": "int b;\n"})
	r.commit()
	r.git("tag", "v1.0")
	r.git("checkout", "--quiet", "-b", "sid")
	r.write(hello("1.0-1", "3.0 (quilt)", map[string]string{"hello.c": "int x;\n", "debian/gbp.conf": "[DEFAULT]\nupstream-tag = v%(version)s\ncomponent = plug\n"}))
	b, s := testTwice(t, r, "sid", r.commit(), "--compression", "gz")
	wantNames(t, s, "hello_1.0-1.dsc", "hello_1.0-1.debian.tar.xz", "hello_1.0.orig-plug.tar.gz", "hello_1.0.orig.tar.gz")
	tree, dir := b.unpack(s)
	if _, err := os.Stat(filepath.Join(tree, "plug", "deep", "b.c")); err != nil {
		t.Error(err)
	}
	// As with git-buildpackage, the tarball has upstream's debian folder, and dpkg-source puts ours in its place.
	if listing := r.run("tar", "-tf", filepath.Join(dir, "hello_1.0.orig.tar.gz")); listing != "hello-1.0/debian/\nhello-1.0/debian/control\nhello-1.0/hello.c" {
		t.Errorf("orig tarball:\n%s", listing)
	}
	if text, err := os.ReadFile(filepath.Join(tree, "debian", "control")); err != nil || strings.Contains(string(text), "not ours") {
		t.Errorf("debian/control is upstream's: %v", err)
	}
}

// TestPristineTar: main tarball, a component and a signature come out bit by bit as they were committed.
func TestPristineTar(t *testing.T) {
	for _, compression := range []string{"gz", "xz", "bz2"} {
		t.Run(compression, func(t *testing.T) {
			r, _ := upstreamRepo(t, "3.0 (quilt)", map[string]string{"debian/gbp.conf": "[DEFAULT]\npristine-tar = True\n", "plug/a.c": "int a;\n"})
			files := t.TempDir()
			r.write(map[string]string{"outside/hello-9/hello.c": upstream["hello.c"], "outside/hello-9/configure": upstream["configure"], "outside/hello-9/doc/read.me": upstream["doc/read.me"], "outside/hello-9/doc/extra": "only in the tarball\n", "outside/plug/a.c": "int a;\n"})
			name, plug := filepath.Join(files, "hello_1.0~rc1.orig.tar."+compression), filepath.Join(files, "hello_1.0~rc1.orig-plug.tar."+compression)
			r.run("tar", "-C", "outside", "--mtime=2020-02-02", "-caf", name, "hello-9")
			r.run("tar", "-C", "outside", "-caf", plug, "plug")
			r.run("sh", "-c", "printf 'not a real signature\n' > "+name+".asc")
			r.run("pristine-tar", "commit", "-s", name+".asc", name, "upstream")
			r.run("pristine-tar", "commit", plug, "upstream")
			r.run("rm", "-r", "outside")
			r.write(map[string]string{"doc/extra": "only in the tarball\n"})
			ref := r.commit()
			b, s := testTwice(t, r, "debian/main", ref)
			wantNames(t, s, "hello_1.0~rc1-2.dsc", "hello_1.0~rc1-2.debian.tar.xz",
				"hello_1.0~rc1.orig-plug.tar."+compression, "hello_1.0~rc1.orig.tar."+compression, "hello_1.0~rc1.orig.tar."+compression+".asc")
			for _, f := range s.Files {
				if !strings.Contains(f.Name, ".orig") {
					continue
				}
				want, err := os.ReadFile(filepath.Join(files, f.Name))
				if err != nil || !bytes.Equal(want, b.store.files[f.SHA256]) {
					t.Errorf("%s is not what was committed: %v", f.Name, err)
				}
			}
		})
	}
}

func TestSeveralCodenames(t *testing.T) {
	r, ref := upstreamRepo(t, "3.0 (quilt)", nil)
	r.git("tag", "upstream/1.0_rc1", "upstream")
	args := []string{"--codename", "bookworm", "--codename", "trixie", "--codename", "sid", "--autobump", "--allow-unsigned"}
	b := newBench(t, args...)
	sources := b.mustMake(r, "debian/main", ref)
	again := newBench(t, args...).mustMake(r, "debian/main", ref)
	if diff := cmp.Diff(sources, again); diff != "" {
		t.Errorf("made twice:\n%s", diff)
	}
	base := "1.0~rc1-2+20261120.2215.g" + ref[:7]
	seen := map[string]message.Digest{}
	for i, want := range []string{base + "~deb12u0", base + "~deb13u0", base} {
		s := sources[i]
		if s.Version != want || s.Files[0].Name != "hello_"+want+".dsc" {
			t.Errorf("%s: version %s, want %s", s.Codename, s.Version, want)
		}
		for _, f := range s.Files {
			if d, there := seen[f.Name]; there && d != f.SHA256 {
				t.Errorf("two contents of %s", f.Name)
			}
			seen[f.Name] = f.SHA256
		}
		tree, _ := b.unpack(s)
		text, err := os.ReadFile(filepath.Join(tree, "debian", "changelog"))
		if err != nil || !strings.HasPrefix(string(text), "hello ("+want+") ") || !strings.Contains(string(text), "  * Say hello.") {
			t.Errorf("changelog: %v\n%s", err, text)
		}
	}
	// The one without suffix is the package that --codename sid alone would make.
	alone := newBench(t, "--codename", "sid", "--autobump", "--allow-unsigned").mustMake(r, "debian/main", ref)
	if diff := cmp.Diff(sources[2], alone[0]); diff != "" {
		t.Errorf("sid among several and alone:\n%s", diff)
	}
}
