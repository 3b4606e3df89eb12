package git

import (
	"errors"
	"strings"
	"testing"
)

func TestResolveURL(t *testing.T) {
	for _, test := range []struct{ base, url, want string }{
		{"https://host/team/a.git", "../b.git", "https://host/team/b.git"},
		{"https://ann:s3cret@host:8443/team/a/", "../../other/b", "https://ann:s3cret@host:8443/other/b"},
		{"https://host/a", "./b", "https://host/a/b"},
		{"https://host/a", "../b/../c", "https://host/c"},
		{"ssh://git@host:22/srv/a", "../b", "ssh://git@host:22/srv/b"},
		{"git@host:team/a.git", "../b.git", "git@host:team/b.git"},
		{"git@host:a.git", "../b.git", "git@host:b.git"},
		{"host:/srv/a", "../b", "host:/srv/b"},
		{"[::1]:team/a", "../b", "[::1]:team/b"},
		{"ann@[::1]:team/a", "../b", "ann@[::1]:team/b"},
		{"git://host/a", "../b", "git://host/b"},
		{"/srv/git/a", "../b", "/srv/git/b"},
		{"file:///srv/git/a", "../b", "file:///srv/git/b"},
		{"https://host/a", "https://elsewhere/b", "https://elsewhere/b"},
		{"https://host/a", "/srv/b", "/srv/b"}, // whether that may be is for others to say
		{"/srv/a", "git@host:b", "git@host:b"},
		{"https://host/a", "../../b", ""},
		{"https://host/a", "../b/../../c", ""},
		{"git@host:a", "../../b", ""},
		{"/srv/a", "../../../etc", ""},
		{"git@host:a", "../-oProxyCommand=id", ""},
		{"ssh://host/a", "../-x", ""},
		{"https://host/a", "b", ""},
		{"https://host/a", "", ""},
		{"https://host/a", "../b?x", ""},
		{"https://host/a", "../b\nc", ""},
		{"https://host/a", "--upload-pack=id", ""},
		{"https://host/a", "ext::sh -c id", ""},
		{"https://ann:s3cret@host/a", "../../../b", ""},
	} {
		got, err := ResolveURL(test.base, test.url)
		if got != test.want && err == nil || test.want == "" && !errors.Is(err, ErrURL) || test.want != "" && err != nil {
			t.Errorf("%s from %s: got %q, %v, want %q", test.url, test.base, got, err, test.want)
		}
		if err != nil && (strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s from %s: says %q", test.url, test.base, err)
		}
	}
}

// FuzzResolveURL checks that a URL never leads to another host than the base, or to the file system, unless it says so itself.
func FuzzResolveURL(f *testing.F) {
	f.Add("https://host/a", "../b")
	f.Add("git@host:a", "../../b")
	f.Add("[::1]:a", "./../b")
	f.Fuzz(func(t *testing.T, base, url string) {
		if CheckURL(base) != nil {
			return
		}
		got, err := ResolveURL(base, url)
		if err != nil {
			return
		}
		if CheckURL(got) != nil {
			t.Fatalf("%q from %q: %q is not allowed", url, base, got)
		}
		if (strings.HasPrefix(url, "./") || strings.HasPrefix(url, "../")) && (LocalPath(got) == "") != (LocalPath(base) == "") {
			t.Fatalf("%q from %q: leads to %q", url, base, got)
		}
	})
}
