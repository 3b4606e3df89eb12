package main

import (
	"strings"
	"testing"

	"foundry/pkg/bot"
	"foundry/pkg/message"
)

// made runs the bot on a repository and returns its error.
func made(t *testing.T, r *repo, args ...string) error {
	t.Helper()
	_, err := newBench(t, append([]string{"--codename", "bookworm", "--allow-unsigned"}, args...)...).make(r, r.git("branch", "--show-current"), r.git("rev-parse", "HEAD"))
	return err
}

// TestLayoutsRefused: what would be a guess, or cannot be, is refused in one line with a hint.
func TestLayoutsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		build        func(r *repo)
		args         []string
		reason, hint string
	}{
		"branch without shared history": {build: func(r *repo) {
			apart(r, nil)
			r.git("tag", "-d", "upstream/1.0")
		}, reason: "shares no history with the commit: tag the upstream commit upstream/1.0", hint: "upstream-tree"},
		"tag alone is asked for":     {build: func(r *repo) { branched(r, gbp("upstream-tree = TAG\n")) }, reason: "tag upstream/1.0, tag v1.0, tag 1.0", hint: "upstream-tag"},
		"upstream-tree is not there": {build: func(r *repo) { branched(r, gbp("upstream-tree = nowhere\n")) }, reason: "upstream-tree nowhere", hint: "upstream-tree"},
		"tarball in the commit": {build: func(r *repo) {
			apart(r, nil)
			r.git("tag", "-d", "upstream/1.0")
			r.git("branch", "-D", "upstream")
			tarball(r, "hello_1.0.orig.tar.gz", below("x", upstream))
			r.commit()
		}, reason: "no orig tarball of hello 1.0", hint: "pristine-tar commit"},
		"format 1.0 with xz": {build: func(r *repo) {
			branched(r, map[string]string{"debian/source/format": "1.0\n"})
			r.git("branch", "-D", "upstream")
			tarball(r, "../hello_1.0.orig.tar.xz", below("x", upstream))
		}, reason: "no orig tarball of hello 1.0", hint: "hello_1.0.orig.tar.gz"},
		"format 1.0 with components": {build: func(r *repo) {
			branched(r, with(gbp("component = plug\n"), map[string]string{"debian/source/format": "1.0\n"}))
		}, reason: "1.0 takes one orig tarball", hint: "3.0 (quilt)"},
		"component without tarball": {build: func(r *repo) {
			branched(r, gbp("component = plug\n"))
			tarball(r, "../hello_1.0.orig.tar.gz", below("x", upstream))
		}, reason: "no tarball of component plug", hint: "hello_1.0.orig-plug.tar.gz"},
		"component that is no folder": {build: func(r *repo) { branched(r, gbp("component = plug\n")) }, reason: "component plug of debian/gbp.conf is no folder of upstream commit", hint: "debian/gbp.conf"},
		"signature that is missing": {build: func(r *repo) {
			branched(r, gbp("upstream-signatures = on\n"))
			tarball(r, "../hello_1.0.orig.tar.gz", below("x", upstream))
		}, reason: "no signature hello_1.0.orig.tar.gz.asc", hint: "pristine-tar commit -s"},
		"tarball leads out of its folder": {build: func(r *repo) {
			branched(r, nil)
			r.run("ln", "-s", "/etc/passwd", "../hello_1.0.orig.tar.gz")
		}, reason: "hello_1.0.orig.tar.gz in folder", hint: "plain file"},
		"tarball is a folder": {build: func(r *repo) {
			branched(r, nil)
			r.run("mkdir", "../hello_1.0.orig.tar.gz")
		}, reason: "not a file", hint: "plain file"},
		"tarball is broken": {build: func(r *repo) {
			apart(r, nil)
			r.git("tag", "-d", "upstream/1.0")
			r.run("sh", "-c", "head -c 3000 /dev/zero >../hello_1.0.orig.tar.gz")
		}, reason: "unpack hello_1.0.orig.tar.gz", hint: "whole"},
		"tarball with a device": {build: func(r *repo) {
			apart(r, nil)
			r.git("tag", "-d", "upstream/1.0")
			r.run("sh", "-c", "mkdir ../x && mkfifo ../x/pipe && touch ../x/file && tar -C .. -czf ../hello_1.0.orig.tar.gz x")
		}, reason: `has "x/pipe", which is neither file, folder nor link`, hint: "repack"},
		"changed upstream source": {build: func(r *repo) {
			branched(r, map[string]string{"hello.c": "int changed;\n", "doc/new.txt": "new\n"})
		}, reason: "outside of debian: doc/new.txt, hello.c", hint: "debian/patches"},
		"file made a link": {build: func(r *repo) { branched(r, map[string]string{"configure": "-> hello.c"}) }, reason: "configure", hint: "put them back"},
		"binary in debian": {build: func(r *repo) { branched(r, map[string]string{"debian/x.bin": "\x00\x01\x02"}) }, reason: "binary files in debian: debian/x.bin", hint: "include-binaries"},
		"changed binary":   {build: func(r *repo) { branched(r, map[string]string{"doc/read.me": "\x00\x01\x02"}) }, reason: "doc/read.me", hint: "debian/source/include-binaries"},
		"patch with offsets": {build: func(r *repo) {
			branched(r, with(fix, map[string]string{"debian/patches/fix.patch": strings.Replace(fix["debian/patches/fix.patch"], "return 0", "return 7", 1)}))
		}, reason: "debian/patches/fix.patch", hint: "quilt"},
		"submodule that nobody has": {build: func(r *repo) {
			r.write(with(hello("1.0", "3.0 (native)", nil), map[string]string{".gitmodules": "[submodule \"x\"]\n\tpath = x\n\turl = https://example.org/x.git\n\tupdate = checkout\n"}))
			r.git("add", "-A")
			r.git("update-index", "--add", "--cacheinfo", "160000,"+strings.Repeat("1", 40)+",y")
			r.git("commit", "--quiet", "-m", "x")
		}, reason: "y: .gitmodules has no url for it", hint: "submodules = False"},
		"patch is missing": {build: func(r *repo) { branched(r, map[string]string{"debian/patches/series": "fix.patch\n"}) }, reason: "fix.patch", hint: "quilt"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRepo(t)
			test.build(r)
			err := made(t, r, test.args...)
			if err == nil {
				t.Fatal("it is made")
			}
			wantFailure(t, err, message.ClassPackage, test.reason, test.hint)
			if _, ok := err.(*bot.Failure); ok && strings.Contains(err.Error(), "root:x:") {
				t.Errorf("a file of this host is shown: %v", err)
			}
		})
	}
}
