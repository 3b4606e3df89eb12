package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/message"
)

// kept is a repository as a maintainer keeps it, and the source package that it must become.
type kept struct {
	build func(r *repo) // leaves the packaging on the current branch
	args  []string
	names []string          // of the files, without the .dsc; nil: those of format 3.0 (quilt)
	tree  map[string]string // content of files of the unpacked source package; "" for one that must not be there
	log   string            // a part of the log
}

// quilt are the files of hello 1.0-1 in format 3.0 (quilt) with a tarball made here.
var quilt = []string{"hello_1.0-1.debian.tar.xz", "hello_1.0.orig.tar.xz"}

// branched puts upstream on the branch upstream, and hello 1.0-1 on main, which has it merged.
func branched(r *repo, packaging map[string]string) {
	r.git("checkout", "--quiet", "-b", "upstream")
	r.write(upstream)
	r.commit()
	r.git("checkout", "--quiet", "-b", "main")
	r.write(hello("1.0-1", "3.0 (quilt)", packaging))
	r.commit()
}

// apart puts upstream on the branch upstream, and the debian folder of hello 1.0-1 alone on main.
func apart(r *repo, packaging map[string]string) {
	r.git("checkout", "--quiet", "-b", "upstream")
	r.write(upstream)
	r.commit()
	r.git("tag", "upstream/1.0")
	r.git("checkout", "--quiet", "--orphan", "main")
	r.git("rm", "-rfq", ".")
	files := hello("1.0-1", "3.0 (quilt)", packaging)
	delete(files, "hello.c")
	r.write(files)
	r.commit()
}

// tarball puts files into a tarball beside the repository, or in a folder.
func tarball(r *repo, path string, files map[string]string) {
	r.t.Helper()
	path = filepath.Join(r.dir, path)
	dir := r.t.TempDir()
	(&repo{t: r.t, dir: dir}).write(files)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	r.run("sh", "-c", "cd "+dir+" && tar --mtime=2020-02-02 -caf "+path+" *")
}

func below(folder string, files map[string]string) map[string]string {
	all := map[string]string{}
	for name, text := range files {
		all[folder+"/"+name] = text
	}
	return all
}

func gbp(lines string) map[string]string {
	return map[string]string{"debian/gbp.conf": "[DEFAULT]\n" + lines}
}

func with(maps_ ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, m := range maps_ {
		maps.Copy(all, m)
	}
	return all
}

var fix = map[string]string{
	"debian/patches/series":    "fix.patch\n",
	"debian/patches/fix.patch": "--- a/hello.c\n+++ b/hello.c\n@@ -1 +1 @@\n-int main(void) { return 0; }\n+int main(void) { return 1; }\n",
}

func testLayouts(t *testing.T, layouts map[string]kept) {
	t.Helper()
	for name, test := range layouts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRepo(t)
			test.build(r)
			args := append([]string{"--codename", "bookworm", "--allow-unsigned"}, test.args...)
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "REPO", r.dir)
			}
			b := newBench(t, args...)
			s := b.mustMake(r, r.git("branch", "--show-current"), r.git("rev-parse", "HEAD"))[0]
			want := test.names
			if want == nil {
				want = quilt
			}
			if diff := cmp.Diff(want, names(s)[1:]); diff != "" {
				t.Errorf("files, -want +got:\n%s", diff)
			}
			if strings.Contains(b.log, "ignoring deletion") {
				t.Errorf("the tree lacks what the tarballs have:\n%s", b.log)
			}
			if !strings.Contains(b.log, test.log) {
				t.Errorf("log has not %q:\n%s", test.log, b.log)
			}
			tree, _ := b.unpack(s)
			wantTree(t, tree, test.tree)
		})
	}
}

// wantTree compares files, "-> target" for symbolic links, "" for what must not be there.
func wantTree(t *testing.T, tree string, want map[string]string) {
	t.Helper()
	for name, text := range want {
		path := filepath.Join(tree, name)
		got, err := os.ReadFile(path)
		if target, linkErr := os.Readlink(path); linkErr == nil {
			got, err = []byte("-> "+target), nil
		}
		if _, lerr := os.Lstat(path); lerr != nil && text == "" {
			continue
		}
		if err != nil || string(got) != text {
			t.Errorf("%s: %q, %v; want %q", name, got, err, text)
		}
	}
}

// TestUpstreamOfHistory: where the orig tarball comes from when upstream is in git.
func TestUpstreamOfHistory(t *testing.T) {
	tag := func(format, name string) func(*repo) {
		return func(r *repo) {
			branched(r, with(gbp(format), hello("1:1.0~rc1-2", "3.0 (quilt)", nil)))
			r.git("tag", name, "upstream")
			r.git("branch", "-D", "upstream")
		}
	}
	mangled := []string{"hello_1.0~rc1-2.debian.tar.xz", "hello_1.0~rc1.orig.tar.xz"}
	testLayouts(t, map[string]kept{
		"default tag":            {build: tag("", "upstream/1.0_rc1"), names: mangled, log: "from tag upstream/1.0_rc1"},
		"tag v":                  {build: tag("", "v1.0_rc1"), names: mangled, log: "from tag v1.0_rc1"},
		"plain tag":              {build: tag("", "1.0_rc1"), names: mangled, log: "from tag 1.0_rc1"},
		"tag with a hyphen":      {build: tag("", "v1.0-rc1"), names: mangled, log: "from tag v1.0-rc1"},
		"tag format":             {build: tag("upstream-tag = rel%(version%~%.)s\n", "rel1.0.rc1"), names: mangled},
		"doubled percent":        {build: tag("upstream-tag = rel%%(version)s\n", "rel1.0_rc1"), names: mangled},
		"tag with dots replaced": {build: tag("upstream-tag = R_%(hversion)s\n", "R_1-0_rc1"), names: mangled},
		"upstream-tree a tag":    {build: tag("upstream-tree = odd\n", "odd"), names: mangled, log: "from upstream-tree tags/odd"},
		"sections": {build: func(r *repo) {
			branched(r, map[string]string{"debian/gbp.conf": "[DEFAULT]\nupstream-tag = no/%(version)s\n[import-orig]\nupstream-tag = never\n[buildpackage]\nupstream-tag = yes/%(version)s\nexport-dir = ../x\nbuilder = rm -rf /\ntarball-dir = ../t\n"})
			r.git("tag", "yes/1.0", "upstream")
		}, log: "note: tarball-dir"},
		"file .gbp.conf": {build: func(r *repo) {
			branched(r, with(gbp("upstream-tag = b/%(version)s\n"), map[string]string{".gbp.conf": "[DEFAULT]\nupstream-tag = a/%(version)s\ncompression = gzip\n"}))
			r.git("checkout", "--quiet", "upstream")
			r.write(map[string]string{".gbp.conf": "[DEFAULT]\nupstream-tag = a/%(version)s\ncompression = gzip\n"})
			r.commit()
			r.git("tag", "b/1.0")
			r.git("checkout", "--quiet", "main")
		}, names: []string{"hello_1.0-1.debian.tar.xz", "hello_1.0.orig.tar.gz"}},
		"branch of DEP-14": {build: func(r *repo) {
			branched(r, nil)
			r.git("branch", "-m", "upstream", "x")
			r.git("branch", "-m", "x", "upstream/latest")
		}, log: "from branch upstream/latest"},
		"branch that moved on": {build: func(r *repo) {
			branched(r, gbp("upstream-tree = BRANCH\n"))
			r.git("checkout", "--quiet", "upstream")
			r.write(map[string]string{"hello.c": "later\n"})
			r.commit()
			r.git("checkout", "--quiet", "main")
		}, tree: map[string]string{"hello.c": upstream["hello.c"]}},
		"branch without shared history": {build: func(r *repo) {
			apart(r, gbp("upstream-tree = BRANCH\n"))
			r.git("tag", "-d", "upstream/1.0")
		}, log: "shares no history"},
		"upstream-tree a commit": {build: func(r *repo) {
			branched(r, nil)
			r.write(gbp("upstream-tree = " + r.git("rev-parse", "upstream") + "\n"))
			r.commit()
			r.git("branch", "-D", "upstream")
		}},
		"upstream-tree a branch": {build: func(r *repo) {
			branched(r, gbp("upstream-tree = origin/vendor\n"))
			r.git("branch", "-m", "upstream", "vendor")
		}, log: "from upstream-tree vendor"},
		"upstream-tree SLOPPY": {build: func(r *repo) {
			r.write(with(upstream, hello("1.0-1", "3.0 (quilt)", with(fix, gbp("upstream-tree = SLOPPY\n")))))
			r.commit()
		}, tree: map[string]string{"hello.c": "int main(void) { return 1; }\n", "doc/read.me": "hello\n"}},
		"pristine-tar off": {build: func(r *repo) {
			branched(r, gbp("pristine-tar = False\n"))
			tarball(r, "../hello_1.0.orig.tar.gz", below("x", upstream))
			r.run("pristine-tar", "commit", "../hello_1.0.orig.tar.gz", "upstream")
			r.run("rm", "../hello_1.0.orig.tar.gz")
		}, log: "from branch upstream"},
		"components": {build: func(r *repo) {
			branched(r, nil)
			r.git("checkout", "--quiet", "upstream")
			r.write(map[string]string{"plug/a.c": "int a;\n", "two/b.c": "int b;\n"})
			r.commit()
			r.git("tag", "upstream/1.0")
			r.git("checkout", "--quiet", "main")
			r.git("merge", "--quiet", "upstream")
			r.write(gbp("components = ['plug', 'two']\ncompression = xz\ncompression-level = 9\n"))
			r.commit()
		}, names: []string{"hello_1.0-1.debian.tar.xz", "hello_1.0.orig-plug.tar.xz", "hello_1.0.orig-two.tar.xz", "hello_1.0.orig.tar.xz"}, tree: map[string]string{"plug/a.c": "int a;\n", "two/b.c": "int b;\n"}},
		"changes made a patch": {build: func(r *repo) {
			branched(r, map[string]string{"debian/source/options": "auto-commit\n", "hello.c": "int changed;\n"})
		}, tree: map[string]string{"hello.c": "int changed;\n", "debian/source/local-patch-header": "", "debian/patches/series": "debian-changes-1.0-1\n", "debian/patches/debian-changes-1.0-1": "Description: changes of the upstream source that were made in the packaging's repository\nAuthor: Jörg M <joerg@example.org>\nLast-Update: 2026-11-19\n\n--- hello-1.0.orig/hello.c\n+++ hello-1.0/hello.c\n@@ -1 +1 @@\n-int main(void) { return 0; }\n+int changed;\n"}},
		"changes made one patch": {build: func(r *repo) {
			branched(r, map[string]string{"debian/source/options": "single-debian-patch\nauto-commit\n", "hello.c": "int changed;\n"})
		}, tree: map[string]string{"hello.c": "int changed;\n", "debian/patches/series": "debian-changes\n"}},
		"patches applied": {build: func(r *repo) {
			branched(r, with(fix, map[string]string{"hello.c": "int main(void) { return 1; }\n"}))
		}, tree: map[string]string{"hello.c": "int main(void) { return 1; }\n"}},
	})
}

// TestSubmodules: they are part of what is made of history, and come in tarballs otherwise.
func TestSubmodules(t *testing.T) {
	submodule := func(r *repo) {
		lib := &repo{t: r.t, dir: filepath.Join(r.dir, "..", "lib"), env: r.env}
		if err := os.MkdirAll(lib.dir, 0o755); err != nil {
			r.t.Fatal(err)
		}
		lib.git("init", "--quiet")
		lib.write(map[string]string{"lib.c": "int lib;\n", "junk": "junk\n", ".gitattributes": "junk export-ignore\n"})
		commit := lib.commit()
		r.write(map[string]string{".gitmodules": "[submodule \"lib\"]\n\tpath = vendor/lib\n\turl = ../lib\n"})
		r.git("update-index", "--add", "--cacheinfo", "160000,"+commit+",vendor/lib")
		r.run("mkdir", "-p", "vendor/lib")
	}
	tagged := func(r *repo, packaging map[string]string) {
		r.git("checkout", "--quiet", "-b", "upstream")
		submodule(r)
		r.write(upstream)
		r.git("add", "hello.c", "configure", "doc", ".gitmodules")
		r.git("commit", "--quiet", "-m", "x")
		r.git("tag", "upstream/1.0")
		r.git("checkout", "--quiet", "-b", "main")
		r.write(hello("1.0-1", "3.0 (quilt)", packaging))
		r.git("add", "debian")
		r.git("commit", "--quiet", "-m", "x")
	}
	gz := []string{"hello_1.0-1.debian.tar.xz", "hello_1.0.orig.tar.gz"}
	testLayouts(t, map[string]kept{
		"native": {build: func(r *repo) {
			submodule(r)
			r.write(hello("1.0", "3.0 (native)", nil))
			r.git("add", "hello.c", "debian", ".gitmodules")
			r.git("commit", "--quiet", "-m", "x")
		}, names: []string{"hello_1.0.tar.xz"}, tree: map[string]string{"vendor/lib/lib.c": "int lib;\n", "vendor/lib/junk": "junk\n"}, log: "with submodule vendor/lib"},
		"tag": {build: func(r *repo) { tagged(r, nil) }, tree: map[string]string{"vendor/lib/lib.c": "int lib;\n", "vendor/lib/junk": ""}},
		"tag, patched": {build: func(r *repo) {
			tagged(r, map[string]string{"debian/patches/series": "p\n", "debian/patches/p": "--- a/vendor/lib/lib.c\n+++ b/vendor/lib/lib.c\n@@ -1 +1 @@\n-int lib;\n+int patched;\n"})
		}, tree: map[string]string{"vendor/lib/lib.c": "int patched;\n"}},
		"not wanted": {build: func(r *repo) { tagged(r, gbp("submodules = False\n")) }, tree: map[string]string{"vendor/lib/lib.c": "", "hello.c": upstream["hello.c"]}},
		"tarball that has it": {build: func(r *repo) {
			tagged(r, map[string]string{"debian/patches/series": "p\n", "debian/patches/p": "--- a/vendor/lib/lib.c\n+++ b/vendor/lib/lib.c\n@@ -1 +1 @@\n-int other;\n+int patched;\n"})
			tarball(r, "../hello_1.0.orig.tar.gz", below("x", with(upstream, map[string]string{"vendor/lib/lib.c": "int other;\n"})))
			r.run("rm", "-r", "../lib")
		}, names: gz, tree: map[string]string{"vendor/lib/lib.c": "int patched;\n"}, log: "folder vendor/lib is taken"},
		"tarball without it": {build: func(r *repo) {
			tagged(r, nil)
			tarball(r, "../hello_1.0.orig.tar.gz", below("x", upstream))
			r.run("rm", "-r", "../lib")
		}, names: gz, tree: map[string]string{"vendor/lib/lib.c": ""}},
	})
}

// TestSameAsByHand: all files are byte by byte what a maintainer gets in a fresh clone. git-buildpackage makes
// the tarball of a tag with git-archive(1) and the compressor's own settings, and then runs dpkg-source.
func TestSameAsByHand(t *testing.T) {
	for name, test := range map[string]struct {
		version, format, more, committed string
		names                            []string
		alone                            bool // without upstream
	}{
		"quilt":                {"1:1.0-1", "3.0 (quilt)", "compression = gzip\n", commitTime, []string{"hello_1.0-1.dsc", "hello_1.0-1.debian.tar.xz", "hello_1.0.orig.tar.gz"}, false},
		"diff":                 {"1.0-1", "", "", "2001-01-01T00:00:00Z", []string{"hello_1.0-1.dsc", "hello_1.0-1.diff.gz", "hello_1.0.orig.tar.gz"}, false},
		"native":               {"1.0", "3.0 (native)", "", "2001-01-01T00:00:00Z", []string{"hello_1.0.dsc", "hello_1.0.tar.xz"}, true},
		"native with revision": {"1:1.0-1", "", "", "2001-01-01T00:00:00Z", []string{"hello_1.0-1.dsc", "hello_1.0-1.tar.gz"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRepo(t)
			r.env = append(r.env, "GIT_COMMITTER_DATE="+test.committed)
			r.write(upstream)
			r.commit()
			if !test.alone {
				r.git("tag", "-a", "-m", "x", "upstream/1.0")
			}
			r.write(hello(test.version, test.format, with(fix, gbp(test.more))))
			ref := r.commit()
			b := newBench(t, "--codename", "bookworm", "--allow-unsigned")
			s := b.mustMake(r, "main", ref)[0]
			wantNames(t, s, test.names...)
			hand := filepath.Join(t.TempDir(), "hello-1.0")
			r.run("git", "clone", "--quiet", r.dir, hand)
			if !test.alone {
				r.run("sh", "-c", "git archive --format=tar --prefix=hello-1.0/ upstream/1.0 | gzip -n -c >"+hand+"/../hello_1.0.orig.tar.gz")
			}
			r.run("sh", "-c", "umask 022 && cd "+hand+" && rm -rf .git && cd .. && dpkg-source -b hello-1.0")
			for _, f := range s.Files {
				want, err := os.ReadFile(filepath.Join(hand, "..", f.Name))
				if err != nil || string(b.store.files[f.SHA256]) != string(want) {
					t.Errorf("%s: other bytes, %v", f.Name, err)
				}
			}
		})
	}
}

// TestRevisionsShareOrig: the next revision has the same orig tarball, wherever that is made of.
func TestRevisionsShareOrig(t *testing.T) {
	for _, tree := range []string{"TAG", "BRANCH", "SLOPPY", "TAG\ncomponent = doc", "SLOPPY\ncomponent = ['doc']"} {
		t.Run(tree, func(t *testing.T) {
			t.Parallel()
			r := newRepo(t)
			branched(r, gbp("upstream-tree = "+tree+"\n"))
			r.git("tag", "upstream/1.0", "upstream")
			b := newBench(t, "--codename", "bookworm", "--allow-unsigned")
			first := b.mustMake(r, "main", r.git("rev-parse", "main"))[0]
			top := strings.Replace(hello("1.0-2", "", nil)["debian/changelog"], "19 Nov", "20 Nov", 1)
			r.write(map[string]string{"debian/changelog": top + hello("1.0-1", "", nil)["debian/changelog"]})
			r.env = append(r.env, "GIT_COMMITTER_DATE=2026-11-21T01:00:00Z")
			second := newBench(t, "--codename", "bookworm", "--allow-unsigned").mustMake(r, "main", r.commit())[0]
			if diff := cmp.Diff(origs(first), origs(second)); diff != "" {
				t.Errorf("-first +second:\n%s", diff)
			}
		})
	}
}

func origs(s *message.Source) (all []message.Artifact) {
	for _, f := range s.Files {
		if strings.Contains(f.Name, ".orig") {
			all = append(all, f)
		}
	}
	return all
}
