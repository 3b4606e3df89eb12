package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/bots/internal/orig"
	"foundry/pkg/message"
)

// TestFolders: owners count only beside a repository, and the folders that sourcebot was told of come first.
func TestFolders(t *testing.T) {
	b := newBench(t, "--codename", "bookworm", "--tarballs", "/srv/a", "--tarballs", "/srv/b")
	for repository, beside := range map[string][]orig.Folder{
		"/srv/git/hello.git": {{Path: "/srv/git", Of: "/srv/git/hello.git"}}, "https://example.org/hello": nil,
	} {
		m := &maker{sourcebot: b.bot, about: &message.Commit{Origin: message.Origin{Repository: repository}}}
		if diff := cmp.Diff(append([]orig.Folder{{Path: "/srv/a"}, {Path: "/srv/b"}}, beside...), m.folders()); diff != "" {
			t.Errorf("%s, -want +got:\n%s", repository, diff)
		}
	}
}

// TestUpstreamOfFolders: tarballs that lie in a folder, for branches with and without the upstream source.
func TestUpstreamOfFolders(t *testing.T) {
	merged := func(name string) func(r *repo) {
		return func(r *repo) {
			branched(r, nil)
			r.git("branch", "-D", "upstream")
			tarball(r, name, below("hello-9", upstream))
		}
	}
	alone := func(packaging map[string]string, tarballs map[string]map[string]string) func(r *repo) {
		return func(r *repo) {
			apart(r, packaging)
			r.git("tag", "-d", "upstream/1.0")
			r.git("branch", "-D", "upstream")
			for name, files := range tarballs {
				tarball(r, name, files)
			}
		}
	}
	gz := []string{"hello_1.0-1.debian.tar.xz", "hello_1.0.orig.tar.gz"}
	patched := map[string]string{"hello.c": "int main(void) { return 1; }\n", "doc/read.me": "hello\n"}
	theirs := map[string]string{"debian/control": "not ours\n", "debian/theirs": "x\n"}
	testLayouts(t, map[string]kept{
		"beside the repository":    {build: merged("../hello_1.0.orig.tar.xz"), log: "from folder"},
		"bz2":                      {build: merged("../hello_1.0.orig.tar.bz2"), names: []string{"hello_1.0-1.debian.tar.xz", "hello_1.0.orig.tar.bz2"}},
		"in a folder that is told": {build: merged("../elsewhere/hello_1.0.orig.tar.gz"), args: []string{"--tarballs", "REPO/../nothing", "--tarballs", "REPO/../elsewhere"}, names: gz, log: "nothing is passed over"},
		"a link in the folder": {build: func(r *repo) {
			merged("../hello-1.0.tar.gz")(r)
			r.run("ln", "-s", "hello-1.0.tar.gz", "../hello_1.0.orig.tar.gz")
		}, names: gz},
		"with a signature": {build: func(r *repo) {
			merged("../hello_1.0.orig.tar.gz")(r)
			r.run("sh", "-c", "echo not checked without key >../hello_1.0.orig.tar.gz.asc")
		}, names: []string{"hello_1.0-1.debian.tar.xz", "hello_1.0.orig.tar.gz", "hello_1.0.orig.tar.gz.asc"}},
		"with a signature that is not wanted": {build: func(r *repo) {
			merged("../hello_1.0.orig.tar.gz")(r)
			r.run("sh", "-c", "echo x >../hello_1.0.orig.tar.gz.asc")
			r.write(gbp("upstream-signatures = off\n"))
			r.commit()
		}, names: gz},
		"format 1.0": {build: func(r *repo) {
			merged("../hello_1.0.orig.tar.gz")(r)
			r.git("rm", "--quiet", "debian/source/format")
			r.write(map[string]string{"extra.c": "int extra;\n"})
			r.commit()
			tarball(r, "../hello_1.0.orig.tar.xz", below("other", upstream))
		}, names: []string{"hello_1.0-1.diff.gz", "hello_1.0.orig.tar.gz"}, tree: map[string]string{"extra.c": "int extra;\n"}},
		"debian alone":          {build: alone(fix, map[string]map[string]string{"../hello_1.0.orig.tar.gz": below("hello-9", upstream)}), names: gz, tree: patched, log: "goes under the packaging"},
		"debian alone, overlay": {build: alone(with(fix, gbp("overlay = True\nexport-dir = ../build\n")), map[string]map[string]string{"../hello_1.0.orig.tar.gz": below("hello-9", upstream)}), names: gz, tree: patched},
		"debian alone, two codenames": {
			build: alone(fix, map[string]map[string]string{"../hello_1.0.orig.tar.gz": below("hello-9", upstream)}), args: []string{"--codename", "trixie"},
			names: []string{"hello_1.0-1~deb12u0.debian.tar.xz", "hello_1.0.orig.tar.gz"}, tree: patched,
		},
		"debian alone, no top folder": {build: alone(fix, map[string]map[string]string{"../hello_1.0.orig.tar.gz": upstream}), names: gz, tree: patched},
		"debian alone, upstream has debian": {
			build: alone(fix, map[string]map[string]string{"../hello_1.0.orig.tar.gz": below("hello-9", with(upstream, theirs))}), names: gz,
			tree: with(patched, map[string]string{"debian/theirs": ""}),
		},
		"debian alone, format 1.0": {
			build: func(r *repo) {
				alone(nil, map[string]map[string]string{"../hello_1.0.orig.tar.gz": below("hello-9", with(upstream, theirs))})(r)
				r.write(map[string]string{"debian/source/format": "1.0\n"})
				r.commit()
			}, names: []string{"hello_1.0-1.diff.gz", "hello_1.0.orig.tar.gz"}, tree: map[string]string{"debian/theirs": "x\n", "configure": upstream["configure"]},
		},
		"debian alone, components": {
			build: alone(nil, map[string]map[string]string{
				"../hello_1.0.orig.tar.gz": below("hello-9", with(upstream, map[string]string{"plug/old.c": "old\n"})), "../hello_1.0.orig-plug.tar.xz": below("p", map[string]string{"a.c": "int a;\n"}),
				"../hello_1.0.orig-two-2.tar.gz": {"b.c": "int b;\n", "c.c": "int c;\n"},
			}),
			names: []string{"hello_1.0-1.debian.tar.xz", "hello_1.0.orig-plug.tar.xz", "hello_1.0.orig-two-2.tar.gz", "hello_1.0.orig.tar.gz"},
			tree:  map[string]string{"plug/a.c": "int a;\n", "plug/old.c": "", "two-2/b.c": "int b;\n"},
		},
		"component that has no place": {build: func(r *repo) {
			merged("../hello_1.0.orig.tar.gz")(r)
			tarball(r, "../hello_1.0.orig-plug.tar.gz", below("p", map[string]string{"a.c": "int a;\n"}))
		}, names: gz, log: "component plug is passed over"},
		"debian alone, upstream in another branch": {build: func(r *repo) { apart(r, fix) }, tree: patched, log: "from tag upstream/1.0"},
		"debian alone, pristine-tar": {build: func(r *repo) {
			apart(r, with(fix, gbp("pristine-tar = True\n")))
			tarball(r, "../x/hello_1.0.orig.tar.gz", below("hello-9", upstream))
			r.run("pristine-tar", "commit", "../x/hello_1.0.orig.tar.gz", "upstream")
		}, names: gz, tree: patched},
	})
}
