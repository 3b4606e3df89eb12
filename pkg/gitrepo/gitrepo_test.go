package gitrepo

import (
	"context"
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

// A workshop is a repository that tests write to with the real git.
type workshop struct {
	t   testing.TB
	dir string
	now time.Time // of the next commit
}

func newWorkshop(t testing.TB, args ...string) *workshop {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Fatal("git is missing: apt install git")
	}
	w := &workshop{t: t, dir: filepath.Join(t.TempDir(), "hello"), now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	if err := os.Mkdir(w.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	w.git(append([]string{"init", "--quiet", "--initial-branch=main"}, args...)...)
	return w
}

// git runs git in the workshop and returns its output without the final newline.
func (w *workshop) git(args ...string) string {
	w.t.Helper()
	out, err := w.try(args...)
	if err != nil {
		w.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (w *workshop) try(args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = w.dir
	date := w.now.Format(time.RFC3339)
	cmd.Env = append(append(os.Environ(), author...), "GIT_AUTHOR_DATE="+date, "GIT_COMMITTER_DATE="+date)
	out, err := cmd.CombinedOutput()
	return strings.TrimSuffix(string(out), "\n"), err
}

// write puts a file into the work tree.
func (w *workshop) write(name, content string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// commit commits all that is in the work tree and returns the hash.
func (w *workshop) commit(message string) string {
	w.t.Helper()
	w.now = w.now.Add(time.Minute)
	w.git("add", "--all", ".")
	w.git("commit", "--quiet", "--allow-empty", "-m", message)
	return w.git("rev-parse", "HEAD")
}

// standard is a repository with what packages have: branches, tags of both kinds, upstream.
func standard(t *testing.T) (w *workshop, head string) {
	t.Helper()
	w = newWorkshop(t)
	w.write("hello.c", "int main(void) { return 0; }\n")
	w.commit("first")
	w.git("tag", "v1")
	w.git("branch", "upstream")
	w.git("branch", "pristine-tar")
	w.git("branch", "debian/sid")
	w.write("debian/changelog", "hello (1-1) unstable; urgency=low\n")
	head = w.commit("second: größer")
	w.git("tag", "-a", "-m", "release", "v2")
	return w, head
}

func background(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func mirrorOf(t testing.TB, url string) *Mirror {
	t.Helper()
	m, err := OpenMirror(t.TempDir(), url)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
