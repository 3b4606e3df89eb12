package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foundry/bots/foundry/trace"
	"foundry/pkg/bot"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

// allLinks are the links of a chain from the file to the commit in git.
var allLinks = []string{"file", "repository", "dist", "sign", "build", "provision", "source", "commit", "git"}

// links lists all links but the given ones.
func linksBut(others ...string) (names []string) {
	for _, name := range allLinks {
		if !contains(others, name) {
			names = append(names, name)
		}
	}
	return names
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

func TestTraceWhole(t *testing.T) {
	h := newHistory(t, buildTraced(t), nil)
	h.tell()
	out := h.must("trace", h.deb)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != len(allLinks)+1 || lines[len(lines)-1] != tracedDeb+": every link holds" {
		t.Fatalf("chain:\n%s", out)
	}
	for i, name := range allLinks {
		if !strings.HasPrefix(lines[i], "✓ "+name) {
			t.Errorf("link %s: %s", name, lines[i])
		}
	}
	for _, part := range []string{h.committer.Fingerprint(), h.sign.Key, h.dist.Key, h.commit.Ref, h.commit.Repository, string(h.dist.Packages[0].SHA256)} {
		if !strings.Contains(out, part) {
			t.Errorf("chain lacks %s:\n%s", part, out)
		}
	}
	var ch trace.Chain
	h.ok(json.Unmarshal([]byte(h.must("trace", "traced=1.0", "--json")), &ch))
	if !ch.Whole || len(ch.Links) != len(allLinks) {
		t.Errorf("as JSON: %+v", ch)
	}
	h.expect(trace.Target{Package: "traced", Version: "1.0", Arch: "source"}, map[string][]string{"✓": linksBut("file"), "–": {"file"}})
	if out := h.must("trace", h.deb, "--verbose"); !strings.Contains(out, "    ✓ without its signature the package is what was built") {
		t.Errorf("verbose:\n%s", out)
	}
}

func TestTraceUnknown(t *testing.T) {
	h := newHistory(t, buildTraced(t), nil)
	h.tell(message.TypeDist)
	status, _, errs := h.cli("trace", h.deb)
	if status != 1 || !strings.Contains(errs, "no message says that "+h.deb+" was published") {
		t.Errorf("not published: exit status %d, %q", status, errs)
	}
	status, _, errs = h.cli("trace", "traced=1.0")
	if status != 1 || !strings.Contains(errs, "hint: nothing was published, or too long ago: messages are kept for 30 days") {
		t.Errorf("not published: exit status %d, %q", status, errs)
	}
	sign, err := message.New(botSelf("distbot"), message.Dists, message.ContextOf(&h.commit), "", &h.dist)
	h.ok(err)
	h.forge(sign)
	status, _, errs = h.cli("trace", h.deb)
	if status != 1 || !strings.Contains(errs, "hint: 1 messages on dists are not believed") {
		t.Errorf("forged dist message: exit status %d, %q", status, errs)
	}
}

func TestTraceArguments(t *testing.T) {
	h := newHistory(t, buildTraced(t), nil)
	h.tell()
	altered := filepath.Join(t.TempDir(), tracedDeb)
	text, err := os.ReadFile(h.deb)
	h.ok(err)
	h.ok(os.WriteFile(altered, text, 0o644))
	flipByte(t, altered, int64(len(text)/2))
	empty := filepath.Join(t.TempDir(), "other.deb")
	h.ok(os.WriteFile(empty, nil, 0o644))
	for _, test := range []struct {
		arg    string
		status int
		says   []string
	}{
		{altered, 1, []string{altered + " is not what was published under its name", "do not install it"}},
		{empty, 1, []string{"no message says that " + empty + " was published", "hint: it was altered, comes from elsewhere, or is too old"}},
		{"traced=1.1", 1, []string{"no message says that traced=1.1 was published", "hint: known are", "traced=1.0/amd64"}},
		{"trased=1.0", 1, []string{`did you mean "traced"?`}},
		{"traced=1.0/arm64", 1, []string{"traced=1.0/arm64", "traced=1.0/amd64"}},
		{"traced", 2, []string{"give traced=VERSION"}},
		{"nowhere/x.deb", 2, []string{"no file nowhere/x.deb"}},
		{"traced=", 2, []string{"hello=2.10-3"}},
		{"traced=1.0/", 2, []string{"hello=2.10-3/amd64"}},
		{"traced=a b", 2, []string{"hello=2.10-3"}},
		{"=1.0", 2, []string{"hello=2.10-3"}},
		{t.TempDir(), 2, []string{"is not a file"}},
	} {
		status, _, errs := h.cli("trace", test.arg)
		for _, part := range test.says {
			if status != test.status || !strings.Contains(errs, part) {
				t.Errorf("trace %q: exit status %d, %q lacks %q", test.arg, status, errs, part)
			}
		}
	}
}

// Each case alters one thing; the link that this breaks must say so, and what the others find must
// stay.
func TestTraceBroken(t *testing.T) {
	built := buildTraced(t)
	mallory, err := trust.Generate("mallory")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		signer *trust.Key
		alter  func(*history) // before the messages are said
		silent []message.Type
		after  func(*history) // after that
		broken []string
		gone   []string // links that are not reached
		out    []string // links that are left out
		says   string
	}{
		{
			name: "file in the pool", broken: []string{"repository"}, says: "the file that is served",
			after: func(h *history) {
				flipByte(h.t, filepath.Join(h.state, "repo", "yard", h.debFilename()), 100)
			},
		},
		{
			name: "InRelease", broken: []string{"repository"}, says: "signature does not match",
			after: func(h *history) {
				flipByte(h.t, filepath.Join(h.state, "repo", "yard", "dists", "stable", "InRelease"), 120)
			},
		},
		{
			name: "repository key", broken: []string{"repository"}, says: "InRelease is signed by the repository key",
			alter: func(h *history) { h.dist.Key = mallory.Fingerprint() },
		},
		{
			name: "index", broken: []string{"repository"}, says: "Packages lists the file",
			after: func(h *history) {
				flipByte(h.t, filepath.Join(h.state, "repo", "yard", "dists", "stable", "main", "binary-amd64", "Packages.xz"), 40)
			},
		},
		{
			name: "no repository", out: []string{"repository"}, says: "the repository is not on this machine",
			after: func(h *history) { h.ok(os.RemoveAll(filepath.Join(h.state, "repo"))) },
		},
		{
			name: "package key is not trusted", signer: mallory, broken: []string{"sign"}, says: "signed by unknown key",
		},
		{
			name: "other package key is named", broken: []string{"sign"}, says: "signed by",
			alter: func(h *history) { h.sign.Key = mallory.Fingerprint() },
		},
		{
			name: "no package keys", broken: []string{"sign"}, says: "foundry trust add FILE.asc packages",
			after: func(h *history) { h.ok(os.Remove(filepath.Join(bot.TrustDir(h.state), "packages.asc"))) },
		},
		{
			name: "signed file in the store", broken: []string{"sign"}, says: "artifact is corrupt",
			after: func(h *history) { alterStored(h.yard, h.sign.Files[2]) },
		},
		{
			name: "built file in the store", broken: []string{"build"}, says: "artifact is corrupt",
			after: func(h *history) { alterStored(h.yard, h.build.Files[2]) },
		},
		{
			name: "artifact removed", broken: []string{"source"}, says: "the artifact was removed from the store",
			after: func(h *history) { h.ok(h.Store.Delete(h.t.Context(), h.source.Files[1].SHA256)) },
		},
		{
			name: "another file was built", broken: []string{"sign", "build"}, says: "the build message names the file without its signature",
			alter: func(h *history) { h.build.Files[2].SHA256 = h.build.Files[1].SHA256 },
		},
		{
			name: "another environment", broken: []string{"build"}, says: "was built in environment",
			alter: func(h *history) { h.build.ImageKey = strings.Repeat("d", 64) },
		},
		{
			name: "another source package", broken: []string{"build"}, says: "was built from the source package",
			alter: func(h *history) { h.build.SourceFiles = h.source.Files[:1] },
		},
		{
			name: "provision of another source", broken: []string{"build", "provision"}, says: "names the files of the source message",
			alter: func(h *history) { h.provision.Files = h.source.Files[:1] },
		},
		{
			name: "file that the .dsc does not list", broken: []string{"provision", "source"}, says: "lists exactly the files",
			alter: func(h *history) {
				h.source.Files = append(h.source.Files[:2:2], h.put(filepath.Join(built, tracedBuildinfo)))
			},
		},
		{
			name: "another commit", broken: []string{"source"}, says: "commits differ",
			alter: func(h *history) {
				h.commit.Ref = strings.Repeat("c", 40)
			},
		},
		{
			name: "message that is not kept", silent: []message.Type{message.TypeProvision},
			broken: []string{"provision"}, gone: []string{"source", "commit", "git"}, says: "hint: it has expired: messages are kept for 30 days",
		},
		{
			name: "key that may not speak any more", broken: []string{"build"}, gone: []string{"provision", "source", "commit", "git"},
			says:  "foundry trust list builds",
			after: func(h *history) { h.ok(os.Remove(filepath.Join(bot.TrustDir(h.state), "builds.asc"))) },
		},
		{
			name: "committer who is trusted no more", broken: []string{"git"}, says: "no keys are trusted as committers",
			after: func(h *history) { h.ok(os.Remove(filepath.Join(bot.TrustDir(h.state), "committers.asc"))) },
		},
		{
			name: "other committer", broken: []string{"git"}, says: "the commit is signed by " + mallory.Fingerprint(),
			alter: func(h *history) { h.source.Signer = mallory.Fingerprint() },
		},
		{
			name: "repository that cannot be reached", broken: []string{"git"}, says: "--offline leaves this out",
			after: func(h *history) { h.ok(os.RemoveAll(h.git.bare)) },
		},
		{
			name: "unsigned commit that was allowed", says: "unsigned, allowed",
			alter: func(h *history) { h.source.Signer = "" },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := newHistory(t, built, test.signer)
			if test.alter != nil {
				test.alter(h)
			}
			h.tell(test.silent...)
			if test.after != nil {
				test.after(h)
			}
			want := map[string][]string{"✓": linksBut(append(append(test.gone, test.broken...), test.out...)...)}
			if test.broken != nil {
				want["✗"] = test.broken
			}
			if test.out != nil {
				want["–"] = test.out
			}
			ch := h.expect(trace.Target{Path: h.deb}, want)
			status, out, _ := h.cli("trace", h.deb)
			if !strings.Contains(out, test.says) {
				t.Errorf("chain does not say %q:\n%s", test.says, out)
			}
			if whole := test.broken == nil; ch.Whole != whole || status == 0 != whole {
				t.Errorf("whole: %t, exit status %d", ch.Whole, status)
			}
		})
	}
}

// debFilename is where the repository has the package.
func (h *history) debFilename() string {
	for _, p := range h.dist.Packages {
		if p.Architecture == "amd64" {
			return p.Filename
		}
	}
	h.t.Fatal("no package was published")
	return ""
}

func TestTraceOffline(t *testing.T) {
	h := newHistory(t, buildTraced(t), nil)
	h.tell()
	h.ok(os.RemoveAll(h.git.bare))
	h.expect(trace.Target{Path: h.deb, Offline: true}, map[string][]string{"✓": linksBut("git"), "–": {"git"}})
	if out := h.must("trace", "--offline", h.deb); !strings.HasSuffix(out, tracedDeb+": every link that was looked at holds; left out: git\n") {
		t.Errorf("chain:\n%s", out)
	}
}
