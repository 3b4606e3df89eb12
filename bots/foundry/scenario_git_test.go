package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// gpgHome is a real gpg with a key of its own, as a committer has it.
type gpgHome struct {
	t   *testing.T
	dir string
}

const committerEmail = "committer@foundry.invalid"

func newGPGHome(t *testing.T) *gpgHome {
	t.Helper()
	// Not t.TempDir: the path of the agent's socket may be 108 bytes long at most.
	dir, err := os.MkdirTemp("", "gpg-")
	if err != nil {
		t.Fatal(err)
	}
	g := &gpgHome{t: t, dir: dir}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", dir, "--kill", "all").Run()
		os.RemoveAll(dir)
	})
	g.run("--quick-generate-key", "Committer <"+committerEmail+">", "ed25519", "sign", "never")
	return g
}

func (g *gpgHome) run(args ...string) string {
	g.t.Helper()
	return command(g.t, "", nil, "gpg", append([]string{"--homedir", g.dir, "--batch", "--no-tty", "--passphrase", ""}, args...)...)
}

// export writes the public key to path.
func (g *gpgHome) export(path string) {
	g.t.Helper()
	if err := os.WriteFile(path, []byte(g.run("--armor", "--export", committerEmail)), 0o644); err != nil {
		g.t.Fatal(err)
	}
}

// command runs a program that has to succeed and returns what it prints.
func command(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		var errs string
		if exit, ok := err.(*exec.ExitError); ok {
			errs = string(exit.Stderr)
		}
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, errs)
	}
	return string(out)
}

// workTree is a git work tree with a bare repository to push to.
type workTree struct {
	t    *testing.T
	gpg  *gpgHome
	dir  string
	bare string
}

// newWorkTree makes both below root; the bare one is root/name.git.
func newWorkTree(t *testing.T, gpg *gpgHome, root, name string) *workTree {
	t.Helper()
	w := &workTree{t: t, gpg: gpg, dir: filepath.Join(t.TempDir(), name), bare: filepath.Join(root, name+".git")}
	w.git2("init", "--quiet", "--bare", "--initial-branch=main", w.bare)
	w.git2("init", "--quiet", "--initial-branch=main", w.dir)
	w.git("remote", "add", "origin", w.bare)
	return w
}

func (w *workTree) env() []string {
	return []string{
		"GNUPGHOME=" + w.gpg.dir, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=Committer", "GIT_AUTHOR_EMAIL=" + committerEmail, "EMAIL=" + committerEmail,
		"GIT_COMMITTER_NAME=Committer", "GIT_COMMITTER_EMAIL=" + committerEmail, "DEBFULLNAME=Committer",
	}
}

func (w *workTree) git2(args ...string) string {
	w.t.Helper()
	return command(w.t, "", w.env(), "git", args...)
}

// git runs git in the work tree.
func (w *workTree) git(args ...string) string {
	w.t.Helper()
	return strings.TrimSpace(command(w.t, w.dir, w.env(), "git", args...))
}

// commit commits all that is in the work tree, signed.
func (w *workTree) commit(subject string) string {
	w.t.Helper()
	w.git("add", "--all", "--force")
	w.git("commit", "--quiet", "--allow-empty", "--gpg-sign="+committerEmail, "-m", subject)
	return w.git("rev-parse", "HEAD")
}

func (w *workTree) push() {
	w.t.Helper()
	w.git("push", "--quiet", "--all", "origin")
	w.git("push", "--quiet", "--tags", "origin")
}

// write writes a file of the work tree.
func (w *workTree) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	mode := os.FileMode(0o644)
	if strings.HasSuffix(name, "debian/rules") {
		mode = 0o755
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		w.t.Fatal(err)
	}
}

// fetchSource downloads a source package of the release with "apt-get source", by an apt that has
// nothing of this machine's, and returns the path of its .dsc.
func fetchSource(t *testing.T, name string) string {
	t.Helper()
	root, into := t.TempDir(), t.TempDir()
	for _, dir := range []string{"etc/apt/apt.conf.d", "etc/apt/preferences.d", "lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	config := strings.Join([]string{
		`Dir "` + root + `";`, `Dir::State "` + root + `";`, `Dir::State::status "` + root + `/status";`,
		`Dir::Cache "` + root + `/cache";`, `APT::Sandbox::User "";`, `Acquire::Languages "none";`, `Acquire::Retries "3";`, "",
	}, "\n")
	sources := "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] " + testMirror + " " + testRelease + " main\n"
	for path, text := range map[string]string{"apt.conf": config, "etc/apt/sources.list": sources, "status": ""} {
		if err := os.WriteFile(filepath.Join(root, path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"APT_CONFIG=" + filepath.Join(root, "apt.conf")}
	command(t, into, env, "apt-get", "--quiet=2", "update")
	command(t, into, env, "apt-get", "--quiet=2", "source", "--download-only", name)
	found, err := filepath.Glob(filepath.Join(into, "*.dsc"))
	if err != nil || len(found) != 1 {
		t.Fatalf("apt-get source %s: %d .dsc files, %v", name, len(found), err)
	}
	return found[0]
}

// importNative makes a git repository of a native package, as "gbp import-dsc" does, and pushes it.
func importNative(t *testing.T, gpg *gpgHome, root, name string) *workTree {
	t.Helper()
	dsc := fetchSource(t, name)
	w := newWorkTree(t, gpg, root, name)
	w.copy(unpackSource(t, dsc))
	w.commit("Import Debian version")
	w.push()
	return w
}

// importQuilt makes a git repository of a 3.0 (quilt) package in the layout of "gbp import-dsc
// --pristine-tar": branches main, upstream and pristine-tar, and the tag upstream/VERSION.
func importQuilt(t *testing.T, gpg *gpgHome, root, name, version string) *workTree {
	t.Helper()
	dsc := fetchSource(t, name)
	tree := unpackSource(t, dsc)
	w := newWorkTree(t, gpg, root, name)
	orig := onlyFile(t, filepath.Dir(dsc), name+"_"+version+".orig.tar.*z")
	w.git("checkout", "--quiet", "-b", "upstream")
	command(t, w.dir, nil, "tar", "--extract", "--strip-components=1", "--file", orig)
	w.commit("Import upstream version " + version)
	w.git("tag", "upstream/"+version)
	command(t, w.dir, w.env(), "pristine-tar", "commit", "--signature-file="+orig+".asc", orig, "upstream/"+version)
	w.git("checkout", "--quiet", "-b", "main")
	command(t, "", nil, "cp", "-a", filepath.Join(tree, "debian"), w.dir)
	w.commit("Import Debian version")
	w.push()
	return w
}

// unpackSource unpacks a source package, without its patches applied.
func unpackSource(t *testing.T, dsc string) string {
	t.Helper()
	tree := filepath.Join(t.TempDir(), "tree")
	command(t, "", nil, "dpkg-source", "--no-check", "--skip-patches", "--extract", dsc, tree)
	return tree
}

func onlyFile(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s in %s: %q, %v; want one file", pattern, dir, found, err)
	}
	return found[0]
}

// copy copies a tree into the work tree.
func (w *workTree) copy(tree string) {
	w.t.Helper()
	command(w.t, "", nil, "cp", "-a", tree+"/.", w.dir)
}
