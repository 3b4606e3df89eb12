package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/bots/internal/policy"
	"foundry/pkg/message"
)

// A said is what a source message says of policy.
type said struct {
	Codename, Indep               string
	Only, Profiles, Words, Output []string
	Network                       bool
	Timeout                       int
}

func saidOf(sources []*message.Source) (all []said) {
	for _, s := range sources {
		all = append(all, said{s.Codename, s.IndepArchitecture, s.Only, s.Profiles, s.Options, s.Outputs, s.Network, s.Timeout})
	}
	return all
}

// withPolicy makes a repository with a policy on its default branch main, and another on a branch that
// tries to be built by it. It returns the newest commits of both.
func withPolicy(t *testing.T, text string) (r *repo, onMain, onBranch string) {
	t.Helper()
	r = newRepo(t)
	r.write(hello("1.0", "3.0 (native)", nil))
	r.commit()
	r.git("checkout", "--quiet", "-b", "topic")
	r.write(map[string]string{policy.File: "network = true\ntimeout = \"20h\"\ncodenames = [\"sid\"]\nprofiles = [\"evil\"]\noutputs = [\"%**\"]\nno such key"})
	onBranch = r.commit()
	r.git("checkout", "--quiet", "main")
	r.write(map[string]string{policy.File: text})
	return r, r.commit(), onBranch
}

// TestPolicy: what the default branch says counts for every commit, and nothing that a commit itself says.
func TestPolicy(t *testing.T) {
	args := []string{"--codename", "bookworm", "--codename", "trixie", "--allow-unsigned", "--build-profile", "nodoc", "--build-option", "terse", "--build-timeout", "30m"}
	plain := said{Indep: "amd64", Profiles: []string{"nodoc"}, Words: []string{"terse"}, Timeout: 1800}
	with := func(codename string, alter func(*said)) said {
		s := plain
		s.Codename = codename
		alter(&s)
		return s
	}
	both := func(alter func(*said)) []said { return []said{with("bookworm", alter), with("trixie", alter)} }
	for name, test := range map[string]struct {
		policy string
		more   []string
		want   []said // for the branch topic
	}{
		"empty":        {"", nil, both(func(*said) {})},
		"ignored":      {"enable = false", []string{"--policy", "ignore"}, both(func(*said) {})},
		"network":      {"network = true", nil, both(func(s *said) { s.Network = true })},
		"timeout":      {"timeout = \"2h\"", nil, both(func(s *said) { s.Timeout = 7200 })},
		"profiles":     {`profiles = ["nocheck", "nodoc"]`, nil, both(func(s *said) { s.Profiles = []string{"nodoc", "nocheck"} })},
		"options":      {`options = ["nocheck"]`, nil, both(func(s *said) { s.Words = []string{"terse", "nocheck"} })},
		"outputs":      {`outputs = ["=a.xml", "!b"]`, nil, both(func(s *said) { s.Output = []string{"=a.xml", "!b"} })},
		"codename":     {`codenames = ["trixie"]`, nil, []said{with("trixie", func(*said) {})}},
		"mapped":       {`codenames = ["main:trixie", "top*:bookworm"]`, nil, []said{with("bookworm", func(*said) {})}},
		"architecture": {`architectures = ["any-amd64", "i386"]`, nil, both(func(s *said) { s.Only = []string{"any-amd64", "i386"} })},
		"other architecture": {`architectures = ["linux-any", "any-arm64", "arm64"]`, []string{"--indep-architecture", "kfreebsd-amd64"}, both(func(s *said) {
			s.Only, s.Indep = []string{"linux-any", "any-arm64", "arm64"}, "arm64"
		})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _, onBranch := withPolicy(t, test.policy)
			b := newBench(t, append(args, test.more...)...)
			if diff := cmp.Diff(test.want, saidOf(b.mustMake(r, "topic", onBranch))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestPolicyFaults: a policy that cannot be followed fails each commit, in words that say where it is.
func TestPolicyFaults(t *testing.T) {
	for name, test := range map[string]struct{ file, reason, hint string }{
		"unknown key":      {"netwrok = true", `unknown key "netwrok"`, `did you mean "network"?`},
		"disabled":         {"enable = false", "nothing of this repository is built: enable = false", "do not watch"},
		"unknown codename": {`codenames = ["forky"]`, `key "codenames": forky is not among what is built here`, "bookworm"},
		"other branch":     {`codenames = ["main:bookworm"]`, "nothing of main:bookworm is for branch topic", `"topic:bookworm"`},
		"nobody for all":   {`architectures = ["any-arm64"]`, "amd64, which is to build the packages for all, is not among them", "add the name"},
		"not signed":       {`allow-committers = ["a@example.org"]`, `key "allow-committers": the commit is not signed by a known key`, "have it signed"},
		"too many words":   {`profiles = ["` + strings.Join(strings.Split("abcdefghijklmnopqrstuvwxyz012345", ""), `","`) + `"]`, "there are 33, more than 32", "leave some out"},
		"link":             {"-> ../hello.c", "it is a symbolic link", "plain file"},
		"link out":         {"-> /etc/passwd", "it is a symbolic link", "plain file"},
		"huge":             {strings.Repeat("#", 1<<20), "it has 1048576 bytes", "shorten"},
		"monstrous":        {strings.Repeat("#", 17<<20), "it is larger than 16777216 bytes", "shorten"},
		"not UTF-8":        {"# J\xf6rg\n", "not UTF-8", "iconv"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _, onBranch := withPolicy(t, test.file)
			b := newBench(t, "--codename", "bookworm", "--allow-unsigned", "--build-profile", "own")
			_, err := b.make(r, "topic", onBranch)
			wantFailure(t, err, message.ClassPolicy, "debian/foundry.toml on branch main: ", test.hint)
			wantFailure(t, err, message.ClassPolicy, test.reason, test.hint)
		})
	}
	t.Run("folder", func(t *testing.T) {
		r, _, _ := withPolicy(t, "")
		r.git("rm", "--quiet", policy.File)
		r.write(map[string]string{policy.File + "/x": "x"})
		_, err := newBench(t, "--codename", "bookworm", "--allow-unsigned").make(r, "main", r.commit())
		wantFailure(t, err, message.ClassPolicy, "debian/foundry.toml on branch main: it is not a file", "plain file")
	})
}

// TestPolicyMoves: the newest commit of the default branch counts, also for older ones, and whatever branch
// becomes the default.
func TestPolicyMoves(t *testing.T) {
	r, old, _ := withPolicy(t, "network = true")
	r.write(map[string]string{policy.File: "timeout = \"1h\""})
	r.commit()
	b := newBench(t, "--codename", "bookworm", "--allow-unsigned")
	if got := b.mustMake(r, "main", old)[0]; got.Network || got.Timeout != 3600 {
		t.Errorf("the commit's own policy counts: %+v", got)
	}
	r.git("symbolic-ref", "HEAD", "refs/heads/topic")
	_, err := b.make(r, "main", old)
	wantFailure(t, err, message.ClassPolicy, "debian/foundry.toml on branch topic: line 6", "TOML")
	for name, head := range map[string][]string{
		"HEAD that leads nowhere": {"symbolic-ref", "HEAD", "refs/heads/gone"},
		"HEAD that is a commit":   {"update-ref", "--no-deref", "HEAD", old},
	} {
		r.git(head...)
		if got := b.mustMake(r, "main", old)[0]; got.Network || got.Timeout != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestPolicyIsSigned: who may write the policy is as trusted as who may commit.
func TestPolicyIsSigned(t *testing.T) {
	r := newRepo(t)
	r.write(hello("1.0", "3.0 (native)", nil))
	r.signingKey("mallory")
	r.commit("-S")
	_, public := r.signingKey("alice")
	r.git("checkout", "--quiet", "-b", "topic")
	byAlice := r.commit("-S")
	b := newBench(t, "--codename", "bookworm")
	if err := os.WriteFile(b.bot.committers, []byte(public), 0o644); err != nil {
		t.Fatal(err)
	}
	b.mustMake(r, "topic", byAlice) // no policy: whoever signed the default branch does not matter
	r.git("checkout", "--quiet", "main")
	r.write(map[string]string{policy.File: "network = true"})
	r.commit()
	_, err := b.make(r, "topic", byAlice)
	wantFailure(t, err, message.ClassPolicy, "debian/foundry.toml on branch main is not believed: verify commit", "the newest commit there must be signed by one who may commit")
	r.git("commit", "--quiet", "--amend", "--no-edit", "-S")
	if s := b.mustMake(r, "topic", byAlice); !s[0].Network {
		t.Error("the signed policy does not count")
	}
	r.git("commit", "--quiet", "--amend", "--no-edit", "--no-gpg-sign")
	ignoring := newBench(t, "--codename", "bookworm", "--policy", "ignore", "--committers", b.bot.committers)
	if s := ignoring.mustMake(r, "topic", byAlice); s[0].Network {
		t.Error("the policy counts though it is to be ignored")
	}
	unsigned := newBench(t, "--codename", "bookworm", "--allow-unsigned", "--committers", b.bot.committers)
	if s := unsigned.mustMake(r, "topic", byAlice); !s[0].Network {
		t.Error("where nothing needs to be signed, the policy does not either")
	}
}

// TestAllowCommitters narrows whom the keyring allows, and allows nobody else.
func TestAllowCommitters(t *testing.T) {
	r := newRepo(t)
	r.write(hello("1.0", "3.0 (native)", nil))
	mallory, _ := r.signingKey("mallory")
	byMallory := r.commit("-S")
	_, keyOfBob := r.signingKey("bob")
	byBob := r.commit("-S")
	unsigned := r.commit()
	alice, keyOfAlice := r.signingKey("alice")
	byAlice := r.commit("-S")
	r.git("branch", "topic")
	for _, list := range []string{alice, "ALICE@example.org", `carol@example.org", "alice@example.org`, mallory + `", "mallory@example.org", "` + strings.ToLower(alice)} {
		r.write(map[string]string{policy.File: `allow-committers = ["` + list + `"]`})
		r.commit("-S")
		for _, args := range [][]string{nil, {"--allow-unsigned"}} {
			b := newBench(t, append(args, "--codename", "bookworm")...)
			if err := os.WriteFile(b.bot.committers, []byte(keyOfAlice+"\n"+keyOfBob+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			b.mustMake(r, "topic", byAlice)
			_, err := b.make(r, "topic", byBob)
			wantFailure(t, err, message.ClassPolicy, "bob@example.org, who is not among them", "fingerprint")
			for _, commit := range []string{byMallory, unsigned} {
				_, err := b.make(r, "topic", commit)
				wantFailure(t, err, message.ClassPolicy, "signed", "")
			}
		}
	}
}
