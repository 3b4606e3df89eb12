package gitrepo

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/gitrepo/git"
	"foundry/pkg/gitrepo/gitrepotest"
	"foundry/pkg/gitrepo/remote"
)

// fetchedMirror is a mirror of w that has the commit.
func fetchedMirror(t *testing.T, w *gitrepotest.Workshop, commit string) *Mirror {
	t.Helper()
	m := mirrorOf(t, w.Dir)
	if err := m.Fetch(background(t), commit, ""); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestCheckout(t *testing.T) {
	w := gitrepotest.NewWorkshop(t)
	w.Write("debian/rules", "#!/usr/bin/make -f\n")
	if err := os.Chmod(filepath.Join(w.Dir, "debian/rules"), 0o777); err != nil {
		t.Fatal(err)
	}
	w.Write("größe/mit leer", "x\n")
	w.Write("secret/test", "x\n")
	w.Write("empty", "")
	w.Write(".gitattributes", "secret export-ignore\nid export-subst\n")
	w.Write("id", "$Format:%H$\n")
	for link, target := range map[string]string{"inside": "debian/rules", "outside": "/etc/passwd", "debian/up": "../empty", "dangling": "nowhere"} {
		if err := os.Symlink(target, filepath.Join(w.Dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	head := w.Commit("tree")
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
		if !info.ModTime().Equal(w.Now) {
			t.Errorf("%s: time %s, want %s", relative, info.ModTime(), w.Now)
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
	if err := m.Checkout(background(t), strings.Repeat("1", 40), t.TempDir()); !errors.Is(err, git.ErrNoCommit) {
		t.Errorf("no such commit: %v", err)
	}
}

// evilTree writes a tree with the entries "MODE NAME" and a commit of it, unchecked.
func evilTree(t *testing.T, w *gitrepotest.Workshop, entries ...string) string {
	t.Helper()
	w.Write("payload", "pwned\n")
	w.Write("link", filepath.Join(filepath.Dir(w.Dir), "outside"))
	blob, link := w.Git("hash-object", "-w", "payload"), w.Git("hash-object", "-w", "link")
	sub := rawTree(t, w, "100644 b "+blob)
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
	commit := w.Git("commit-tree", "-m", "evil", rawTree(t, w, lines...))
	w.Git("branch", "--force", "evil", commit)
	return commit
}

// rawTree writes a tree of lines "MODE NAME HASH".
func rawTree(t *testing.T, w *gitrepotest.Workshop, lines ...string) string {
	t.Helper()
	var raw []byte
	for _, line := range lines {
		cut := strings.LastIndex(line, " ")
		id, err := hex.DecodeString(line[cut+1:])
		if err != nil {
			t.Fatal(err)
		}
		raw = append(append(append(raw, line[:cut]...), 0), id...)
	}
	path := filepath.Join(t.TempDir(), "tree")
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	return w.Git("hash-object", "-t", "tree", "-w", "--literally", path)
}

func TestCheckoutRefuses(t *testing.T) {
	for _, test := range []struct {
		name    string
		entries []string
		want    error
	}{
		{"parent", []string{"40000 .."}, git.ErrUnsafe},
		{"repository", []string{"40000 .git"}, git.ErrUnsafe},
		{"repository in capitals", []string{"40000 .GIT"}, git.ErrUnsafe},
		{"slash", []string{"100644 ../outside/b"}, git.ErrUnsafe},
		{"absolute", []string{"100644 /tmp/gitrepo-pwned"}, git.ErrUnsafe},
		{"submodule", []string{"160000 .."}, git.ErrUnsafe},
		{"through a link", []string{"120000 a", "40000 a"}, nil},
		{"file through a link", []string{"120000 a", "100644 a"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := gitrepotest.NewWorkshop(t)
			outside := filepath.Join(filepath.Dir(w.Dir), "outside")
			if err := os.Mkdir(outside, 0o755); err != nil {
				t.Fatal(err)
			}
			evil := evilTree(t, w, test.entries...)
			m := mirrorOf(t, w.Dir)
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
	w, head := gitrepotest.Standard(t)
	mark := filepath.Join(t.TempDir(), "mark")
	script := filepath.Join(t.TempDir(), "evil")
	put(t, script, "#!/bin/sh\ntouch "+mark+"\n")
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, hook := range []string{"post-checkout", "reference-transaction", "pre-auto-gc", "post-update", "update", "pre-receive"} {
		if err := os.Symlink(script, filepath.Join(w.Dir, ".git/hooks", hook)); err != nil {
			t.Fatal(err)
		}
	}
	w.Git("config", "uploadpack.packObjectsHook", script)
	w.Git("config", "core.fsmonitor", script)
	w.Git("config", "core.sshCommand", script)
	w.Git("config", "filter.evil.smudge", script)
	ctx := background(t)
	heads, err := remote.Heads(ctx, w.Dir, remote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Peek(ctx, t.TempDir(), w.Dir, heads); err != nil {
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
	w := gitrepotest.NewWorkshop(t)
	w.Write("debian/changelog", "hello\n")
	w.Write("debian/binary", "a\x00\nb")
	for link, target := range map[string]string{"inside": "debian/changelog", "outside": "/etc/passwd", "up": "../../x", "loop": "loop"} {
		if err := os.Symlink(target, filepath.Join(w.Dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	head := w.Commit("files")
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
