package gitrepo

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"foundry/pkg/gitrepo/git"
	"foundry/pkg/gitrepo/gitrepotest"
)

// TestMergeBase compares the answers of shallow mirrors with those of the repository itself, in a history of chance with
// many merges, in which clocks go wrong.
func TestMergeBase(t *testing.T) {
	t.Parallel()
	w := gitrepotest.NewWorkshop(t)
	random := rand.New(rand.NewPCG(1, 2))
	tree := w.Git("write-tree")
	var all []string
	for n := range 80 {
		args := []string{"commit-tree", tree, "-m", fmt.Sprint(n)}
		for parents := min(len(all), 1+random.IntN(5)/4); parents > 0; parents-- {
			back := 1 + random.IntN(min(len(all), 6))
			if parent := all[len(all)-back]; !slices.Contains(args, parent) {
				args = append(args, "-p", parent)
			}
		}
		w.Now = w.Now.Add(time.Minute)
		if n%17 == 0 {
			w.Now = w.Now.Add(-time.Hour)
		}
		all = append(all, w.Git(args...))
		put(t, filepath.Join(w.Dir, ".git/refs/heads", fmt.Sprint("b", n)), all[n]+"\n")
	}
	ctx := background(t)
	for range 8 {
		m := mirrorOf(t, w.Dir)
		for range 2 {
			i, j := random.IntN(len(all)), random.IntN(len(all))
			for _, n := range []int{i, j} {
				if err := m.Fetch(ctx, all[n], fmt.Sprint("b", n)); err != nil {
					t.Fatal(err)
				}
			}
			want := strings.Fields(w.Git("merge-base", "--all", all[i], all[j]))
			got, err := m.MergeBase(ctx, all[i], all[j])
			if err != nil || !slices.Contains(want, got) {
				t.Errorf("merge base of %d and %d: %s, %v, want one of %v", i, j, got, err, want)
			}
			_, notAncestor := w.Try("merge-base", "--is-ancestor", all[i], all[j])
			if ancestor, err := m.IsAncestor(ctx, all[i], all[j]); err != nil || ancestor != (notAncestor == nil) {
				t.Errorf("%d is an ancestor of %d: %v, %v", i, j, ancestor, err)
			}
		}
	}
}

// TestMergeBaseOfStrangers compares commits with nothing in common, commits that are not there, and commits whose branch
// is gone from the server.
func TestMergeBaseOfStrangers(t *testing.T) {
	w, head := gitrepotest.Standard(t)
	ctx := background(t)
	tree := w.Git("write-tree")
	stranger := w.Git("commit-tree", tree, "-m", "stranger", "-p", w.Git("commit-tree", tree, "-m", "its parent"))
	w.Git("branch", "stranger", stranger)
	gone := w.Git("commit-tree", tree, "-m", "gone", "-p", head)
	w.Git("branch", "gone", gone)
	m := mirrorOf(t, w.Dir)
	for commit, branch := range map[string]string{head: "main", stranger: "stranger", gone: "gone"} {
		if err := m.Fetch(ctx, commit, branch); err != nil {
			t.Fatal(err)
		}
	}
	if base, err := m.MergeBase(ctx, head, stranger); base != "" || err != nil {
		t.Errorf("strangers: %q, %v", base, err)
	}
	if _, err := m.MergeBase(ctx, head, someHash); err == nil {
		t.Error("a commit that is not there was compared")
	}
	if _, err := m.MergeBase(ctx, head, "main"); !errors.Is(err, git.ErrNoCommit) {
		t.Errorf("a name: %v", err)
	}
	w.Git("branch", "-D", "gone")
	w.Git("reflog", "expire", "--expire=now", "--all")
	w.Git("prune")
	if is, err := m.IsAncestor(ctx, gone, w.Git("rev-parse", "main")); is || err != nil {
		t.Errorf("a commit that the server does not have any more: %v, %v", is, err)
	}
}

// TestShallowServer mirrors a repository that does not have all of its history itself.
func TestShallowServer(t *testing.T) {
	t.Parallel()
	w, head := gitrepotest.Standard(t)
	w.Write("a", "a")
	next := w.Commit("third")
	ctx := background(t)
	dir := filepath.Join(t.TempDir(), "shallow")
	w.Git("clone", "--quiet", "--depth=2", "file://"+w.Dir, dir)
	m := mirrorOf(t, dir)
	if err := m.Fetch(ctx, next, "main"); err != nil {
		t.Fatal(err)
	}
	if err := m.Fetch(ctx, head, "main"); err != nil {
		t.Fatal(err)
	}
	if is, err := m.IsAncestor(ctx, head, next); !is || err != nil {
		t.Errorf("ancestor: %v, %v", is, err)
	}
	if is, err := m.IsAncestor(ctx, next, head); is || err != nil {
		t.Errorf("descendant: %v, %v", is, err)
	}
	first := w.Git("rev-parse", "v1")
	if err := m.Fetch(ctx, first, "main"); !errors.Is(err, git.ErrNoCommit) {
		t.Errorf("a commit beyond its end: %v", err)
	}
	// What was whole at first becomes shallow.
	remove(t, dir)
	w.Git("clone", "--quiet", "--branch=upstream", "file://"+w.Dir, dir)
	m = mirrorOf(t, dir)
	if err := m.Fetch(ctx, first, "upstream"); err != nil {
		t.Fatal(err)
	}
	if err := m.Fetch(ctx, next, "main"); err != nil {
		t.Fatal(err)
	}
	if is, err := m.IsAncestor(ctx, next, first); is || err != nil {
		t.Errorf("all history: %v, %v", is, err)
	}
	if _, err := os.Stat(filepath.Join(m.Dir(), "shallow")); err == nil {
		t.Error("not all history was fetched")
	}
	remove(t, dir)
	late := w.Commit("late")
	w.Git("branch", "--force", "upstream", late)
	w.Git("clone", "--quiet", "--depth=1", "--branch=upstream", "file://"+w.Dir, dir)
	if err := m.Refresh(ctx, "upstream"); err != nil {
		t.Error(err)
	}
	if commit, err := m.Resolve(ctx, "upstream"); commit != late || err != nil {
		t.Errorf("after it became shallow: %s, %v", commit, err)
	}
}

// TestFetchOlder fetches commits that are far behind the tip of their branch, from servers that give out tips only.
func TestFetchOlder(t *testing.T) {
	t.Parallel()
	w := gitrepotest.NewWorkshop(t)
	var all []string
	for n := range 24 {
		w.Write("n", fmt.Sprint(n))
		all = append(all, w.Commit(fmt.Sprint(n)))
	}
	w.Git("update-server-info")
	root := filepath.Dir(w.Dir)
	for _, test := range []struct{ name, url string }{
		{"path", w.Dir},
		{"version 0", gitrepotest.SmartServer(t, root, "", true).URL + "/hello/.git"},
		{"dumb", gitrepotest.DumbServer(t, root).URL + "/hello/.git"},
	} {
		for _, branch := range []string{"main", ""} {
			t.Run(test.name+" "+branch, func(t *testing.T) {
				ctx := background(t)
				m := mirrorOf(t, test.url)
				for _, n := range []int{23, 9, 0} {
					if err := m.Fetch(ctx, all[n], branch); err != nil {
						t.Fatal(err)
					}
					if content, err := m.ReadFile(ctx, all[n], "n"); string(content) != fmt.Sprint(n) {
						t.Errorf("commit %d has %q, %v", n, content, err)
					}
				}
				if err := m.Fetch(ctx, someHash, branch); !errors.Is(err, git.ErrNoCommit) {
					t.Errorf("commit that never was: %v", err)
				}
			})
		}
	}
}

// TestFetchTree fetches trees that no branch has any more, or only far behind its tip.
func TestFetchTree(t *testing.T) {
	t.Parallel()
	w := gitrepotest.NewWorkshop(t)
	w.Write("sub/old", "old")
	w.Commit("old")
	tree := w.Git("rev-parse", "HEAD:sub")
	for n := range 15 {
		w.Write("sub/old", fmt.Sprint(n))
		w.Commit("newer")
	}
	head := w.Git("rev-parse", "HEAD")
	for _, old := range []bool{false, true} {
		t.Run(fmt.Sprint("old server ", old), func(t *testing.T) {
			ctx := background(t)
			m := mirrorOf(t, gitrepotest.SmartServer(t, filepath.Dir(w.Dir), "", old).URL+"/hello/.git")
			if err := m.Fetch(ctx, head, "main"); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := m.FetchTree(ctx, tree, "main", "tags/none"); err != nil {
					t.Fatal(err)
				}
			}
			if out, err := m.Git(ctx, "cat-file", "blob", tree+":old"); string(out) != "old" {
				t.Errorf("the tree has %q, %v", out, err)
			}
			for _, no := range []string{someHash, "main", head} {
				if err := m.FetchTree(ctx, no, "main"); no != head && !errors.Is(err, git.ErrNoCommit) {
					t.Errorf("tree %s: %v", no, err)
				}
			}
		})
	}
}

// TestRefresh follows branches and tags that move, go, and come back under names that cannot stand beside the old ones.
func TestRefresh(t *testing.T) {
	t.Parallel()
	w, head := gitrepotest.Standard(t)
	w.Git("update-server-info")
	blob := w.Git("hash-object", "-w", "hello.c")
	root := filepath.Dir(w.Dir)
	ctx := background(t)
	for _, test := range []struct{ name, url string }{
		{"path", w.Dir},
		{"smart", gitrepotest.SmartServer(t, root, "", false).URL + "/hello/.git"},
		{"dumb", gitrepotest.DumbServer(t, root).URL + "/hello/.git"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.Git("branch", "--force", "topic", "v1")
			w.Git("tag", "--force", "moving", "v1")
			m, alone := mirrorOf(t, test.url), mirrorOf(t, test.url)
			names := []string{"topic", "topic/a", "tags/moving", "tags/blob", "tags/topic"}
			expect := func(want ...string) {
				t.Helper()
				w.Git("update-server-info")
				if err := m.Refresh(ctx, names...); err != nil {
					t.Fatal(err)
				}
				for i, name := range names {
					got, err := m.Resolve(ctx, name)
					if got != want[i] || (err != nil) != (want[i] == "") || err != nil && !errors.Is(err, git.ErrNoBranch) {
						t.Errorf("%s: %q, %v, want %q", name, got, err, want[i])
					}
				}
			}
			first := w.Git("rev-parse", "v1")
			expect(first, "", first, "", "")
			if err := alone.Fetch(ctx, first, "topic"); err != nil {
				t.Fatal(err)
			}
			w.Git("branch", "--force", "topic", head)
			w.Git("tag", "--force", "moving", head)
			w.Git("tag", "blob", blob)
			expect(head, "", head, "", "")
			w.Git("branch", "-D", "topic")
			w.Git("tag", "-d", "blob")
			w.Git("branch", "topic/a", "v1")
			w.Git("tag", "--force", "-a", "-m", "annotated", "moving", "v1")
			expect("", first, first, "", "")
			if err := alone.Refresh(ctx, "topic/a"); err != nil {
				t.Errorf("a name below one that was there: %v", err)
			}
			w.Git("branch", "-D", "topic/a")
			w.Git("branch", "topic", "v1")
			expect(first, "", first, "", "")
			if err := alone.Refresh(ctx, "topic"); err != nil {
				t.Errorf("a name above one that was there: %v", err)
			}
			for _, bad := range []string{"", "--all", "a b", "../x", "a\nb", "refs/heads/*"} {
				if err := m.Refresh(ctx, bad); !errors.Is(err, git.ErrNoBranch) {
					t.Errorf("%q: %v", bad, err)
				}
			}
		})
	}
}

func TestDefaultBranch(t *testing.T) {
	t.Parallel()
	w, head := gitrepotest.Standard(t)
	root := filepath.Dir(w.Dir)
	urls := map[string]string{
		"path":      w.Dir,
		"smart":     gitrepotest.SmartServer(t, root, "", false).URL + "/hello/.git",
		"version 0": gitrepotest.SmartServer(t, root, "", true).URL + "/hello/.git",
		"dumb":      gitrepotest.DumbServer(t, root).URL + "/hello/.git",
		"daemon":    gitrepotest.Daemon(t, root) + "/hello",
	}
	mirrors := make(map[string]*Mirror)
	for name, url := range urls {
		mirrors[name] = mirrorOf(t, url)
	}
	first := w.Git("rev-parse", "v1")
	empty := func() {
		for _, ref := range strings.Fields(w.Git("for-each-ref", "--format=%(refname)")) {
			w.Git("update-ref", "-d", ref)
		}
	}
	for _, step := range []struct {
		name           string
		prepare        func()
		branch, commit string
		err            error
	}{
		{"as it is", func() {}, "main", head, nil},
		{"another", func() { w.Git("symbolic-ref", "HEAD", "refs/heads/debian/sid") }, "debian/sid", first, nil},
		{"moved on", func() { w.Git("update-ref", "refs/heads/debian/sid", head) }, "debian/sid", head, nil},
		{"detached", func() { w.Git("checkout", "--quiet", "--force", "--detach", "main") }, "", "", git.ErrDetached},
		{"not there", func() { w.Git("symbolic-ref", "HEAD", "refs/heads/nowhere") }, "", "", git.ErrNoBranch},
		{"empty", empty, "", "", git.ErrEmpty},
		{"gone", func() { remove(t, w.Dir) }, "", "", git.ErrNoRepository},
	} {
		step.prepare()
		if _, err := os.Stat(w.Dir); err == nil {
			w.Git("update-server-info")
		}
		for name, m := range mirrors {
			branch, commit, err := m.DefaultBranch(background(t))
			if branch != step.branch || commit != step.commit || !errors.Is(err, step.err) {
				t.Errorf("%s, %s: branch %q at %q, %v", step.name, name, branch, commit, err)
			}
			if err != nil && git.Hint(err) == "" {
				t.Errorf("%s, %s: no hint for %v", step.name, name, err)
			}
			if err != nil {
				continue
			}
			if _, err := m.ReadFile(background(t), commit, "hello.c"); err != nil {
				t.Errorf("%s, %s: %v", step.name, name, err)
			}
		}
	}
}

// TestFetchRewound fetches a branch that was set back to a commit that is older than what the mirror has of it.
func TestFetchRewound(t *testing.T) {
	t.Parallel()
	w, head := gitrepotest.Standard(t)
	root := filepath.Dir(w.Dir)
	first := w.Git("rev-parse", "v1")
	for _, test := range []struct{ name, url string }{
		{"path", w.Dir},
		{"smart", gitrepotest.SmartServer(t, root, "", false).URL + "/hello/.git"},
		{"version 0", gitrepotest.SmartServer(t, root, "", true).URL + "/hello/.git"},
		{"daemon", gitrepotest.Daemon(t, root) + "/hello"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx := background(t)
			m := mirrorOf(t, test.url)
			for _, commit := range []string{head, first, head} {
				w.Git("branch", "--force", "topic", commit)
				if err := m.Refresh(ctx, "topic"); err != nil {
					t.Fatal(err)
				}
				if got, err := m.Resolve(ctx, "topic"); got != commit || err != nil {
					t.Errorf("topic is at %s, %v, want %s", got, err, commit)
				}
				if err := m.Fetch(ctx, commit, "topic"); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
