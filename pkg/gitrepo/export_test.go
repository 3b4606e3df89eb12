package gitrepo

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/gitrepo/gitrepotest"
)

// odd is a repository with whatever a tree may hold, and attributes for exports.
func odd(t *testing.T) (w *gitrepotest.Workshop, head string) {
	t.Helper()
	w = gitrepotest.NewWorkshop(t)
	w.Write("parent", "")
	w.Commit("parent")
	long := strings.Repeat("long/", 60) + "name"
	for name, content := range map[string]string{
		"a b": "space\n", " leading": "x", "trailing ": "x", "new\nline": "x", "tab\t": "x", "\xff\xfe latin\xe9": "x", "größe": "x", "\u202eright": "x",
		"-option": "x", "Case": "upper\n", "case": "lower\n", "CON": "x", `back\slash`: "x", `"quoted"`: "x", "*": "x", "$(id)": "x", long: "x",
		"empty": "", "binary": "a\x00b\r\n\x1a", "dos.txt": "a\nb\n", "script": "#!/bin/sh\n",
		"version":        "$Format:%H %P %h %D %d %an %ct$\n$Id$\n",
		".gitattributes": "version export-subst ident\n/tests export-ignore\n*.orig export-ignore\nkeep/tests -export-ignore\n\"a b\" export-subst\ndos.txt text eol=crlf\n.gitignore export-ignore\n",
		".gitignore":     "x\n", "tests/one": "x", "keep/tests": "x", "keep/a.orig": "x", "keep/.gitattributes": "secret export-ignore\n", "keep/secret": "x", "secret": "x",
		"only/ignored.orig": "x", "debian/patches/series": "",
	} {
		w.Write(name, content)
	}
	for link, target := range map[string]string{
		"inside": "script", "folder": "keep", "outside": "/etc/passwd", "up": "../../etc", "dangling": "no\nwhere", "self": "self",
		"keep/deep": "../" + long, "long-link": strings.Repeat("x", 300), "latin": "\xff",
	} {
		if err := os.Symlink(target, filepath.Join(w.Dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range map[string]os.FileMode{"script": 0o700, "empty": 0o666, "binary": 0o4755} {
		if err := os.Chmod(filepath.Join(w.Dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	return w, w.Commit("odd")
}

// run runs a program in dir and returns what it prints.
func run(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", cmd, err, complaints.String())
	}
	return out
}

// listing tells everything about the files below dir, and whether they are programs.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if target, err := os.Readlink(path); err == nil {
			all[name] = "-> " + target
			return nil
		}
		info, err := entry.Info()
		if err != nil || entry.IsDir() {
			all[name] = "folder"
			return err
		}
		content, err := os.ReadFile(path)
		program := map[bool]string{true: "program"}[info.Mode()&0o111 != 0]
		all[name] = program + " " + info.ModTime().UTC().String() + " " + string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestExportAsGitDoes compares archives and exported folders with those of git archive, in a repository that has all
// history and no branches.
func TestExportAsGitDoes(t *testing.T) {
	w, head := odd(t)
	plain := filepath.Join(t.TempDir(), "plain")
	run(t, "/", "git", "init", "--quiet", "--bare", plain)
	run(t, plain, "git", "fetch", "--quiet", w.Dir, "main")
	want := run(t, plain, "git", "archive", "--format=tar", "--prefix=odd-1.0/", head)
	m := fetchedMirror(t, w, head)
	var got bytes.Buffer
	if err := m.Archive(background(t), head, "odd-1.0/", &got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got.Bytes()) {
		t.Errorf("the archive has %d bytes, that of git %d, or others", got.Len(), len(want))
	}
	unpacked := t.TempDir()
	tarball := filepath.Join(t.TempDir(), "odd.tar")
	put(t, tarball, string(want))
	run(t, unpacked, "tar", "--extract", "--same-permissions", "--file", tarball)
	dir := t.TempDir()
	if err := m.Checkout(background(t), head, dir); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(listing(t, filepath.Join(unpacked, "odd-1.0")), listing(t, dir)); diff != "" {
		t.Errorf("folder (-want +got):\n%s", diff)
	}
	if version, err := os.ReadFile(filepath.Join(dir, "version")); err != nil || !strings.Contains(string(version), head+" "+w.Git("rev-parse", "HEAD~1")) {
		t.Errorf("filled in: %q, %v", version, err)
	}
}

// TestCheckoutRaw compares a folder with the working tree that the commit was made of.
func TestCheckoutRaw(t *testing.T) {
	w, head := odd(t)
	dir := t.TempDir()
	if err := fetchedMirror(t, w, head).CheckoutRaw(background(t), head, dir); err != nil {
		t.Fatal(err)
	}
	want := make(map[string]string)
	for name, entry := range listing(t, w.Dir) {
		if name != ".git" && !strings.HasPrefix(name, ".git/") {
			want[name] = entry
		}
	}
	for _, all := range []map[string]string{want, listing(t, dir)} {
		for name, entry := range all {
			if fields := strings.SplitN(entry, " ", 6); len(fields) == 6 {
				all[name] = fields[0] + " " + fields[5] // without time
			}
		}
		if diff := cmp.Diff(want, all); diff != "" {
			t.Errorf("folder (-want +got):\n%s", diff)
		}
	}
}

// TestExportNothing exports an empty tree.
func TestExportNothing(t *testing.T) {
	w := gitrepotest.NewWorkshop(t)
	head := w.Commit("nothing")
	dir := t.TempDir()
	if err := fetchedMirror(t, w, head).Checkout(background(t), head, dir); err != nil {
		t.Fatal(err)
	}
	if got := listing(t, dir); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}
