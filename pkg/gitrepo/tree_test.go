package gitrepo

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/trust"
)

// fetchedMirror is a mirror of w that has the commit.
func fetchedMirror(t *testing.T, w *workshop, commit string) *Mirror {
	t.Helper()
	m := mirrorOf(t, w.dir)
	if err := m.Fetch(background(t), commit, ""); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestCheckout(t *testing.T) {
	w := newWorkshop(t)
	w.write("debian/rules", "#!/usr/bin/make -f\n")
	if err := os.Chmod(filepath.Join(w.dir, "debian/rules"), 0o777); err != nil {
		t.Fatal(err)
	}
	w.write("größe/mit leer", "x\n")
	w.write("secret/test", "x\n")
	w.write("empty", "")
	w.write(".gitattributes", "secret export-ignore\nid export-subst\n")
	w.write("id", "$Format:%H$\n")
	for link, target := range map[string]string{"inside": "debian/rules", "outside": "/etc/passwd", "debian/up": "../empty", "dangling": "nowhere"} {
		if err := os.Symlink(target, filepath.Join(w.dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	head := w.commit("tree")
	m := fetchedMirror(t, w, head)
	dir := t.TempDir()
	if err := m.Checkout(background(t), head, dir); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		relative, _ := filepath.Rel(dir, name)
		if target, err := os.Readlink(name); err == nil {
			got[relative] = "-> " + target
			return nil
		}
		content, err := os.ReadFile(name)
		got[relative] = info.Mode().String() + " " + string(content)
		if !info.ModTime().Equal(w.now) {
			t.Errorf("%s: time %s, want %s", relative, info.ModTime(), w.now)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"debian/rules": "-rwxr-xr-x #!/usr/bin/make -f\n", "größe/mit leer": "-rw-r--r-- x\n", "empty": "-rw-r--r-- ",
		".gitattributes": "-rw-r--r-- secret export-ignore\nid export-subst\n", "id": "-rw-r--r-- " + head + "\n",
		"inside": "-> debian/rules", "outside": "-> /etc/passwd", "debian/up": "-> ../empty", "dangling": "-> nowhere",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := m.Checkout(background(t), head, dir); err == nil {
		t.Error("checked out into a folder that is not empty")
	}
	if err := m.Checkout(background(t), strings.Repeat("1", 40), t.TempDir()); !errors.Is(err, ErrNoCommit) {
		t.Errorf("no such commit: %v", err)
	}
}

// evilTree writes a tree with the entries "MODE NAME" and a commit of it, unchecked.
func (w *workshop) evilTree(entries ...string) string {
	w.t.Helper()
	w.write("payload", "pwned\n")
	w.write("link", filepath.Join(filepath.Dir(w.dir), "outside"))
	blob, link := w.git("hash-object", "-w", "payload"), w.git("hash-object", "-w", "link")
	sub := w.rawTree("100644 b " + blob)
	var lines []string
	for _, e := range entries {
		id := blob
		switch {
		case strings.HasPrefix(e, "120000 "):
			id = link
		case strings.HasPrefix(e, "40000 "):
			id = sub
		case strings.HasPrefix(e, "160000 "):
			id = someHash
		}
		lines = append(lines, e+" "+id)
	}
	commit := w.git("commit-tree", "-m", "evil", w.rawTree(lines...))
	w.git("branch", "--force", "evil", commit)
	return commit
}

// rawTree writes a tree of lines "MODE NAME HASH".
func (w *workshop) rawTree(lines ...string) string {
	w.t.Helper()
	var raw []byte
	for _, line := range lines {
		cut := strings.LastIndex(line, " ")
		id, err := hex.DecodeString(line[cut+1:])
		if err != nil {
			w.t.Fatal(err)
		}
		raw = append(append(append(raw, line[:cut]...), 0), id...)
	}
	path := filepath.Join(w.t.TempDir(), "tree")
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		w.t.Fatal(err)
	}
	return w.git("hash-object", "-t", "tree", "-w", "--literally", path)
}

func TestCheckoutRefuses(t *testing.T) {
	for _, test := range []struct {
		name    string
		entries []string
		want    error
	}{
		{"parent", []string{"40000 .."}, ErrUnsafe},
		{"repository", []string{"40000 .git"}, ErrUnsafe},
		{"repository in capitals", []string{"40000 .GIT"}, ErrUnsafe},
		{"slash", []string{"100644 ../outside/b"}, ErrUnsafe},
		{"absolute", []string{"100644 /tmp/gitrepo-pwned"}, ErrUnsafe},
		{"submodule", []string{"160000 sub"}, ErrSubmodule},
		{"through a link", []string{"120000 a", "40000 a"}, nil},
		{"file through a link", []string{"120000 a", "100644 a"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorkshop(t)
			outside := filepath.Join(filepath.Dir(w.dir), "outside")
			if err := os.Mkdir(outside, 0o755); err != nil {
				t.Fatal(err)
			}
			evil := w.evilTree(test.entries...)
			m := mirrorOf(t, w.dir)
			if err := m.Fetch(background(t), evil, "evil"); err != nil {
				t.Fatal(err)
			}
			err := m.Checkout(background(t), evil, t.TempDir())
			if err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("got %v", err)
			}
			if files, _ := os.ReadDir(outside); len(files) != 0 {
				t.Errorf("written outside: %v", files)
			}
		})
	}
}

// TestHostileRepository fetches from a local repository whose hooks and configuration run programs.
func TestHostileRepository(t *testing.T) {
	w, head := standard(t)
	mark := filepath.Join(t.TempDir(), "mark")
	script := filepath.Join(t.TempDir(), "evil")
	put(t, script, "#!/bin/sh\ntouch "+mark+"\n")
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, hook := range []string{"post-checkout", "reference-transaction", "pre-auto-gc", "post-update", "update", "pre-receive"} {
		if err := os.Symlink(script, filepath.Join(w.dir, ".git/hooks", hook)); err != nil {
			t.Fatal(err)
		}
	}
	w.git("config", "uploadpack.packObjectsHook", script)
	w.git("config", "core.fsmonitor", script)
	w.git("config", "core.sshCommand", script)
	w.git("config", "filter.evil.smudge", script)
	ctx := background(t)
	heads, err := Heads(ctx, w.dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Peek(ctx, t.TempDir(), w.dir, heads); err != nil {
		t.Fatal(err)
	}
	if err := fetchedMirror(t, w, head).Checkout(ctx, head, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("the repository's program was run")
	}
}

func TestReadFile(t *testing.T) {
	w := newWorkshop(t)
	w.write("debian/changelog", "hello\n")
	w.write("debian/binary", "a\x00\nb")
	for link, target := range map[string]string{"inside": "debian/changelog", "outside": "/etc/passwd", "up": "../../x", "loop": "loop"} {
		if err := os.Symlink(target, filepath.Join(w.dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	head := w.commit("files")
	m := fetchedMirror(t, w, head)
	for _, test := range []struct {
		name, want string
		err        error
	}{
		{"debian/changelog", "hello\n", nil},
		{"debian/binary", "a\x00\nb", nil},
		{"inside", "hello\n", nil},
		{"outside", "", fs.ErrNotExist},
		{"up", "", fs.ErrNotExist},
		{"loop", "", fs.ErrNotExist},
		{"debian", "", fs.ErrNotExist},
		{"nothing", "", fs.ErrNotExist},
		{"debian/changelog/x", "", fs.ErrNotExist},
		{"../x", "", fs.ErrInvalid},
		{"/etc/passwd", "", fs.ErrInvalid},
		{"", "", fs.ErrInvalid},
		{"a\nb", "", fs.ErrInvalid},
	} {
		got, err := m.ReadFile(background(t), head, test.name)
		if string(got) != test.want || !errors.Is(err, test.err) {
			t.Errorf("%q: %q, %v", test.name, got, err)
		}
	}
}

func TestCommit(t *testing.T) {
	w := newWorkshop(t)
	head := w.commit("Grüße\x1b[31m \u202e!\n\nbody")
	got, err := fetchedMirror(t, w, head).Commit(background(t), head)
	if err != nil {
		t.Fatal(err)
	}
	want := Commit{
		Hash: head, Tree: w.git("rev-parse", "HEAD^{tree}"),
		Author: "Ann Author", Email: "ann@example.org", Committer: "Cem Committer", CommitterEmail: "cem@example.org",
		Time: time.Date(2026, 11, 20, 12, 1, 0, 0, time.UTC), Subject: "Grüße [31m  !",
		Payload: []byte(w.git("cat-file", "commit", head) + "\n"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestVerifyCommit(t *testing.T) {
	w := newWorkshop(t)
	// A short path: the agent's socket is in it.
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GNUPGHOME", home)
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	tool := func(name string, args ...string) []byte {
		t.Helper()
		out, err := exec.Command(name, args...).Output()
		if err != nil {
			t.Fatalf("%s: %v (apt install gnupg openssh-client)", name, err)
		}
		return out
	}
	tool("gpg", "--batch", "--passphrase", "", "--quick-generate-key", "Cem <cem@example.org>", "ed25519", "sign", "never")
	ring := filepath.Join(home, "public.asc")
	put(t, ring, string(tool("gpg", "--armor", "--export", "cem@example.org")))
	keyring, err := trust.ReadKeyring(ring)
	if err != nil {
		t.Fatal(err)
	}
	unsigned := w.commit("unsigned")
	w.git("config", "user.signingKey", "cem@example.org")
	w.git("commit", "--quiet", "--allow-empty", "-S", "-m", "signed")
	signed := w.git("rev-parse", "HEAD")
	tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(home, "id"))
	w.git("-c", "gpg.format=ssh", "-c", "user.signingKey="+filepath.Join(home, "id.pub"), "commit", "--quiet", "--allow-empty", "-S", "-m", "by ssh")
	ssh := w.git("rev-parse", "HEAD")
	m := fetchedMirror(t, w, ssh)
	get := func(hash string) Commit {
		t.Helper()
		c, err := m.Commit(background(t), hash)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	fingerprint, err := VerifyCommit(keyring, get(signed))
	if err != nil || fingerprint != keyring.Fingerprints()[0] {
		t.Errorf("signed: %q, %v", fingerprint, err)
	}
	if _, err := VerifyCommit(keyring, get(unsigned)); !errors.Is(err, ErrUnsigned) {
		t.Errorf("unsigned: %v", err)
	}
	if _, err := VerifyCommit(keyring, get(ssh)); !errors.Is(err, ErrSignature) {
		t.Errorf("by ssh: %v", err)
	}
	altered := get(signed)
	altered.Payload = append(altered.Payload, '\n')
	if _, err := VerifyCommit(keyring, altered); err == nil {
		t.Error("an altered commit was believed")
	}
	swapped := get(unsigned)
	swapped.Signature = get(signed).Signature
	if _, err := VerifyCommit(keyring, swapped); err == nil {
		t.Error("the signature of another commit was believed")
	}
}

// TestParseCommitRefuses checks what cannot be a commit, or could hide a second signature.
func TestParseCommitRefuses(t *testing.T) {
	good := "tree " + someHash + "\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n"
	if _, err := parseCommit([]byte(good + "\nx\n")); err != nil {
		t.Fatal(err)
	}
	for _, raw := range []string{
		"", "\n\n", "tree x\n\n", good + "gpgsig a\ngpgsig b\n\nx\n",
		strings.Replace(good, "committer A <a@b> 1", "committer A <a@b> -1", 1) + "\nx",
		strings.Replace(good, "committer A <a@b> 1", "committer A <a@b> 99999999999999", 1) + "\nx",
		strings.Replace(good, "committer A <a@b> 1", "committer A 1", 1) + "\nx",
	} {
		if c, err := parseCommit([]byte(raw)); err == nil {
			t.Errorf("%q: %+v", raw, c)
		}
	}
}
