package gitrepo

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"foundry/pkg/gitrepo/git"
	"foundry/pkg/gitrepo/gitrepotest"
	"foundry/pkg/gitrepo/remote"
)

// TestMain lets the test binary stand in for a process that fetches and is killed.
func TestMain(m *testing.M) {
	if spec := os.Getenv("GITREPO_TEST_FETCH"); spec != "" {
		fields := strings.Fields(spec)
		mirror, err := OpenMirror(fields[0], fields[1])
		if err == nil {
			err = mirror.Fetch(context.Background(), fields[2], "main")
		}
		if err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestFetchIncrementally(t *testing.T) {
	w, first := gitrepotest.Standard(t)
	m := mirrorOf(t, w.Dir)
	ctx := background(t)
	for range 3 {
		if err := m.Fetch(ctx, first, "main"); err != nil {
			t.Fatal(err)
		}
	}
	second := w.Commit("third")
	w.Git("tag", "v3")
	if err := m.Fetch(ctx, second, "main"); err != nil {
		t.Fatal(err)
	}
	if err := m.Refresh(ctx, "tags/v3"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, want string }{{"main", second}, {second, second}, {"tags/v3", second}} {
		if got, err := m.Resolve(ctx, test.name); got != test.want || err != nil {
			t.Errorf("%s resolves to %s, %v", test.name, got, err)
		}
	}
	older, err := m.IsAncestor(ctx, first, second)
	newer, err2 := m.IsAncestor(ctx, second, first)
	if !older || newer || err != nil || err2 != nil {
		t.Errorf("ancestors: %v %v, %v %v", older, newer, err, err2)
	}
	// What is there is not asked for again: it can be had after the repository is gone.
	remove(t, w.Dir)
	for _, commit := range []string{first, second} {
		if err := m.Fetch(ctx, commit, "main"); err != nil {
			t.Errorf("fetching what is there: %v", err)
		}
	}
}

// TestFetchRewritten fetches commits whose branch has been rewritten or deleted since they were
// announced: from a server that gives out what no branch leads to, and from one that does not.
func TestFetchRewritten(t *testing.T) {
	t.Parallel()
	w, head := gitrepotest.Standard(t)
	w.Git("checkout", "--quiet", "-b", "topic")
	gone := w.Commit("to be rewritten")
	ctx := background(t)
	m, late := mirrorOf(t, w.Dir), mirrorOf(t, w.Dir)
	if err := m.Fetch(ctx, gone, "topic"); err != nil {
		t.Fatal(err)
	}
	w.Git("reset", "--quiet", "--hard", head)
	rewritten := w.Commit("rewritten")
	if err := m.Fetch(ctx, rewritten, "topic"); err != nil {
		t.Fatal(err)
	}
	if c, err := m.Commit(ctx, gone); err != nil || c.Subject != "to be rewritten" {
		t.Errorf("the rewritten commit was lost: %v", err)
	}
	smart := mirrorOf(t, gitrepotest.SmartServer(t, filepath.Dir(w.Dir), "", true).URL+"/hello/.git")
	if err := smart.Fetch(ctx, gone, "topic"); !errors.Is(err, git.ErrNoCommit) {
		t.Errorf("from a server of version 0: %v", err)
	}
	w.Git("config", "uploadpack.allowAnySHA1InWant", "true")
	w.Git("checkout", "--quiet", "main")
	w.Git("branch", "-D", "topic")
	if err := late.Fetch(ctx, gone, "topic"); err != nil {
		t.Errorf("from a server that gives out any commit: %v", err)
	}
	if err := late.Fetch(ctx, strings.Repeat("1", 40), "main"); !errors.Is(err, git.ErrNoCommit) {
		t.Errorf("commit that never was: %v", err)
	}
	if err := late.Refresh(ctx, "debian/sid"); err != nil {
		t.Errorf("refresh: %v", err)
	}
	if _, err := late.Resolve(ctx, "debian/sid"); err != nil {
		t.Errorf("refresh has not brought the branch: %v", err)
	}
}

func TestFetchRefusesOptions(t *testing.T) {
	w, head := gitrepotest.Standard(t)
	m := mirrorOf(t, w.Dir)
	mark := filepath.Join(t.TempDir(), "mark")
	for _, branch := range []string{"--upload-pack=touch " + mark, "-x", "main:refs/heads/evil", "main\n+refs/heads/*:refs/heads/*", "../x"} {
		if err := m.Fetch(background(t), head, branch); !errors.Is(err, git.ErrNoBranch) {
			t.Errorf("%q: %v", branch, err)
		}
	}
	for _, commit := range []string{"", "main", "--upload-pack=x", head[:39], head + "^{}", strings.ToUpper(head)} {
		if err := m.Fetch(background(t), commit, "main"); !errors.Is(err, git.ErrNoCommit) {
			t.Errorf("%q: %v", commit, err)
		}
		if _, err := m.Commit(background(t), commit); !errors.Is(err, git.ErrNoCommit) {
			t.Errorf("%q: %v", commit, err)
		}
	}
	if _, err := OpenMirror(t.TempDir(), "ext::touch "+mark); !errors.Is(err, git.ErrURL) {
		t.Errorf("ext: %v", err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("a program was run")
	}
}

func TestFetchConcurrently(t *testing.T) {
	w, head := gitrepotest.Standard(t)
	dir := t.TempDir()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			m, err := OpenMirror(dir, w.Dir)
			if err == nil {
				err = m.Fetch(background(t), head, "main")
			}
			if err == nil {
				_, err = m.Commit(background(t), head)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// TestFetchAfterDamage fetches into mirrors that are half there.
func TestFetchAfterDamage(t *testing.T) {
	t.Parallel()
	w, first := gitrepotest.Standard(t)
	for _, test := range []struct {
		name   string
		damage func(t *testing.T, dir string)
	}{
		{"killed git", func(t *testing.T, dir string) {
			for _, name := range []string{"foundry-busy", "packed-refs.lock", "refs/heads/main.lock", "config.lock", "objects/pack/tmp_pack_x"} {
				put(t, filepath.Join(dir, name), "half")
			}
		}},
		{"empty folder", func(t *testing.T, dir string) {
			remove(t, dir)
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}},
		{"empty configuration", func(t *testing.T, dir string) { put(t, filepath.Join(dir, "config"), "") }},
		{"half made anew", func(t *testing.T, dir string) {
			remove(t, dir)
			put(t, dir+".new/HEAD", "")
			put(t, dir+".old/HEAD", "")
		}},
		{"lost objects", func(t *testing.T, dir string) {
			remove(t, filepath.Join(dir, "objects"))
			put(t, filepath.Join(dir, "objects", "x"), "")
		}},
		{"empty reference", func(t *testing.T, dir string) { put(t, filepath.Join(dir, "refs/heads/main"), "") }},
		{"empty reference of the commit", func(t *testing.T, dir string) { put(t, filepath.Join(dir, "refs/foundry/fetched", first), "") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := mirrorOf(t, w.Dir)
			ctx := background(t)
			if err := m.Fetch(ctx, first, "main"); err != nil {
				t.Fatal(err)
			}
			inode := identity(t, m.Dir())
			test.damage(t, m.Dir())
			for _, commit := range []string{first, w.Commit(test.name)} {
				if err := m.Fetch(ctx, commit, "main"); err != nil {
					t.Fatal(err)
				}
				if err := m.Checkout(ctx, commit, t.TempDir()); err != nil {
					t.Fatal(err)
				}
			}
			if test.name == "killed git" && identity(t, m.Dir()) != inode {
				t.Error("a mirror that could be repaired was made anew")
			}
			leftovers, _ := filepath.Glob(m.Dir() + "*")
			if len(leftovers) != 2 {
				t.Errorf("left over: %q", leftovers)
			}
		})
	}
}

// identity is the number by which the file system knows a folder.
func identity(t *testing.T, dir string) uint64 {
	t.Helper()
	var stat syscall.Stat_t
	if err := syscall.Stat(dir, &stat); err != nil {
		t.Fatal(err)
	}
	return stat.Ino
}

func put(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.RemoveAll(name); err != nil {
		t.Fatal(err)
	}
}

// TestFetchKilled kills a process in the middle of a fetch, and then fetches in another.
func TestFetchKilled(t *testing.T) {
	w, _ := gitrepotest.Standard(t)
	w.Write("big", strings.Repeat(someHash, 100000))
	head := w.Commit("big")
	behind, err := url.Parse(gitrepotest.SmartServer(t, filepath.Dir(w.Dir), "", false).URL)
	if err != nil {
		t.Fatal(err)
	}
	stalled, resume := make(chan struct{}), make(chan struct{})
	var once sync.Once
	proxy := httputil.NewSingleHostReverseProxy(behind)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		if strings.Contains(string(body), "command=fetch") {
			once.Do(func() {
				close(stalled)
				<-resume
				panic(http.ErrAbortHandler)
			})
		}
		proxy.ServeHTTP(rw, r)
	}))
	defer server.Close()
	dir, address := t.TempDir(), server.URL+"/hello/.git"
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "GITREPO_TEST_FETCH="+strings.Join([]string{dir, address, head}, " "))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-stalled
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	m, err := OpenMirror(dir, address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(m.Dir(), "foundry-busy")); err != nil {
		t.Error("a killed fetch left no mark")
	}
	// git itself still runs, and holds the lock.
	short, cancel := context.WithTimeout(background(t), 100*time.Millisecond)
	defer cancel()
	if err := m.Fetch(short, head, "main"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("fetch while the killed one's git runs: %v", err)
	}
	close(resume)
	if err := m.Fetch(background(t), head, "main"); err != nil {
		t.Fatal(err)
	}
	if err := m.Checkout(background(t), head, t.TempDir()); err != nil {
		t.Fatal(err)
	}
}

// TestCredentialsStayHidden looks for a password in what a fetch leaves.
func TestCredentialsStayHidden(t *testing.T) {
	w, head := gitrepotest.Standard(t)
	address := strings.Replace(gitrepotest.SmartServer(t, filepath.Dir(w.Dir), "s3cret", false).URL, "//", "//ann:s3cret@", 1) + "/hello/.git"
	m := mirrorOf(t, address)
	if err := m.Fetch(background(t), head, "main"); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("grep", "-r", "s3cret", filepath.Dir(m.Dir())).CombinedOutput(); err == nil {
		t.Errorf("password kept: %s", out)
	}
}

func TestSHA256(t *testing.T) {
	w := gitrepotest.NewWorkshop(t, "--object-format=sha256")
	w.Write("a", "a")
	head := w.Commit("with longer hashes")
	ctx := background(t)
	for _, address := range []string{w.Dir, gitrepotest.SmartServer(t, filepath.Dir(w.Dir), "", false).URL + "/hello/.git"} {
		heads, err := remote.Heads(ctx, address, remote.Options{})
		if err != nil || len(heads) != 1 || heads[0].Commit != head {
			t.Fatalf("%v, %v", heads, err)
		}
		m := mirrorOf(t, address)
		if err := m.Fetch(ctx, head, "main"); err != nil {
			t.Fatal(err)
		}
		if c, err := m.Commit(ctx, head); err != nil || c.Subject != "with longer hashes" {
			t.Errorf("%+v, %v", c, err)
		}
		if _, err := Peek(ctx, t.TempDir(), address, heads); err != nil {
			t.Error(err)
		}
	}
}
