package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/message"
)

func TestSignatures(t *testing.T) {
	r := newRepo(t)
	r.write(hello("1.0", "3.0 (native)", nil))
	unsigned := r.commit()
	fingerprint, public := r.signingKey("alice")
	byAlice := r.commit("-S")
	r.signingKey("mallory")
	byMallory := r.commit("-S")

	b := newBench(t, "--codename", "bookworm")
	_, err := b.make(r, "main", byAlice)
	wantFailure(t, err, message.ClassPolicy, "there is no keyring", "--allow-unsigned")
	if err := os.WriteFile(b.bot.committers, []byte(public), 0o644); err != nil {
		t.Fatal(err)
	}
	s := b.mustMake(r, "main", byAlice)
	if s[0].Signer != fingerprint {
		t.Errorf("signer %q, want %q", s[0].Signer, fingerprint)
	}
	_, err = b.make(r, "main", unsigned)
	wantFailure(t, err, message.ClassPolicy, "commit is not signed", "--allow-unsigned")
	_, err = b.make(r, "main", byMallory)
	wantFailure(t, err, message.ClassPolicy, "committed by C D", fingerprint)

	// An altered commit with the signature of another is not the commit that was signed.
	object := strings.Replace(r.git("cat-file", "commit", byAlice)+"\n", "Work on it", "Work on evil", 1)
	path := filepath.Join(t.TempDir(), "commit")
	if err := os.WriteFile(path, []byte(object), 0o644); err != nil {
		t.Fatal(err)
	}
	forged := r.git("hash-object", "-t", "commit", "-w", path)
	r.git("branch", "forged", forged)
	_, err = b.make(r, "forged", forged)
	wantFailure(t, err, message.ClassPolicy, forged, fingerprint)

	if err := os.WriteFile(b.bot.committers, []byte("this is no keyring"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err = b.make(r, "main", byAlice); err == nil || bot.HintOf(err) == "" {
		t.Errorf("broken keyring: %v, hint %q", err, bot.HintOf(err))
	}
}

func TestBranches(t *testing.T) {
	r := newRepo(t)
	r.write(hello("1.0", "3.0 (native)", nil))
	ref := r.commit()
	r.git("branch", "other")
	b := newBench(t, "--codename", "main:bookworm", "--codename", "stable:bookworm", "--build-branch", "main", "--build-branch", "o*", "--allow-unsigned")
	_, err := b.make(r, "other", ref)
	wantFailure(t, err, message.ClassPolicy, "unknown codename: branch other is not mapped to any; known are main:bookworm, stable:bookworm", "--codename other:CODENAME")
	if s, err := b.make(r, "stable", ref); len(s) > 0 || err != nil {
		t.Errorf("branch stable is built though no --build-branch names it: %v, %v", s, err)
	}
	if got := b.bot.results(nil, &message.Commit{Origin: message.Origin{Branch: "stable"}}); got != nil {
		t.Errorf("results of a branch that is not built: %v", got)
	}
	if got := b.bot.results(nil, &message.Commit{Origin: message.Origin{Branch: "main"}}); len(got) != 1 || got[0].Siblings[0] != "bookworm" {
		t.Errorf("results: %v", got)
	}
}

func TestUpstreamBranchesAreNotBuilt(t *testing.T) {
	o := newBench(t, "--codename", "bookworm", "--codename", "upstream/beta:trixie").bot.options
	for branch, want := range map[string]bool{
		"main": true, "debian/sid": true, "upstreaming": true, "tags/v1": true, "upstream/beta": true,
		"upstream": false, "upstream/latest": false, "pristine-tar": false, "tags/upstream/1.0": false,
	} {
		if o.wanted(branch) != want {
			t.Errorf("%s: %v", branch, !want)
		}
	}
}

func TestLatestOnly(t *testing.T) {
	r := newRepo(t)
	r.write(hello("1.0", "3.0 (native)", nil))
	old := r.commit()
	r.write(map[string]string{"hello.c": "int newer;\n"})
	head := r.commit()
	b := newBench(t, "--codename", "bookworm", "--latest-only", "--allow-unsigned")
	if s := b.mustMake(r, "main", old); s != nil {
		t.Errorf("the overtaken commit is built: %v", s)
	}
	if s := b.mustMake(r, "main", head); len(s) != 1 {
		t.Errorf("the newest commit is not built")
	}
	r.git("checkout", "--quiet", "-b", "side", old)
	r.git("branch", "-f", "main", old)
	if s := b.mustMake(r, "main", head); len(s) != 1 {
		t.Errorf("a commit that a rewritten branch has left is passed over: it was not overtaken")
	}
}

// TestFaults: what is wrong with a package is told in one line with a hint, and published.
func TestFaults(t *testing.T) {
	good := hello("1.0", "3.0 (native)", nil)
	for name, test := range map[string]struct {
		files        map[string]string // over good; "" removes
		reason, hint string
	}{
		"no debian":           {map[string]string{"debian/changelog": "", "debian/control": "", "debian/rules": "", "debian/source/format": ""}, "the commit has no folder debian", "packaging branch"},
		"debian is a file":    {map[string]string{"debian/changelog": "", "debian/control": "", "debian/rules": "", "debian/source/format": "", "debian": "x"}, "debian is not a folder", "folder"},
		"debian is a link":    {map[string]string{"debian/changelog": "", "debian/control": "", "debian/rules": "", "debian/source/format": "", "debian": "-> /etc"}, "debian is not a folder", "folder"},
		"no changelog":        {map[string]string{"debian/changelog": ""}, "the commit has no debian/changelog", "packaging branch"},
		"changelog a folder":  {map[string]string{"debian/changelog": "", "debian/changelog/x": "x"}, "debian/changelog is not a file", "plain file"},
		"changelog leads out": {map[string]string{"debian/changelog": "-> ../../../../../../../etc/passwd"}, "leads out of the tree", "replace it"},
		"changelog absolute":  {map[string]string{"debian/changelog": "-> /etc/passwd"}, "leads out of the tree", "replace it"},
		"changelog circle":    {map[string]string{"debian/changelog": "-> changelog"}, "debian/changelog", ""},
		"broken changelog":    {map[string]string{"debian/changelog": "hello 1.0\n"}, "debian/changelog: line 1: heading is not of the form", "deb-changelog"},
		"no control":          {map[string]string{"debian/control": ""}, "the commit has no debian/control", "packaging branch"},
		"broken control":      {map[string]string{"debian/control": "Source: hello\nnonsense\n"}, "debian/control: line 2: not a field", "deb-src-control"},
		"other source":        {map[string]string{"debian/control": strings.Replace(good["debian/control"], "Source: hello", "Source: other", 1)}, "of source package hello and debian/control of other", "same source package"},
		"no rules":            {map[string]string{"debian/rules": ""}, "the commit has no debian/rules", "packaging branch"},
		"unknown format":      {map[string]string{"debian/source/format": "3.0 (git)\n"}, "unsupported source format", "3.0 (quilt)"},
		"custom format":       {map[string]string{"debian/source/format": "3.0 (custom)\n"}, "unsupported source format", "3.0 (quilt)"},
		"native in quilt":     {map[string]string{"debian/source/format": "3.0 (quilt)\n"}, "version 1.0 has no revision", "1.0-1"},
		"broken gbp.conf":     {map[string]string{"debian/gbp.conf": "[DEFAULT]\npristine-tar = perhaps\n"}, "debian/gbp.conf: option pristine-tar", "gbp.conf"},
		"quilt's folder":      {map[string]string{".pc/applied-patches": "x\n"}, "folder .pc", "git rm"},
		"quilt's link":        {map[string]string{".pc": "-> /tmp"}, "folder .pc", "git rm"},
		"options lead out":    {map[string]string{"debian/source/options": "-> /etc/passwd"}, "debian/source/options is a symbolic link", "replace it"},
		"patches lead out":    {map[string]string{"debian/patches": "-> /etc"}, "debian/patches is a symbolic link", "replace it"},
		"tests lead out":      {map[string]string{"debian/tests/control": "-> /etc/shadow"}, "debian/tests/control is a symbolic link", "replace it"},
		"series climbs":       {map[string]string{"debian/patches/series": "../../../etc/passwd\n"}, "patch outside of debian/patches", "list only"},
		"series is absolute":  {map[string]string{"debian/patches/ubuntu.series": "/etc/passwd -p1\n"}, "patch outside of debian/patches", "list only"},
		"dpkg-source refuses": {map[string]string{"debian/control": strings.Replace(good["debian/control"], "debhelper-compat (= 13)", "debhelper-compat ((= 13)", 1)}, "dpkg-source: ", "dpkg-source -b"},
		"options print help":  {map[string]string{"debian/source/options": "help\n"}, "dpkg-source made no hello_1.0.dsc", "debian/source/options"},
		"substvar in depends": {map[string]string{"debian/control": strings.Replace(good["debian/control"], "doxygen", "${foo}", 1)}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			files := maps.Clone(good)
			for path, text := range test.files {
				delete(files, path)
				if text != "" {
					files[path] = text
				}
			}
			r.write(files)
			b := newBench(t, "--codename", "bookworm", "--allow-unsigned")
			_, err := b.make(r, "main", r.commit())
			wantFailure(t, err, message.ClassPackage, test.reason, test.hint)
			for _, secret := range []string{"root:x:", "nologin"} {
				if strings.Contains(err.Error()+b.log, secret) {
					t.Errorf("a file of this host is shown: %v\n%s", err, b.log)
				}
			}
		})
	}
}

// TestRelationsFitAMessage: what would not fit is the package's fault, and not trouble of the bus.
func TestRelationsFitAMessage(t *testing.T) {
	m := &maker{sourcebot: newBench(t, "--codename", "bookworm").bot, about: &message.Commit{}}
	long := func(bytes int) string { return strings.Repeat("package, ", bytes/9) + "last" }
	dsc := &debian.Dsc{Source: "hello", Format: "1.0"}
	if _, err := m.message(dsc, nil, release{codename: "bookworm"}); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"Build-Depends", "Build-Depends-Arch", "Build-Depends-Indep", "Build-Conflicts"} {
		dsc.Fields = append(dsc.Fields, debian.Field{Name: field, Value: long(65_000)})
	}
	_, err := m.message(dsc, nil, release{codename: "bookworm"})
	wantFailure(t, err, message.ClassPackage, "more than a message may have", "shorten")
	dsc.Fields = debian.Stanza{{Name: "Build-Depends", Value: long(70_000)}}
	_, err = m.message(dsc, nil, release{codename: "bookworm"})
	wantFailure(t, err, message.ClassPackage, "debian/control: Build-Depends: parse relations: 69997 bytes", "policy")
}

func TestRevisionInNative(t *testing.T) {
	r := newRepo(t)
	r.write(hello("1.0-1", "3.0 (native)", nil))
	_, err := newBench(t, "--codename", "bookworm", "--allow-unsigned").make(r, "main", r.commit())
	wantFailure(t, err, message.ClassPackage, "version 1.0-1 has a revision", "3.0 (quilt)")
}

func TestMissingOrig(t *testing.T) {
	r := newRepo(t)
	r.write(hello("1.0-1", "3.0 (quilt)", map[string]string{"debian/gbp.conf": "[DEFAULT]\nupstream-tag = v%(version)s\nupstream-branch = vendor\n"}))
	ref := r.commit()
	b := newBench(t, "--codename", "bookworm", "--allow-unsigned")
	_, err := b.make(r, "main", ref)
	wantFailure(t, err, message.ClassPackage, "no orig tarball of hello 1.0: looked for branch pristine-tar, folder "+filepath.Dir(r.dir)+", tag v1.0, branch vendor", "pristine-tar commit hello_1.0.orig.tar.xz")

	// A tag that is pushed later is found, though the commit is in the mirror already.
	r.git("tag", "v1.0", ref)
	wantNames(t, b.mustMake(r, "main", ref)[0], "hello_1.0-1.dsc", "hello_1.0-1.debian.tar.xz", "hello_1.0.orig.tar.xz")
}

// TestMissingOrigOfFormat1: a native package is made only where nothing tells of an upstream.
func TestMissingOrigOfFormat1(t *testing.T) {
	more := func(name, text string) func(*repo) {
		return func(r *repo) {
			r.write(hello("1.0-1", "", map[string]string{name: text}))
			r.commit()
		}
	}
	with := func(args ...string) func(*repo) {
		return func(r *repo) {
			more("debian/copyright", "x\n")(r)
			r.run(args...)
		}
	}
	orphan := `set -e; git checkout --quiet --orphan "$0"; git commit --quiet -m x; git checkout --quiet main`
	for name, test := range map[string]struct {
		build func(*repo)
		sign  string
	}{
		"tag in gbp.conf":          {more("debian/gbp.conf", "[DEFAULT]\nupstream-tag = v%(version)s\n"), "options of debian/gbp.conf"},
		"branch in gbp.conf":       {more("debian/gbp.conf", "[DEFAULT]\nupstream-branch = vendor\n"), "options of debian/gbp.conf"},
		"pristine-tar in gbp.conf": {more("debian/gbp.conf", "[DEFAULT]\npristine-tar = True\n"), "options of debian/gbp.conf"},
		"watch file":               {more("debian/watch", "version=4\n"), "debian/watch"},
		"pristine-tar":             {with("sh", "-c", orphan, "pristine-tar"), "branch pristine-tar"},
		"upstream branch":          {with("sh", "-c", orphan, "upstream"), "branch upstream"},
		"upstream branch, DEP-14":  {with("sh", "-c", orphan, "upstream/latest"), "branch upstream/latest"},
		"older tarball":            {with("touch", "../hello_0.9.orig.tar.gz"), "hello_0.9.orig.tar.gz in folder"},
		"tarball of another kind":  {with("touch", "../hello_1.0.orig.tar.xz"), "hello_1.0.orig.tar.xz in folder"},
		"debian alone": {func(r *repo) {
			more("debian/copyright", "x\n")(r)
			r.git("rm", "--quiet", "hello.c")
			r.commit()
		}, "folder debian alone"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRepo(t)
			test.build(r)
			b := newBench(t, "--codename", "bookworm", "--allow-unsigned")
			_, err := b.make(r, "main", r.git("rev-parse", "HEAD"))
			wantFailure(t, err, message.ClassPackage, "no orig tarball of hello 1.0: looked for ", "hello_1.0.orig.tar.gz")
			if !strings.Contains(b.log, "not a native package, for there is an upstream: ") || !strings.Contains(b.log, test.sign) {
				t.Errorf("log has not %q:\n%s", test.sign, b.log)
			}
		})
	}
}

// TestUpstreamBranchWithPackaging: a branch that has the packaging merged is not the upstream source,
// whatever it is called.
func TestUpstreamBranchWithPackaging(t *testing.T) {
	r, ref := upstreamRepo(t, "3.0 (quilt)", nil)
	r.git("branch", "-f", "upstream", ref)
	_, err := newBench(t, "--codename", "bookworm", "--allow-unsigned").make(r, "debian/main", ref)
	wantFailure(t, err, message.ClassPackage, "branch upstream (which has the packaging merged", "upstream-branch")
}

func TestPristineTarAskedForButMissing(t *testing.T) {
	r, ref := upstreamRepo(t, "3.0 (quilt)", map[string]string{"debian/gbp.conf": "[DEFAULT]\npristine-tar = True\n"})
	r.git("tag", "upstream/1.0_rc1", "upstream")
	_, err := newBench(t, "--codename", "bookworm", "--allow-unsigned").make(r, "debian/main", ref)
	wantFailure(t, err, message.ClassPackage, "looked for branch pristine-tar", "pristine-tar commit")
}

func TestUpstreamChanges(t *testing.T) {
	r, _ := upstreamRepo(t, "3.0 (quilt)", map[string]string{"hello.c": "int changed;\n"})
	r.git("tag", "upstream/1.0_rc1", "upstream")
	b := newBench(t, "--codename", "bookworm", "--allow-unsigned")
	_, err := b.make(r, "debian/main", r.git("rev-parse", "debian/main"))
	wantFailure(t, err, message.ClassPackage, "aborting due to unexpected upstream changes", "make patches of the changes")
	f := err.(*bot.Failure)
	if f.Log == nil || len(f.Tail) == 0 || b.store.files[f.Log.SHA256] == nil {
		t.Errorf("no log: %+v", f)
	}
	if !strings.Contains(b.log, "dpkg-source: info") {
		t.Errorf("nothing was streamed: %q", b.log)
	}
}

func TestGoneAndMissing(t *testing.T) {
	r := newRepo(t)
	r.write(hello("1.0", "3.0 (native)", nil))
	r.commit()
	b := newBench(t, "--codename", "bookworm", "--allow-unsigned")
	_, err := b.make(r, "main", strings.Repeat("1", 40))
	wantFailure(t, err, message.ClassPackage, "no such commit", "branch was rewritten")
	absent := &repo{t: t, dir: filepath.Join(t.TempDir(), "absent")}
	_, err = b.make(absent, "main", strings.Repeat("1", 40))
	if _, is := err.(*bot.Failure); is || err == nil || bot.HintOf(err) == "" {
		t.Errorf("a repository that is not there is no fault of the package: %v, hint %q", err, bot.HintOf(err))
	}
}

func TestTimeLimit(t *testing.T) {
	r := newRepo(t)
	r.write(hello("1.0", "3.0 (native)", nil))
	b := newBench(t, "--codename", "bookworm", "--allow-unsigned", "--timeout", "1ms")
	begun := time.Now()
	_, err := b.make(r, "main", r.commit())
	wantFailure(t, err, message.ClassPackage, "took longer than 1ms", "--timeout")
	if time.Since(begun) > time.Minute {
		t.Error("the limit did not end the work")
	}
}

// TestCommitterIsFitForAMessage has a name longer than any field, which steers text besides.
func TestCommitterIsFitForAMessage(t *testing.T) {
	m, err := message.New(message.Bot{}, message.Sources, "x", "", &message.Source{Committer: strings.Repeat("é", 300) + "a\u202eb\x1b <x>"})
	if err != nil {
		t.Fatal(err)
	}
	body, err := m.Body()
	if err != nil {
		t.Fatal(err)
	}
	got := body.(*message.Source).Committer
	if n := len([]rune(got)); n != 256 || strings.ContainsAny(got, "\u202e\x1b") {
		t.Errorf("%d characters: %q", n, got)
	}
}
