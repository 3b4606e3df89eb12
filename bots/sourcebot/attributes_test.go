package main

import (
	"strings"
	"testing"

	"foundry/pkg/message"
)

// TestFilesOfAllKinds: what is in the commit is in the package, byte by byte.
func TestFilesOfAllKinds(t *testing.T) {
	odd := map[string]string{
		"grüße/日本.txt": "naïve\n", "crlf.txt": "a\r\nb\r\n", "blob": "\x00\xff\n", "deep/link": "-> ../hello.c", "away": "-> /etc/passwd", "nowhere": "-> missing",
		"with space": "x\n", "a'b\"c": "x\n", "tab\there": "x\n", "caf\xe9": "latin\n", strings.Repeat("long/", 60) + "x": "x\n", "debian/copyright": "Grüße\n", "debian/crlf": "x\r\n", "debian/link": "-> rules", "run": "#!/bin/sh\n",
	}
	binaries := map[string]string{"debian/logo.png": "\x89PNG\x00\xff", "debian/source/include-binaries": "debian/logo.png\n"}
	testLayouts(t, map[string]kept{
		"native": {build: func(r *repo) {
			r.write(hello("1:1.0", "3.0 (native)", with(odd, binaries)))
			r.commit()
		}, names: []string{"hello_1.0.tar.xz"}, tree: with(odd, binaries)},
		"native 1.0": {build: func(r *repo) {
			r.write(hello("1.0", "", odd))
			r.commit()
		}, names: []string{"hello_1.0.tar.gz"}, tree: odd},
		"quilt": {build: func(r *repo) {
			r.git("checkout", "--quiet", "-b", "upstream")
			r.write(with(upstream, odd))
			r.run("rm", "-r", "debian")
			r.commit()
			r.git("tag", "upstream/1.0")
			r.git("checkout", "--quiet", "-b", "main")
			r.write(hello("1.0-1", "3.0 (quilt)", with(odd, binaries)))
			r.commit()
		}, tree: with(odd, binaries)},
		"native, with attributes": {build: func(r *repo) {
			r.write(hello("1.0", "3.0 (native)", with(odd, map[string]string{
				".gitattributes": "debian export-ignore\nrun export-ignore\n*.txt text eol=crlf\nhello.c ident export-subst\n", "hello.c": "$Id$ $Format:%H$\n", "lf.txt": "a\nb\n",
			})))
			// The index would be converted too.
			r.write(map[string]string{".git/info/attributes": "* -text -eol -crlf -ident\n"})
			r.commit()
		}, names: []string{"hello_1.0.tar.xz"}, tree: with(odd, map[string]string{"hello.c": "$Id$ $Format:%H$\n", "lf.txt": "a\nb\n", "crlf.txt": "a\r\nb\r\n"})},
	})
}

// TestAttributes: a tarball that git-archive has made lacks files and has others altered; the branch,
// where they are as they are, fits to it all the same.
func TestAttributes(t *testing.T) {
	attributes := map[string]string{
		".gitattributes": "/debian export-ignore\ntests export-ignore\n.gitattributes export-ignore\nversion.h export-subst\n*.bat text eol=crlf\n*.id ident\n",
		"tests/a.c":      "int test;\n", "tests/deep/b.c": "int deep;\n", "version.h": "#define V \"$Format:%H$ $Format:%d$\"\n", "run.bat": "echo\nexit\n", "x.id": "$Id$\n",
	}
	tagged := func(r *repo, packaging map[string]string) {
		r.git("checkout", "--quiet", "-b", "upstream")
		r.write(with(upstream, attributes))
		r.commit()
		r.git("tag", "upstream/1.0")
		r.git("checkout", "--quiet", "-b", "main")
		r.write(hello("1.0-1", "3.0 (quilt)", with(fix, packaging)))
		r.commit()
	}
	archived := func(r *repo) {
		tagged(r, nil)
		r.run("sh", "-c", "git archive --prefix=forge-1.0/ upstream/1.0 | gzip -n >../hello_1.0.orig.tar.gz")
		r.git("tag", "-d", "upstream/1.0")
		r.git("branch", "-D", "upstream")
	}
	altered := map[string]string{"run.bat": "echo\r\nexit\r\n", "hello.c": "int main(void) { return 1; }\n", "tests/a.c": "", ".gitattributes": ""}
	gz := []string{"hello_1.0-1.debian.tar.xz", "hello_1.0.orig.tar.gz"}
	testLayouts(t, map[string]kept{
		"tag":                {build: func(r *repo) { tagged(r, nil) }, tree: altered, log: "left out"},
		"tarball of a forge": {build: archived, names: gz, tree: altered},
		"tarball with everything": {build: func(r *repo) {
			tagged(r, nil)
			tarball(r, "../hello_1.0.orig.tar.gz", below("x", with(upstream, attributes)))
		}, names: gz, tree: map[string]string{"run.bat": "echo\nexit\n", "tests/a.c": "int test;\n", "version.h": attributes["version.h"]}},
		"pristine-tar": {build: func(r *repo) {
			tagged(r, nil)
			tarball(r, "../x/hello_1.0.orig.tar.gz", below("x", with(upstream, attributes)))
			r.run("pristine-tar", "commit", "../x/hello_1.0.orig.tar.gz", "upstream")
		}, names: gz, tree: map[string]string{"run.bat": "echo\nexit\n", "tests/a.c": "int test;\n", "version.h": attributes["version.h"]}},
		"pristine-tar, set up by gbp": {build: func(r *repo) {
			tagged(r, nil)
			tarball(r, "../x/hello_1.0.orig.tar.gz", below("x", with(upstream, attributes)))
			r.write(map[string]string{".git/info/attributes": "* -export-ignore -export-subst -text -eol -crlf -ident -filter -working-tree-encoding\n"})
			r.run("pristine-tar", "commit", "../x/hello_1.0.orig.tar.gz", "upstream")
		}, names: gz, tree: map[string]string{"run.bat": "echo\nexit\n", "tests/a.c": "int test;\n", "version.h": attributes["version.h"]}},
		"format 1.0": {build: func(r *repo) {
			archived(r)
			r.write(map[string]string{"debian/source/format": "1.0\n", "hello.c": "int changed;\n"})
			r.commit()
		}, names: []string{"hello_1.0-1.diff.gz", "hello_1.0.orig.tar.gz"}, tree: map[string]string{"run.bat": "echo\r\nexit\r\n", "hello.c": "int changed;\n", "tests/a.c": ""}},
	})
}

// TestLFS: what git-lfs keeps elsewhere is not in the repository.
func TestLFS(t *testing.T) {
	const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03\nsize 6\n"
	lfs := map[string]string{".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "data.bin": pointer}
	t.Run("content in the tarball", func(t *testing.T) {
		r := newRepo(t)
		branched(r, lfs)
		tarball(r, "../hello_1.0.orig.tar.gz", below("x", with(upstream, lfs, map[string]string{"data.bin": "hello\n"})))
		b := newBench(t, "--codename", "bookworm", "--allow-unsigned")
		s := b.mustMake(r, "main", r.git("rev-parse", "main"))[0]
		tree, _ := b.unpack(s)
		wantTree(t, tree, map[string]string{"data.bin": "hello\n"})
	})
	for name, build := range map[string]func(r *repo){
		"native": func(r *repo) { r.write(hello("1.0", "3.0 (native)", lfs)) },
		"tag": func(r *repo) {
			r.write(with(upstream, lfs))
			r.commit()
			r.git("tag", "upstream/1.0")
			r.write(hello("1.0-1", "3.0 (quilt)", nil))
		},
		"tag, debian alone": func(r *repo) {
			apart(r, nil)
			r.git("checkout", "--quiet", "upstream")
			r.write(lfs)
			r.commit()
			r.git("tag", "-f", "upstream/1.0")
			r.git("checkout", "--quiet", "main")
		},
		"other content": func(r *repo) {
			branched(r, lfs)
			tarball(r, "../hello_1.0.orig.tar.gz", below("x", with(upstream, lfs, map[string]string{"data.bin": "other\n"})))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRepo(t)
			build(r)
			_, err := newBench(t, "--codename", "bookworm", "--allow-unsigned").make(r, r.git("branch", "--show-current"), r.commit())
			wantFailure(t, err, message.ClassPackage, "data.bin is a pointer of git-lfs", "--tarballs")
		})
	}
}
