package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"foundry/bots/internal/bottest"
	"foundry/pkg/message"
)

// announced waits until the watchbot has announced a commit and returns its transaction.
func (h *house) announced(ref string) string {
	h.t.Helper()
	var name string
	until(h.t, "announcement of "+ref, func() bool {
		out := h.foundry("tail", "commits", "--no-follow", "--since", "1h", "--json")
		for line := range strings.Lines(out) {
			if strings.Contains(line, ref) {
				_, rest, _ := strings.Cut(line, `"context":"`)
				name, _, _ = strings.Cut(rest, `"`)
			}
		}
		return name != ""
	})
	return name
}

// follow waits for the end of a transaction that submit begins, or finds begun.
func (h *house) follow(spec string) (out string, status int) {
	h.t.Helper()
	out, errs, status := h.try("submit", spec, "--wait", "--timeout", "15m")
	return out + errs, status
}

// TestDebianPackages sends real packages of Debian through the whole of foundry: hello, which is 3.0
// (quilt) with a signed orig tarball, over smart http; ucf, which is native and arch:all, from a
// local path; and between them one that does not build. A last one is uploaded with dput.
func TestDebianPackages(t *testing.T) {
	needsTime(t)
	root, gpg := t.TempDir(), newGPGHome(t)
	h := newHouse(t, "")
	gpg.export(filepath.Join(h.state(), "trust", "committers.asc"))
	incoming := h.takeUploads(gpg)
	h.start()

	hello := importQuilt(t, gpg, root, "hello", "2.10")
	out, status := h.follow(smartHTTP(t, root) + "/hello.git#main")
	if status != 0 {
		t.Fatalf("hello: exit status %d\n%s", status, out)
	}
	source := stage[message.Source](t, h, hello.git("rev-parse", "main"), message.Sources)
	if !hasFile(source.Files, "hello_2.10.orig.tar.gz") || !hasFile(source.Files, "hello_2.10.orig.tar.gz.asc") {
		t.Errorf("source files %v lack the orig tarball or its signature", source.Files)
	}

	broken := importNative(t, gpg, root, "ucf")
	broken.write("debian/rules", "#!/usr/bin/make -f\n%:\n\t@echo this package can not be built\n\tfalse\n")
	broken.commit("Break the build")
	broken.push()
	out, status = h.follow(broken.bare + "#main")
	if status != 1 || !strings.Contains(out, "this package can not be built") {
		t.Errorf("broken package: exit status %d\n%s", status, out)
	}
	if found, _ := filepath.Glob(filepath.Join(h.state(), "repo", "test", "pool", "*", "*", "ucf*")); len(found) > 0 {
		t.Errorf("published of the broken package: %q", found)
	}

	command(t, broken.dir, broken.env(), "git", "revert", "--no-edit", "--quiet", "--gpg-sign="+committerEmail, "HEAD")
	broken.push()
	if out, status = h.follow(broken.bare + "#main"); status != 0 {
		t.Fatalf("ucf: exit status %d\n%s", status, out)
	}
	checkUpload(t, h, gpg, incoming, broken)

	said, deb := h.install("hello", "hello --greeting=well-met")
	if strings.TrimSpace(said) != "well-met" {
		t.Errorf("hello says %q", said)
	}
	if said, _ = h.install("ucf", "ucf --help"); !strings.Contains(said, "Usage: ucf") {
		t.Errorf("ucf says %q", said)
	}
	checkTrace(t, h, deb)
}

func hasFile(files []message.Artifact, name string) bool {
	for _, f := range files {
		if f.Name == name {
			return true
		}
	}
	return false
}

// checkTrace follows a package back to its commit, and sees that an altered one is not believed.
func checkTrace(t *testing.T, h *house, deb string) {
	t.Helper()
	if out, errs, status := h.try("trace", deb); status != 0 {
		t.Errorf("trace: exit status %d\n%s%s", status, out, errs)
	}
	content, err := os.ReadFile(deb)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	altered := filepath.Join(t.TempDir(), filepath.Base(deb))
	if err := os.WriteFile(altered, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _, status := h.try("trace", altered); status != 1 {
		t.Errorf("trace of an altered file: exit status %d\n%s", status, out)
	}
}

// TestUnsignedCommitIsRefused sends a commit that nobody has signed, and one that a stranger has.
func TestUnsignedCommitIsRefused(t *testing.T) {
	needsTime(t)
	root := t.TempDir()
	h := newHouse(t, "")
	h.start()
	stranger := newWorkTree(t, newGPGHome(t), root, "stranger")
	stranger.write("debian/changelog", "x (1) acme; urgency=low\n\n  * x\n\n -- A <a@b.invalid>  Fri, 20 Nov 2026 12:00:00 +0000\n")
	stranger.commit("Signed by a stranger")
	stranger.push()
	if out, status := h.follow(stranger.bare + "#main"); status != 1 || !strings.Contains(out, "sourcebot") {
		t.Errorf("commit of a stranger: exit status %d\n%s", status, out)
	}
	unsigned := newWorkTree(t, h.gpg, root, "unsigned")
	unsigned.write("debian/changelog", "x")
	unsigned.git("add", "--all")
	unsigned.git("commit", "--quiet", "-m", "Unsigned")
	unsigned.push()
	if out, status := h.follow(unsigned.bare + "#main"); status != 1 || !strings.Contains(out, "not signed") {
		t.Errorf("unsigned commit: exit status %d\n%s", status, out)
	}
}

// TestDemo runs the demo as this user, and as an ordinary one where this is root. Both have to
// succeed with all that it claims.
func TestDemo(t *testing.T) {
	needsTime(t)
	t.Run("this user", func(t *testing.T) {
		demoAs(t, nil, bottest.Cache(t), t.TempDir())
	})
	if os.Geteuid() != 0 {
		return
	}
	t.Run("ordinary user", func(t *testing.T) {
		const user = "foundry"
		if err := exec.Command("id", user).Run(); err != nil {
			t.Fatalf("no user %s; make it with scripts/setup", user)
		}
		home := "/var/lib/foundry"
		dir, err := os.MkdirTemp("", "foundry-demo-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		command(t, "", nil, "chown", user, dir)
		as := []string{"setpriv", "--reuid=" + user, "--regid=" + user, "--init-groups", "env", "-i", "HOME=" + home, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}
		demoAs(t, as, filepath.Join(home, "test-cache"), dir)
	})
}

func demoAs(t *testing.T, as []string, cache, dir string) {
	t.Helper()
	args := append(append([]string{}, as...), program(t, "foundry"), "demo", "--state", filepath.Join(dir, "state"), "--cache", cache)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "state", "demo.log"))
		t.Fatalf("demo: %v\n%s\n%s", err, out, log)
	}
	for _, want := range []string{"✓", demoGreeting, "every link holds", "What to type next"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the demo does not say %q:\n%s", want, out)
		}
	}
}
