package gitrepo

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/gitrepo/git"
	"foundry/pkg/gitrepo/gitrepotest"
	"foundry/pkg/gitrepo/mirror"
	"foundry/pkg/gitrepo/remote"
)

// TestTransports lists, peeks and fetches over everything that can be spoken.
func TestTransports(t *testing.T) {
	t.Parallel()
	w, head := gitrepotest.Standard(t)
	first := w.Git("rev-parse", "v1")
	w.Git("update-server-info")
	root := filepath.Dir(w.Dir)
	heads := []remote.Head{{Name: "main", Commit: head}, {Name: "tags/v1", Commit: first}, {Name: "tags/v2", Commit: head}}
	for _, test := range []struct{ name, url string }{
		{"path", w.Dir},
		{"file", "file://" + w.Dir},
		{"smart", gitrepotest.SmartServer(t, root, "", false).URL + "/hello/.git"},
		{"smart version 0", gitrepotest.SmartServer(t, root, "", true).URL + "/hello/.git"},
		{"smart with password", strings.Replace(gitrepotest.SmartServer(t, root, "s3cret", false).URL, "//", "//ann:s3cret@", 1) + "/hello/.git/"},
		{"dumb", gitrepotest.DumbServer(t, root).URL + "/hello/.git"},
		{"daemon", gitrepotest.Daemon(t, root) + "/hello"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx := background(t)
			commits, err := Peek(ctx, t.TempDir(), test.url, heads)
			if err != nil {
				t.Fatal(err)
			}
			var subjects []string
			for _, c := range commits {
				subjects = append(subjects, c.Subject)
			}
			if diff := cmp.Diff([]string{"second: größer", "first", "second: größer"}, subjects); diff != "" {
				t.Errorf("peek (-want +got):\n%s", diff)
			}
			m := mirrorOf(t, test.url)
			if err := m.Fetch(ctx, head, "main"); err != nil {
				t.Fatal(err)
			}
			c, err := m.Commit(ctx, head)
			if err != nil {
				t.Fatal(err)
			}
			if c.Subject != "second: größer" || c.Parents[0] != first {
				t.Errorf("commit %+v", c)
			}
			if _, err := m.Resolve(ctx, "upstream"); !errors.Is(err, git.ErrNoBranch) {
				t.Errorf("upstream was fetched, but not asked for: %v", err)
			}
			for range 2 {
				if err := m.Refresh(ctx, "main", "upstream", "tags/v1", "tags/v2", "nowhere"); err != nil {
					t.Fatal(err)
				}
			}
			for name, want := range map[string]string{"main": head, "upstream": first, "tags/v1": first, "tags/v2": head} {
				if got, err := m.Resolve(ctx, name); got != want || err != nil {
					t.Errorf("%s resolves to %s, %v, want %s", name, got, err, want)
				}
			}
			if base, err := m.MergeBase(ctx, first, head); base != first || err != nil {
				t.Errorf("merge base %s, %v", base, err)
			}
			if branch, commit, err := m.DefaultBranch(ctx); branch != "main" || commit != head || err != nil {
				t.Errorf("default branch %s at %s, %v", branch, commit, err)
			}
		})
	}
}

// TestPeekFetchesLittle checks that announcing a commit does not bring the whole repository.
func TestPeekFetchesLittle(t *testing.T) {
	w, head := gitrepotest.Standard(t)
	dir := t.TempDir()
	if _, err := Peek(background(t), dir, w.Dir, []remote.Head{{Name: "main", Commit: head}}); err != nil {
		t.Fatal(err)
	}
	m, err := mirror.OpenHeads(dir, w.Dir)
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.Git(background(t), "cat-file", "--batch-all-objects", "--batch-check=%(objecttype) %(objectname)")
	if diff := cmp.Diff("commit "+head+"\n", string(out)); err != nil || diff != "" {
		t.Errorf("objects (-want +got):\n%s%v", diff, err)
	}
}

// TestErrors checks what is said of repositories that cannot be had, and that no credentials are in it.
func TestErrors(t *testing.T) {
	w, _ := gitrepotest.Standard(t)
	root := filepath.Dir(w.Dir)
	smart := gitrepotest.SmartServer(t, root, "s3cret", false).URL
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "<html>Welcome</html>")
	}))
	defer page.Close()
	for _, test := range []struct {
		url  string
		want error
	}{
		{filepath.Join(root, "none"), git.ErrNoRepository},
		{root, git.ErrNoRepository},
		{"file://" + root + "/none", git.ErrNoRepository},
		{gitrepotest.DumbServer(t, root).URL + "/none", git.ErrNoRepository},
		{page.URL + "/hello", git.ErrNoRepository},
		{strings.Replace(smart, "//", "//ann:s3cret@", 1) + "/none", git.ErrNoRepository},
		{gitrepotest.Daemon(t, root) + "/none", git.ErrNoRepository},
		{smart + "/hello/.git", git.ErrAuth},
		{strings.Replace(smart, "//", "//ann:wr0ng@", 1) + "/hello/.git", git.ErrAuth},
		{closed.URL + "/hello", git.ErrUnreachable},
		{strings.Replace(closed.URL, "//", "//ann:s3cret@", 1) + "/hello", git.ErrUnreachable},
		{"git://" + strings.TrimPrefix(closed.URL, "http://") + "/hello", git.ErrUnreachable},
		{"http://nowhere.invalid/hello", git.ErrUnreachable},
		{"http://" + silent.Addr().String() + "/hello", git.ErrUnreachable},
		{"git://" + silent.Addr().String() + "/hello", git.ErrUnreachable},
	} {
		t.Run(test.url, func(t *testing.T) {
			limit := 20 * time.Second
			if strings.Contains(test.url, silent.Addr().String()) {
				limit = 300 * time.Millisecond
			}
			_, err := remote.Heads(background(t), test.url, remote.Options{Timeout: limit})
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if git.Hint(err) == "" {
				t.Errorf("no hint for %v", err)
			}
			for _, secret := range []string{"s3cret", "wr0ng", "ann"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("credentials in %q", err)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}
