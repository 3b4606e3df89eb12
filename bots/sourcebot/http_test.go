package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foundry/pkg/gitrepo/gitrepotest"
)

// served publishes a repository on a web server of git, and others beside it, and returns how to publish
// what is new.
func served(t *testing.T, r *repo, beside map[string]string) (publish func()) {
	t.Helper()
	root := t.TempDir()
	beside["hello"] = r.dir
	for name, dir := range beside {
		r.run("git", "clone", "--quiet", "--mirror", "--no-local", dir, filepath.Join(root, name+".git"))
	}
	r.url = gitrepotest.SmartServer(t, root, "", false).URL + "/hello.git"
	return func() { r.git("push", "--quiet", "--mirror", filepath.Join(root, "hello.git")) }
}

// madeOverHTTP makes the package of a served repository, and of the next commit, which the mirror has to
// fetch, and returns the files of the latter.
func madeOverHTTP(t *testing.T, r *repo, publish func(), said string) (tree, dir string) {
	t.Helper()
	b := newBench(t, "--codename", "bookworm", "--allow-unsigned")
	first := b.mustMake(r, "main", r.git("rev-parse", "main"))[0]
	if !strings.Contains(b.log, said) {
		t.Errorf("log has not %q:\n%s", said, b.log)
	}
	r.write(map[string]string{"debian/changelog": hello("1.0-2", "", nil)["debian/changelog"]})
	r.git("add", "debian")
	r.git("commit", "--quiet", "-m", "Next")
	publish()
	second := b.mustMake(r, "main", r.git("rev-parse", "main"))[0]
	wantNames(t, second, "hello_1.0-2.dsc", "hello_1.0-2.debian.tar.xz", origs(first)[0].Name)
	if origs(first)[0] != origs(second)[0] {
		t.Errorf("the next revision has another orig tarball: %v, %v", origs(first)[0], origs(second)[0])
	}
	return b.unpack(second)
}

// TestPristineTarOverHTTP: branch, deltas and the tree that they are made against come from a server.
func TestPristineTarOverHTTP(t *testing.T) {
	t.Parallel()
	r := newRepo(t)
	branched(r, with(fix, gbp("pristine-tar = True\n")))
	tarball(r, "../x/hello_1.0.orig.tar.gz", below("hello-9", upstream))
	r.run("pristine-tar", "commit", "../x/hello_1.0.orig.tar.gz", "upstream")
	// The branch moves on, so that the tree is in its history alone.
	r.git("checkout", "--quiet", "upstream")
	r.write(map[string]string{"hello.c": "int later;\n"})
	r.commit()
	r.git("checkout", "--quiet", "main")
	tree, dir := madeOverHTTP(t, r, served(t, r, map[string]string{}), "pristine-tar: successfully generated")
	wantTree(t, tree, map[string]string{"hello.c": "int main(void) { return 1; }\n", "doc/read.me": "hello\n"})
	want, err := os.ReadFile(filepath.Join(r.dir, "../x/hello_1.0.orig.tar.gz"))
	got, gotErr := os.ReadFile(filepath.Join(dir, "hello_1.0.orig.tar.gz"))
	if err != nil || gotErr != nil || !bytes.Equal(want, got) {
		t.Errorf("not the tarball that was committed: %v, %v", err, gotErr)
	}
}

// TestSubmodulesOverHTTP: the URL of a submodule is relative to that of the repository.
func TestSubmodulesOverHTTP(t *testing.T) {
	t.Parallel()
	r, lib := newRepo(t), newRepo(t)
	lib.write(map[string]string{"lib.c": "int lib;\n"})
	pinned := lib.commit()
	lib.write(map[string]string{"lib.c": "int later;\n"})
	lib.commit()
	r.git("checkout", "--quiet", "-b", "upstream")
	r.write(with(upstream, map[string]string{".gitmodules": "[submodule \"lib\"]\n\tpath = vendor/lib\n\turl = ../lib.git\n"}))
	r.git("add", "-A")
	r.git("update-index", "--add", "--cacheinfo", "160000,"+pinned+",vendor/lib")
	r.run("mkdir", "-p", "vendor/lib")
	r.git("commit", "--quiet", "-m", "Upstream")
	r.git("tag", "v1.0")
	r.git("checkout", "--quiet", "-b", "main")
	r.write(hello("1.0-1", "3.0 (quilt)", nil))
	r.git("add", "debian")
	r.git("commit", "--quiet", "-m", "Package it")
	tree, _ := madeOverHTTP(t, r, served(t, r, map[string]string{"lib": lib.dir}), "/lib.git, commit "+pinned)
	wantTree(t, tree, map[string]string{"hello.c": upstream["hello.c"], "vendor/lib/lib.c": "int lib;\n"})
}
