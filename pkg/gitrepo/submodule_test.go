package gitrepo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/gitrepo/git"
	"foundry/pkg/gitrepo/gitrepotest"
)

// family is a folder of repositories: app has the submodule lib/core, that has the submodule deep.
func family(t *testing.T) (root string, app, core, deep *gitrepotest.Workshop) {
	t.Helper()
	root = t.TempDir()
	deep = gitrepotest.NewWorkshopAt(t, filepath.Join(root, "deep"))
	deep.Write("deep.c", "deep\n")
	bottom := deep.Commit("deep")
	deep.Commit("not what is meant")
	core = gitrepotest.NewWorkshopAt(t, filepath.Join(root, "core"))
	core.Write("core.c", "core\n")
	core.Write("secret", "not for tarballs\n")
	core.Write(".gitattributes", "secret export-ignore\n")
	core.Submodule("third party/deep", "../../deep/.git", bottom)
	app = gitrepotest.NewWorkshopAt(t, filepath.Join(root, "app"))
	app.Write("app.c", "app\n")
	app.Submodule("lib/core", "../../core/.git", core.Commit("core"))
	app.Submodule("unused", "../../core/.git", core.Git("rev-parse", "HEAD"))
	app.Write(".gitattributes", "unused export-ignore\n")
	return root, app, core, deep
}

// files lists a folder with the content of its files.
func files(t *testing.T, dir string) map[string]string {
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
		if entry.IsDir() {
			all[name] = "folder"
			return nil
		}
		content, err := os.ReadFile(path)
		all[name] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestSubmodules exports a tree with submodules in submodules, with the attributes of each, and fetches once.
func TestSubmodules(t *testing.T) {
	root, app, core, _ := family(t)
	head := app.Commit("app")
	server, sent := gitrepotest.CountingServer(t, root)
	for _, test := range []struct{ name, url string }{{"path", app.Dir + "/.git"}, {"http", server.URL + "/app/.git"}} {
		t.Run(test.name, func(t *testing.T) {
			ctx := background(t)
			m := mirrorOf(t, test.url)
			if err := m.Fetch(ctx, head, "main"); err != nil {
				t.Fatal(err)
			}
			found, err := m.Submodules(ctx, head)
			if err != nil {
				t.Fatal(err)
			}
			var paths []string
			for _, s := range found {
				paths = append(paths, s.Path)
			}
			if diff := cmp.Diff([]string{"lib/core", "lib/core/third party/deep", "unused", "unused/third party/deep"}, paths); diff != "" {
				t.Errorf("paths (-want +got):\n%s", diff)
			}
			dir := t.TempDir()
			if err := m.Checkout(ctx, head, dir, found...); err != nil {
				t.Fatal(err)
			}
			want := map[string]string{
				".gitattributes": "unused export-ignore\n", ".gitmodules": app.Git("show", "HEAD:.gitmodules") + "\n", "app.c": "app\n",
				"lib": "folder", "lib/core": "folder", "lib/core/core.c": "core\n", "lib/core/.gitattributes": "secret export-ignore\n",
				"lib/core/.gitmodules": core.Git("show", "HEAD:.gitmodules") + "\n", "lib/core/third party": "folder",
				"lib/core/third party/deep": "folder", "lib/core/third party/deep/deep.c": "deep\n",
			}
			if diff := cmp.Diff(want, files(t, dir)); diff != "" {
				t.Errorf("exported (-want +got):\n%s", diff)
			}
			dir = t.TempDir()
			if err := m.CheckoutRaw(ctx, head, dir, found...); err != nil {
				t.Fatal(err)
			}
			raw := files(t, dir)
			if raw["lib/core/secret"] == "" || raw["unused/secret"] == "" {
				t.Errorf("without attributes: %v", raw)
			}
			dir = t.TempDir()
			if err := m.Checkout(ctx, head, dir); err != nil {
				t.Fatal(err)
			}
			if got := files(t, filepath.Join(dir, "lib")); len(got) != 1 || got["core"] != "folder" {
				t.Errorf("submodules that were not given: %v", got)
			}
			sent.Take()
			again, err := m.Submodules(ctx, head)
			if err != nil || len(again) != len(found) {
				t.Errorf("once more: %v, %v", again, err)
			}
			if bytes, requests := sent.Take(); bytes != 0 || requests != 0 {
				t.Errorf("once more took %d requests, %d bytes", requests, bytes)
			}
		})
	}
}

// TestSubmodulesChange fetches what a commit with newer submodules adds.
func TestSubmodulesChange(t *testing.T) {
	root, app, core, _ := family(t)
	core.Write("big", noise(1<<20))
	app.Submodule("lib/core", "", core.Commit("big"))
	first := app.Commit("first")
	server, sent := gitrepotest.CountingServer(t, root)
	ctx := background(t)
	m := mirrorOf(t, server.URL+"/app/.git")
	get := func(commit string) []Submodule {
		t.Helper()
		if err := m.Fetch(ctx, commit, "main"); err != nil {
			t.Fatal(err)
		}
		found, err := m.Submodules(ctx, commit)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	get(first)
	if bytes, _ := sent.Take(); bytes < 1<<20 {
		t.Errorf("the first fetch brought %d bytes", bytes)
	}
	core.Write("core.c", "newer\n")
	app.Submodule("lib/core", "", core.Commit("newer"))
	second := get(app.Commit("second"))
	if bytes, _ := sent.Take(); bytes > 100<<10 {
		t.Errorf("the second fetch brought %d bytes", bytes)
	}
	if content, err := second[0].Mirror.ReadFile(ctx, second[0].Commit, "core.c"); string(content) != "newer\n" {
		t.Errorf("got %q, %v", content, err)
	}
}

// TestSubmodulesOlderServers fetches submodules from where only tips can be had, and from files.
func TestSubmodulesOlderServers(t *testing.T) {
	t.Parallel()
	root, app, core, deep := family(t)
	head := app.Commit("app")
	core.Commit("core moves on")
	for _, w := range []*gitrepotest.Workshop{app, core, deep} {
		w.Git("update-server-info")
	}
	for _, test := range []struct{ name, url string }{
		{"version 0", gitrepotest.SmartServer(t, root, "", true).URL},
		{"dumb", gitrepotest.DumbServer(t, root).URL},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx := background(t)
			m := mirrorOf(t, test.url+"/app/.git")
			if err := m.Fetch(ctx, head, "main"); err != nil {
				t.Fatal(err)
			}
			found, err := m.Submodules(ctx, head)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := m.Checkout(ctx, head, dir, found...); err != nil {
				t.Fatal(err)
			}
			if content, err := os.ReadFile(filepath.Join(dir, "lib/core/third party/deep/deep.c")); string(content) != "deep\n" {
				t.Errorf("got %q, %v", content, err)
			}
		})
	}
}

func TestSubmodulesRefused(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	lib := gitrepotest.NewWorkshopAt(t, filepath.Join(root, "lib"))
	lib.Write("lib.c", "lib\n")
	pinned := lib.Commit("lib")
	server := gitrepotest.SmartServer(t, root, "", false).URL
	mark := filepath.Join(t.TempDir(), "mark")
	module := func(url string) string {
		return fmt.Sprintf("[submodule \"lib\"]\n\tpath = lib\n\turl = \"%s\"\n", strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(url))
	}
	for i, test := range []struct {
		name, gitmodules, commit string
		local, fails             bool
		says                     string
	}{
		{"local from local", module(lib.Dir), pinned, true, false, ""},
		{"file URL from local", module("file://" + lib.Dir), pinned, true, false, ""},
		{"path", module(lib.Dir), pinned, false, true, "a path on this machine"},
		{"file URL", module("file://" + lib.Dir), pinned, false, true, "a path on this machine"},
		{"up and out", module("../../../../../" + lib.Dir), pinned, false, true, "leads out"},
		{"program", module("ext::sh -c touch% " + mark), pinned, false, true, "remote helpers"},
		{"program from local", module("ext::sh -c touch% " + mark), pinned, true, true, "remote helpers"},
		{"option", module("--upload-pack=touch " + mark), pinned, false, true, `begins with "-"`},
		{"option of ssh", module("ssh://-oProxyCommand=touch " + mark + "/x"), pinned, false, true, "not a URL"},
		{"newline", module("https://host/x\n[core]"), pinned, false, true, "cannot be printed"},
		{"relative path", module("lib"), pinned, true, true, "relative path"},
		{"no url", "[submodule \"lib\"]\n\tpath = lib\n", pinned, true, true, "no url"},
		{"other path", strings.Replace(module(lib.Dir), "path = lib", "path = lib2", 1), pinned, true, true, "no url"},
		{"two urls", module(lib.Dir) + strings.NewReplacer(`"lib"`, `"b"`, lib.Dir, "/srv/x").Replace(module(lib.Dir)), pinned, true, true, "two repositories"},
		{"no file", "", pinned, true, true, "no url"},
		{"included file", "[include]\n\tpath = " + filepath.Join(root, "included") + "\n", pinned, true, true, "no url"},
		{"not a configuration", "[submodule\n", pinned, true, true, "read .gitmodules"},
		{"binary", "\x00\xff\n", pinned, true, true, "read .gitmodules"},
		{"hostile name", "[submodule \"../../x\"]\n\tpath = lib\n\turl = " + lib.Dir + "\n", pinned, true, false, ""},
		{"program to update", module(lib.Dir) + "\tupdate = !touch " + mark + "\n", pinned, true, false, ""},
		{"left out", module("/nowhere") + "\tupdate = none\n", pinned, true, false, ""},
		{"commit that is nowhere", module(lib.Dir), someHash, true, true, "has no commit " + someHash},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := gitrepotest.NewWorkshopAt(t, filepath.Join(root, fmt.Sprint("w", i)))
			put(t, filepath.Join(root, "included"), module(lib.Dir))
			if test.gitmodules != "" {
				w.Write(".gitmodules", test.gitmodules)
			}
			w.Submodule("lib", "", test.commit)
			head := w.Commit("commit")
			url := w.Dir + "/.git"
			if !test.local {
				url = server + "/" + filepath.Base(w.Dir) + "/.git"
			}
			m := mirrorOf(t, url)
			if err := m.Fetch(background(t), head, "main"); err != nil {
				t.Fatal(err)
			}
			_, err := m.Submodules(background(t), head)
			if (err != nil) != test.fails || err != nil && (!errors.Is(err, ErrSubmodule) || !strings.Contains(err.Error(), test.says) || git.Hint(err) == "") {
				t.Errorf("got %v", err)
			}
			if err != nil && strings.ContainsAny(err.Error(), "\n\x00") {
				t.Errorf("more than one line: %q", err)
			}
			if _, err := os.Stat(mark); err == nil {
				t.Error("a program was run")
			}
		})
	}
}

// TestSubmodulesWithoutEnd checks that a repository that has itself as a submodule, again and again, is refused.
func TestSubmodulesWithoutEnd(t *testing.T) {
	w := gitrepotest.NewWorkshop(t)
	head := w.Commit("bottom")
	for range maxDepth + 1 {
		w.Submodule("self", "./", head)
		head = w.Commit("deeper")
	}
	_, err := fetchedMirror(t, w, head).Submodules(background(t), head)
	if !errors.Is(err, ErrSubmodule) || !strings.Contains(err.Error(), "within each other") {
		t.Errorf("got %v", err)
	}
}

// TestSubmodulesLink checks that .gitmodules is no way to read another file.
func TestSubmodulesLink(t *testing.T) {
	w := gitrepotest.NewWorkshop(t)
	w.Write("link", "other")
	w.Write("other", "[submodule \"lib\"]\n\tpath = lib\n\turl = /srv/x\n")
	tree := rawTree(t, w, "120000 .gitmodules "+w.Git("hash-object", "-w", "link"), "160000 lib "+someHash, "100644 other "+w.Git("hash-object", "-w", "other"))
	head := w.Git("commit-tree", "-m", "link", tree)
	w.Git("branch", "--force", "main", head)
	if _, err := fetchedMirror(t, w, head).Submodules(background(t), head); !errors.Is(err, ErrSubmodule) || !strings.Contains(err.Error(), "no url") {
		t.Errorf("got %v", err)
	}
}
