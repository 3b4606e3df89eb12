package message_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"foundry/pkg/message"
)

// The ids of messages that are kept somewhere must never change.
func TestIDsAreGolden(t *testing.T) {
	c := &message.Commit{Origin: origin, Time: noon}
	again := &message.Commit{Origin: origin, Count: 1, Time: noon}
	for name, tt := range map[string]struct{ got, want string }{
		"build":   {string(message.MakeID(message.Builds, message.TypeBuild, "5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c", "amd64")), "5e853d2d06625f648a2b14e771977242"},
		"commit":  {string(message.CommitID(c)), "e9ccf49add80a0c41ec59092cb9be680"},
		"rebuild": {string(message.CommitID(again)), "c0482ec056a3058623da02449e9d36a1"},
		"context": {message.ContextOf(c), "hello-20261120-120000-e9ccf4"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s is %s, want %s", name, tt.got, tt.want)
		}
	}
}

func TestIDsDiffer(t *testing.T) {
	const parent = message.ID("5f0c5f0c5f0c5f0c5f0c5f0c5f0c5f0c")
	ids := map[message.ID]string{}
	add := func(name string, id message.ID) {
		if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(string(id)) {
			t.Errorf("id of %s is %q", name, id)
		}
		if other, twice := ids[id]; twice {
			t.Errorf("%s and %s have the same id", name, other)
		}
		ids[id] = name
	}
	add("build", message.MakeID("builds", "build", parent))
	add("other topic", message.MakeID("tests", "build", parent))
	add("other type", message.MakeID("builds", "test", parent))
	add("no parent", message.MakeID("builds", "build", ""))
	add("empty sibling", message.MakeID("builds", "build", parent, ""))
	add("two empty siblings", message.MakeID("builds", "build", parent, "", ""))
	add("a b", message.MakeID("builds", "build", parent, "a", "b"))
	add("b a", message.MakeID("builds", "build", parent, "b", "a"))
	add("ab", message.MakeID("builds", "build", parent, "ab"))
	add("ab and nothing", message.MakeID("builds", "build", parent, "ab", ""))
	add("newline", message.MakeID("builds", "build", parent, "a\nb"))
	add("length inside", message.MakeID("builds", "build", parent, "a\n1 b"))
	add("length and newline inside", message.MakeID("builds", "build", parent, "a\n1 b\n"))
	add("parent in the sibling", message.MakeID("builds", "build", "", string(parent)))
}

func TestIDSaysNothingOfWhenAndByWhom(t *testing.T) {
	c := &message.Commit{Origin: origin, Author: "A", Time: noon}
	first, err := message.NewCommit(sender, c)
	if err != nil {
		t.Fatal(err)
	}
	c.Author, c.Subject = "B", "other"
	second, err := message.NewCommit(message.Bot{Name: "hookbot"}, c)
	if err != nil {
		t.Fatal(err)
	}
	if first.ID != second.ID || first.ID != message.CommitID(c) || first.Context != second.Context {
		t.Errorf("ids %s and %s, contexts %s and %s", first.ID, second.ID, first.Context, second.Context)
	}
}

func TestContextOf(t *testing.T) {
	for url, want := range map[string]string{
		"https://git.example.org/hello.git": "hello-20261120-231501-",
		"/srv/git/lib x+y":                  "lib_x_y-20261120-231501-",
		"https://":                          "_-20261120-231501-",
		"/" + strings.Repeat("x", 5000):     strings.Repeat("x", 200) + "-20261120-231501-",
	} {
		c := &message.Commit{Time: time.Date(2026, 11, 21, 1, 15, 1, 0, time.FixedZone("", 2*60*60))}
		c.Repository = url
		got := message.ContextOf(c)
		if !strings.HasPrefix(got, want) || len(got) != len(want)+6 {
			t.Errorf("context of %.40s is %s, want %s and six digits", url, got, want)
		}
	}
}

func TestRepositoryName(t *testing.T) {
	for url, want := range map[string]string{
		"https://git.example.org/team/hello.git":  "hello",
		"https://git.example.org/team/hello.git/": "hello",
		"https://git.example.org/team/hello":      "hello",
		"ssh://git@git.example.org:2222/hello":    "hello",
		"git@git.example.org:team/hello.git":      "hello",
		"git@git.example.org:hello.git":           "hello",
		"/srv/git/hello":                          "hello",
		"/srv/git/hello/.git":                     "hello",
		"/srv/git/hello/.git/":                    "hello",
		"/srv/git/hello.git//":                    "hello",
		"hello":                                   "hello",
		"/srv/git/hello.github":                   "hello.github",
		"/srv/git/a.git.git":                      "a.git",
		"/srv/git/c++":                            "c++",
		"/srv/git/größe":                          "größe",
		"":                                        "",
		"/":                                       "",
		"///":                                     "",
		".":                                       "",
		"/srv/..":                                 "",
		".git":                                    "",
		"/.git":                                   "",
		"host:":                                   "",
		"/" + strings.Repeat("ü", 101):            strings.Repeat("ü", 100),
	} {
		if got := message.RepositoryName(url); got != want {
			t.Errorf("RepositoryName(%q) = %q, want %q", url, got, want)
		}
	}
}

func TestSafeKey(t *testing.T) {
	for in, want := range map[string]string{
		"": "_", "amd64": "amd64", "libstdc++6": "libstdc__6", "a.b": "a_b", "a b": "a_b", ">": "_", "*": "_",
		"python3.11": "python3_11", "ü": "_", "\xff": "_", "a/b": "a_b", "A-Z_0": "A-Z_0", "x\n": "x_",
	} {
		if got := message.SafeKey(in); got != want {
			t.Errorf("SafeKey(%q) = %q, want %q", in, got, want)
		}
	}
}
