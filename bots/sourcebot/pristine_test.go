package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"foundry/pkg/message"
)

// delta makes what pristine-tar keeps, with nothing but a manifest.
func delta(t *testing.T, manifest string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "manifest"), []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("tar", "-C", dir, "-cz", "manifest").Output()
	if err != nil {
		t.Fatalf("tar (apt-get install tar): %v", err)
	}
	return string(out)
}

// TestPristineTarRunsNothing: pristine-tar puts the content of the .id file into a shell command.
func TestPristineTarRunsNothing(t *testing.T) {
	r, ref := upstreamRepo(t, "3.0 (quilt)", nil)
	proof := filepath.Join(t.TempDir(), "proof")
	r.git("checkout", "--quiet", "--orphan", "pristine-tar")
	r.git("rm", "-rfq", "--cached", ".")
	r.run("sh", "-c", "rm -rf debian hello.c configure doc")
	name := "hello_1.0~rc1.orig.tar.gz"
	r.write(map[string]string{
		name + ".id":    strings.Repeat("a", 40) + "'; touch " + proof + "; '\n",
		name + ".delta": delta(t, "hello-1.0/a\n"),
	})
	r.commit()
	_, err := newBench(t, "--codename", "bookworm", "--allow-unsigned").make(r, "debian/main", ref)
	wantFailure(t, err, message.ClassPackage, name+".id is not the hash of a tree", "pristine-tar commit")
	if _, err := os.Stat(proof); err == nil {
		t.Error("code of the package was run")
	}
	r.write(map[string]string{name + ".id": strings.Repeat("a", 40) + "\n"})
	r.commit()
	_, err = newBench(t, "--codename", "bookworm", "--allow-unsigned").make(r, "debian/main", ref)
	wantFailure(t, err, message.ClassPackage, "is not in the repository", "pristine-tar commit")
	r.write(map[string]string{
		name + ".id":    r.git("rev-parse", "upstream^{tree}") + "\n",
		name + ".delta": delta(t, "../../../../../../etc/passwd\n"),
	})
	r.commit()
	_, err = newBench(t, "--codename", "bookworm", "--allow-unsigned").make(r, "debian/main", ref)
	wantFailure(t, err, message.ClassPackage, "unsafe name", "pristine-tar commit")
}

// TestPristineTarOfComponents: git-buildpackage makes the delta of the main tarball against the upstream tree
// without the components, which no commit has.
func TestPristineTarOfComponents(t *testing.T) {
	testLayouts(t, map[string]kept{"imported": {
		build: func(r *repo) {
			branched(r, nil)
			r.git("checkout", "--quiet", "upstream")
			r.write(map[string]string{"plug/a.c": "int a;\n"})
			r.commit()
			tarball(r, "../x/hello_1.0.orig.tar.gz", below("hello-9", upstream))
			tarball(r, "../x/hello_1.0.orig-plug.tar.xz", below("p", map[string]string{"a.c": "int a;\n"}))
			r.run("sh", "-c", "git ls-tree upstream | grep -v plug | git mktree >../main")
			r.run("sh", "-c", "pristine-tar commit ../x/hello_1.0.orig.tar.gz $(cat ../main)")
			r.run("pristine-tar", "commit", "../x/hello_1.0.orig-plug.tar.xz", r.git("rev-parse", "upstream:plug"))
			r.git("checkout", "--quiet", "main")
			r.git("merge", "--quiet", "upstream")
			r.write(gbp("pristine-tar = True\ncomponent = plug\n"))
			r.commit()
			r.run("git", "clone", "--quiet", "--no-local", "--bare", r.dir, "../published.git")
			r.dir = filepath.Join(r.dir, "..", "published.git")
		},
		names: []string{"hello_1.0-1.debian.tar.xz", "hello_1.0.orig-plug.tar.xz", "hello_1.0.orig.tar.gz"}, tree: map[string]string{"plug/a.c": "int a;\n"},
	}})
}
