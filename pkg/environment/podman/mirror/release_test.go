package mirror

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/environment"
	"foundry/pkg/environment/podman/index"
)

// A mirror serves files that can be changed, and notes what it is asked: "200 /path".
type mirror struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string]string
	asked []string
}

func newMirror(t *testing.T) *mirror {
	m := &mirror{files: map[string]string{}}
	m.Server = httptest.NewServer(m)
	t.Cleanup(m.Close)
	return m
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	content, found := m.files[r.URL.Path]
	tag := `"` + index.Digest(content)[:8] + `"`
	status := "200 "
	switch {
	case !found:
		status = "404 "
		http.NotFound(w, r)
	case r.Header.Get("If-None-Match") == tag:
		status = "304 "
		w.WriteHeader(http.StatusNotModified)
	default:
		w.Header().Set("ETag", tag)
		_, _ = w.Write([]byte(content))
	}
	m.asked = append(m.asked, status+r.URL.Path)
}

func (m *mirror) serve(path, content string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[path] = content
	if content == "" {
		delete(m.files, path)
	}
}

// questions are those since the last call, in a fixed order.
func (m *mirror) questions() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	asked := slices.Sorted(slices.Values(m.asked))
	m.asked = nil
	return asked
}

// bareClient knows nothing yet.
func bareClient(t *testing.T) *Client {
	t.Helper()
	folder, err := index.Open(t.TempDir(), Kind)
	if err != nil {
		t.Fatal(err)
	}
	return New(folder)
}

// TestQuestions counts what the mirrors are asked: one conditional question each while nothing has
// changed, also where there is no InRelease.
func TestQuestions(t *testing.T) {
	const signed, plain = "/dists/a/InRelease", "/dists/a/Release"
	e, m := bareClient(t), newMirror(t)
	m.serve(plain, "1")
	look := func(want ...string) string {
		t.Helper()
		found, err := e.LookAt(t.Context(), []environment.SourceList{{URI: m.URL, Suite: "a"}}, "")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, m.questions()); diff != "" {
			t.Errorf("questions (-want +got)\n%s", diff)
		}
		return found[0].SHA256
	}
	first := look("200 "+plain, "404 "+signed)
	for range 2 {
		if look("304 "+plain) != first {
			t.Error("another hash of the same file")
		}
	}
	m.serve(plain, "2")
	second := look("200 "+plain, "404 "+signed)
	if look("304 "+plain) != second || second == first {
		t.Error("a change goes unseen")
	}
	m.serve(signed, "3 signed")
	m.serve(plain, "3")
	third := look("200 "+signed, "200 "+plain)
	if look("304 "+signed) != third || third == second {
		t.Error("a change to InRelease goes unseen")
	}
	m.serve(signed, "")
	if look("200 "+plain, "404 "+signed) == third {
		t.Error("the end of InRelease goes unseen")
	}
	look("304 " + plain)
	m.serve(plain, "")
	_, err := e.LookAt(t.Context(), []environment.SourceList{{URI: m.URL, Suite: "a"}}, "")
	if !errors.Is(err, environment.ErrNoRelease) {
		t.Errorf("error %v of a repository that is gone", err)
	}
}

// TestAllAtOnce has mirrors of which none answers before all have been asked.
func TestAllAtOnce(t *testing.T) {
	const mirrors = 4
	var asked sync.WaitGroup
	asked.Add(mirrors)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Done()
		asked.Wait()
		_, _ = w.Write([]byte("x"))
	}))
	t.Cleanup(server.Close)
	var lists []environment.SourceList
	for n := range mirrors {
		lists = append(lists, environment.SourceList{URI: server.URL, Suite: string(rune('a' + n))})
	}
	done := make(chan error, 1)
	go func() {
		_, err := bareClient(t).LookAt(t.Context(), lists, "")
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("one mirror is asked after the other")
	}
}

// TestProxy asks a mirror that only a proxy knows.
func TestProxy(t *testing.T) {
	e := bareClient(t)
	through := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.URL.String()))
	}))
	t.Cleanup(through.Close)
	lists := []environment.SourceList{{URI: "http://mirror.invalid/debian", Suite: "a"}}
	t.Setenv("http_proxy", through.URL) // which is not for foundry
	if _, err := e.LookAt(t.Context(), lists, ""); err == nil {
		t.Error("the proxy of this host's environment is used")
	}
	if _, err := e.LookAt(t.Context(), lists, through.URL); err != nil {
		t.Error(err)
	}
}

func TestReleaseFolder(t *testing.T) {
	for _, test := range []struct{ uri, suite, want string }{
		{"http://deb.debian.org/debian", "bookworm", "http://deb.debian.org/debian/dists/bookworm/"},
		{"http://deb.debian.org/debian/", "bookworm", "http://deb.debian.org/debian/dists/bookworm/"},
		{"http://security.debian.org", "bookworm-security", "http://security.debian.org/dists/bookworm-security/"},
		{"http://x", "bookworm/updates", "http://x/dists/bookworm/updates/"},
		{"http://x/a", "./", "http://x/a/"},
		{"http://x/a", "/", "http://x/a/"},
		{"http://x/a", "b/c/", "http://x/a/b/c/"},
		{"file:/srv/x", "stable", "file:/srv/x/dists/stable/"},
	} {
		if got := releaseFolder(environment.SourceList{URI: test.uri, Suite: test.suite}); got != test.want {
			t.Errorf("releaseFolder(%q, %q) = %q, want %q", test.uri, test.suite, got, test.want)
		}
	}
}
