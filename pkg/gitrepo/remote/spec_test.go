package remote

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/gitrepo/git"
)

const someHash = "1927f05e65fa1d38ea6137baf0670d40e43bd821"

func TestParseSpec(t *testing.T) {
	for _, test := range []struct {
		text string
		want Spec
	}{
		{"https://git.example.org/hello.git", Spec{"https://git.example.org/hello.git", ""}},
		{"https://ann:s3cret@git.example.org:8443/hello#stable", Spec{"https://ann:s3cret@git.example.org:8443/hello", "stable"}},
		{"http://git.example.org/hello#debian/*", Spec{"http://git.example.org/hello", "debian/*"}},
		{"git@git.example.org:team/hello.git#tags/*", Spec{"git@git.example.org:team/hello.git", "tags/*"}},
		{"[::1]:hello#main", Spec{"[::1]:hello", "main"}},
		{"ssh://git@git.example.org:22/hello#refs/tags/v1", Spec{"ssh://git@git.example.org:22/hello", "tags/v1"}},
		{"git://git.example.org/hello#refs/heads/main", Spec{"git://git.example.org/hello", "main"}},
		{"file:///srv/git/a%23b.git#[a-c]*", Spec{"file:///srv/git/a%23b.git", "[a-c]*"}},
		{"/srv/git/größe und mehr#größe", Spec{"/srv/git/größe und mehr", "größe"}},
		{"/srv/git/hello#" + someHash, Spec{"/srv/git/hello", someHash}},
		{"/srv/git/hello#feature#1", Spec{"/srv/git/hello", "feature#1"}},
	} {
		got, err := ParseSpec(test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.text, diff)
		}
	}
}

func TestParseSpecMakesPathsAbsolute(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, text := range []string{"hello", "./hello", "sub/../hello", "a/../hello"} {
		got, err := ParseSpec(text + "#main")
		if err != nil || got.URL != dir+"/hello" {
			t.Errorf("%s: %q, %v", text, got.URL, err)
		}
	}
}

func TestParseSpecRefuses(t *testing.T) {
	for _, text := range []string{
		"", "#main", "https://", "https:///hello", "https://host", "ssh://host", "git://host/",
		"ext::sh -c id", "fd::17/foo", "x+y::z", "ftp://host/x", "rsync://host/x", "HTTP://host/x", "javascript://host/x",
		"--upload-pack=touch /tmp/x", "-oProxyCommand=id:x", "-x", "ssh://-oProxyCommand=id/x", "ssh://-x@host/p", "ssh://host/-x",
		"u@-oProxyCommand=id:x", "host:", "host:-x", "git://ann@host/x",
		"https://host/x?token=1", "https://host/x?", "file://host/x", "http://ho st/x", "https://host:port/x", "https://u:p/w@host/x",
		"/srv/a\nb", "/srv/\x1b[31m", "/srv/\xff", "/srv/\u202e", "/" + strings.Repeat("a", 2048),
		"/srv/a#", "/srv/a#..", "/srv/a#-x", "/srv/a#--upload-pack=x", "/srv/a#a..b", "/srv/a#a b", "/srv/a#a~1", "/srv/a#a^", "/srv/a#a:b",
		"/srv/a#a\\b", "/srv/a#[a", "/srv/a#a.lock", "/srv/a#@{u}", "/srv/a#@", "/srv/a#a//b", "/srv/a#/a", "/srv/a#a/", "/srv/a#.a",
		"/srv/a#*..", "/srv/a#\u202e", "/srv/a#" + strings.Repeat("a", 256),
	} {
		got, err := ParseSpec(text)
		if !errors.Is(err, git.ErrURL) {
			t.Errorf("%q: got %+v, %v", text, got, err)
		} else if strings.ContainsAny(err.Error(), "\n\x1b") || strings.Contains(err.Error(), "p/w") {
			t.Errorf("%q: says %q", text, err)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, test := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "main", true},
		{"*", "debian/sid", true},
		{"*", "tags/v1", false},
		{"tags/*", "tags/v1", true},
		{"tags/*", "tags/debian/1-1", true},
		{"tags/*", "main", false},
		{"tags/v[12]", "tags/v3", false},
		{"debian/*", "debian/sid", true},
		{"debian/*", "debian", false},
		{"debian/b?????orm", "debian/bookworm", false},
		{"debian/b????orm", "debian/bookworm", true},
		{"main", "main", true},
		{"main", "main2", false},
	} {
		if got := (Spec{Pattern: test.pattern}).Matches(test.name); got != test.want {
			t.Errorf("%s matches %s: %v", test.pattern, test.name, got)
		}
	}
}

func TestSelectShortHash(t *testing.T) {
	_, err := Spec{URL: "/srv/a", Pattern: "54d0273"}.Select([]Head{{"main", someHash, true}})
	if !errors.Is(err, git.ErrNoBranch) || !strings.Contains(err.Error(), "40 digits") {
		t.Errorf("got %v, want one that says how many digits a commit takes", err)
	}
}

func TestSelect(t *testing.T) {
	other := strings.Repeat("a", 40)
	heads := []Head{{"a", other, false}, {"main", someHash, true}, {"tags/v1", other, false}}
	for _, test := range []struct {
		pattern string
		heads   []Head
		want    []Head
		err     error
	}{
		{"", heads, heads[1:2], nil},
		{"a", heads, heads[:1], nil},
		{"tags/v1", heads, heads[2:], nil},
		{"*", heads, heads[:2], nil},
		{"x*", heads, nil, nil},
		{"*", nil, nil, nil},
		{other, heads, heads[:1], nil},
		{strings.Repeat("b", 40), heads, []Head{{"main", strings.Repeat("b", 40), true}}, nil},
		{"b", heads, nil, git.ErrNoBranch},
		{"v1", heads, nil, git.ErrNoBranch},
		{"", nil, nil, git.ErrNoBranch},
		{"", heads[:1], nil, git.ErrNoBranch},
		{other, nil, nil, git.ErrNoBranch},
	} {
		got, err := Spec{URL: "/srv/a", Pattern: test.pattern}.Select(test.heads)
		if !errors.Is(err, test.err) {
			t.Errorf("%q: %v, want %v", test.pattern, err, test.err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.pattern, diff)
		}
	}
}

// FuzzParseSpec checks that what is accepted comes back the same and can be no option or program.
func FuzzParseSpec(f *testing.F) {
	helper := regexp.MustCompile(`^[A-Za-z0-9+.-]*::`)
	for _, seed := range []string{
		"https://ann:s3cret@host/x#a", "git@host:x#tags/*", "ext::sh -c id", "--upload-pack=x", "/srv/a#[", "[::1]:x", "a:b", "a/b:c#" + someHash,
		"ssh://u:p@h:1/p#refs/heads/x", "file:///a%23b#*",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		spec, err := ParseSpec(text)
		if err != nil {
			if !errors.Is(err, git.ErrURL) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if git.CheckURL(spec.URL) != nil || strings.HasPrefix(spec.URL, "-") || strings.HasPrefix(spec.Pattern, "-") || helper.MatchString(spec.URL) {
			t.Fatalf("%q: accepted %+v", text, spec)
		}
		again, err := ParseSpec(spec.String())
		if err != nil || again.String() != spec.String() || again.Pattern != spec.Pattern {
			t.Fatalf("%q: %+v becomes %+v, %v", text, spec, again, err)
		}
		if git.Redact(git.Redact(spec.URL)) != git.Redact(spec.URL) {
			t.Fatalf("%q: redacted twice differs", text)
		}
		spec.Matches("main")
	})
}
