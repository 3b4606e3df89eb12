package gitrepotest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// author is who commits in tests.
var author = []string{
	"GIT_AUTHOR_NAME=Ann Author", "GIT_AUTHOR_EMAIL=ann@example.org",
	"GIT_COMMITTER_NAME=Cem Committer", "GIT_COMMITTER_EMAIL=cem@example.org",
	"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
}

// A Workshop is a repository that tests write to with the real git.
type Workshop struct {
	t   testing.TB
	Dir string
	Now time.Time // of the next commit
}

// NewWorkshop makes an empty repository with the branch main; args are for git init.
func NewWorkshop(t testing.TB, args ...string) *Workshop {
	t.Helper()
	return NewWorkshopAt(t, filepath.Join(t.TempDir(), "hello"), args...)
}

// NewWorkshopAt is NewWorkshop in the folder dir, which must not be there yet.
func NewWorkshopAt(t testing.TB, dir string, args ...string) *Workshop {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Fatal("git is missing: apt install git")
	}
	w := &Workshop{t: t, Dir: dir, Now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	if err := os.Mkdir(w.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	w.Git(append([]string{"init", "--quiet", "--initial-branch=main"}, args...)...)
	return w
}

// Git runs git in the workshop and returns its output without the final newline.
func (w *Workshop) Git(args ...string) string {
	w.t.Helper()
	out, err := w.Try(args...)
	if err != nil {
		w.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// Try runs git in the workshop, where it may fail.
func (w *Workshop) Try(args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = w.Dir
	date := w.Now.Format(time.RFC3339)
	cmd.Env = append(append(os.Environ(), author...), "GIT_AUTHOR_DATE="+date, "GIT_COMMITTER_DATE="+date)
	out, err := cmd.CombinedOutput()
	return strings.TrimSuffix(string(out), "\n"), err
}

// Write puts a file into the work tree.
func (w *Workshop) Write(name, content string) {
	w.t.Helper()
	path := filepath.Join(w.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// Commit commits all that is in the work tree and returns the hash.
func (w *Workshop) Commit(message string) string {
	w.t.Helper()
	w.Now = w.Now.Add(time.Minute)
	w.Git("add", "--all", ".")
	w.Git("commit", "--quiet", "--allow-empty", "-m", message)
	return w.Git("rev-parse", "HEAD")
}

// Submodule puts a submodule at path, for the next commit. No url leaves .gitmodules as it is.
func (w *Workshop) Submodule(path, url, commit string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Join(w.Dir, path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if url != "" {
		w.Git("config", "--file", ".gitmodules", "submodule."+path+".path", path)
		w.Git("config", "--file", ".gitmodules", "submodule."+path+".url", url)
	}
	w.Git("update-index", "--add", "--cacheinfo", "160000,"+commit+","+path)
}

// Standard is a repository with what packages have: branches, tags of both kinds, upstream.
func Standard(t testing.TB) (w *Workshop, head string) {
	t.Helper()
	w = NewWorkshop(t)
	w.Write("hello.c", "int main(void) { return 0; }\n")
	w.Commit("first")
	w.Git("tag", "v1")
	w.Git("branch", "upstream")
	w.Git("branch", "pristine-tar")
	w.Git("branch", "debian/sid")
	w.Write("debian/changelog", "hello (1-1) unstable; urgency=low\n")
	head = w.Commit("second: größer")
	w.Git("tag", "-a", "-m", "release", "v2")
	return w, head
}
