package gitrepo

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// smartServer serves the repositories below root with git http-backend; old ones speak version 0 only. A
// password, if given, is asked of user "ann".
func smartServer(t *testing.T, root, password string, old bool) *httptest.Server {
	t.Helper()
	out, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"),
		Env: []string{
			"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1",
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, given, _ := r.BasicAuth(); password != "" && (user != "ann" || given != password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		if old {
			r.Header.Del("Git-Protocol")
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server
}

// dumbServer serves files.
func dumbServer(t *testing.T, root string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.FileServer(http.Dir(root)))
	t.Cleanup(server.Close)
	return server
}

// gitDaemon serves the repositories below root with git daemon and returns the URL of root.
func gitDaemon(t *testing.T, root string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				cmd := exec.Command("git", "daemon", "--inetd", "--export-all", "--base-path="+root)
				cmd.Stdin, cmd.Stdout = conn, conn
				_ = cmd.Run()
			}()
		}
	}()
	return "git://" + listener.Addr().String()
}

// TestTransports lists, peeks and fetches over everything that can be spoken.
func TestTransports(t *testing.T) {
	w, head := standard(t)
	first := w.git("rev-parse", "v1")
	w.git("update-server-info")
	root := filepath.Dir(w.dir)
	want := []Head{
		{"debian/sid", first, false},
		{"main", head, true},
		{"pristine-tar", first, false},
		{"upstream", first, false},
		{"tags/v1", first, false},
		{"tags/v2", head, false},
	}
	for _, test := range []struct{ name, url string }{
		{"path", w.dir},
		{"file", "file://" + w.dir},
		{"smart", smartServer(t, root, "", false).URL + "/hello/.git"},
		{"smart version 0", smartServer(t, root, "", true).URL + "/hello/.git"},
		{"smart with password", strings.Replace(smartServer(t, root, "s3cret", false).URL, "//", "//ann:s3cret@", 1) + "/hello/.git/"},
		{"dumb", dumbServer(t, root).URL + "/hello/.git"},
		{"daemon", gitDaemon(t, root) + "/hello"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx := background(t)
			heads, err := Heads(ctx, test.url, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, heads); diff != "" {
				t.Errorf("heads (-want +got):\n%s", diff)
			}
			if strings.HasPrefix(test.url, "http") {
				if _, err := httpRefs(ctx, test.url); err != nil {
					t.Errorf("git had to be asked: %v", err)
				}
			}
			commits, err := Peek(ctx, t.TempDir(), test.url, []Head{want[1], want[4], want[5]})
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
			for _, name := range []string{"main", "upstream", "pristine-tar", "tags/v1", "tags/v2"} {
				if _, err := m.Resolve(ctx, name); err != nil {
					t.Errorf("%s was not fetched: %v", name, err)
				}
			}
			if _, err := m.Resolve(ctx, "debian/sid"); !errors.Is(err, ErrNoBranch) {
				t.Errorf("debian/sid was fetched, but not asked for: %v", err)
			}
		})
	}
}

// TestPeekFetchesLittle checks that announcing a commit does not bring the whole repository.
func TestPeekFetchesLittle(t *testing.T) {
	w, head := standard(t)
	dir := t.TempDir()
	if _, err := Peek(background(t), dir, w.dir, []Head{{Name: "main", Commit: head}}); err != nil {
		t.Fatal(err)
	}
	m, err := openMirror(dir, w.dir, ".heads")
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.git(background(t), "cat-file", "--batch-all-objects", "--batch-check=%(objecttype) %(objectname)")
	if diff := cmp.Diff("commit "+head+"\n", string(out)); err != nil || diff != "" {
		t.Errorf("objects (-want +got):\n%s%v", diff, err)
	}
}

// TestErrors checks what is said of repositories that cannot be had, and that no credentials are in it.
func TestErrors(t *testing.T) {
	w, _ := standard(t)
	root := filepath.Dir(w.dir)
	smart := smartServer(t, root, "s3cret", false).URL
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
		{filepath.Join(root, "none"), ErrNoRepository},
		{root, ErrNoRepository},
		{"file://" + root + "/none", ErrNoRepository},
		{dumbServer(t, root).URL + "/none", ErrNoRepository},
		{page.URL + "/hello", ErrNoRepository},
		{strings.Replace(smart, "//", "//ann:s3cret@", 1) + "/none", ErrNoRepository},
		{gitDaemon(t, root) + "/none", ErrNoRepository},
		{smart + "/hello/.git", ErrAuth},
		{strings.Replace(smart, "//", "//ann:wr0ng@", 1) + "/hello/.git", ErrAuth},
		{closed.URL + "/hello", ErrUnreachable},
		{strings.Replace(closed.URL, "//", "//ann:s3cret@", 1) + "/hello", ErrUnreachable},
		{"git://" + strings.TrimPrefix(closed.URL, "http://") + "/hello", ErrUnreachable},
		{"http://nowhere.invalid/hello", ErrUnreachable},
		{"http://" + silent.Addr().String() + "/hello", ErrUnreachable},
		{"git://" + silent.Addr().String() + "/hello", ErrUnreachable},
	} {
		t.Run(test.url, func(t *testing.T) {
			limit := 20 * time.Second
			if strings.Contains(test.url, silent.Addr().String()) {
				limit = 300 * time.Millisecond
			}
			_, err := Heads(background(t), test.url, Options{Timeout: limit})
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if Hint(err) == "" {
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
