package repo

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/bots/internal/repoctl"
	"foundry/pkg/bot"
	"foundry/pkg/message"
	"foundry/pkg/publish"
)

// listed makes a package from "name version arch", with "component source source-version" behind it where they differ
// from main, name and version.
func listed(text string) publish.Listed {
	words := strings.Fields(text)
	p := publish.Listed{
		Published: message.Published{Package: words[0], Version: words[1], Architecture: words[2]},
		Component: "main", Source: words[0], SourceVersion: words[1],
	}
	if len(words) > 3 {
		p.Component, p.Source, p.SourceVersion = words[3], words[4], words[5]
	}
	return p
}

func listedAll(texts ...string) (list []publish.Listed) {
	for _, text := range texts {
		list = append(list, listed(text))
	}
	return list
}

// squeeze makes one blank of several, so that tests need not count them.
func squeeze(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

func TestPrintChanges(t *testing.T) {
	udeb := listed("hello 2.0-1 amd64")
	udeb.Udeb = true
	other := listed("data 1.0-1 all")
	other.SHA256 = "b"
	for _, c := range []struct {
		name           string
		added, removed []publish.Listed
		want           []string
	}{
		{"come and gone", listedAll("b 1 amd64"), listedAll("a 1 amd64"), []string{"- a amd64 1 main", "+ b amd64 1 main"}},
		{"raised", listedAll("hello 1:1.0-1 amd64", "hello 1:1.0-1 source"), listedAll("hello 2.0-1 amd64", "hello 2.0-1 source"), []string{
			"~ hello amd64 2.0-1 → 1:1.0-1 main", "~ hello source 2.0-1 → 1:1.0-1 main",
		}},
		{"lowered", listedAll("hello 2.0-1 amd64"), listedAll("hello 1:1.0-1 amd64"), []string{"~ hello amd64 1:1.0-1 → 2.0-1 (lower) main"}},
		{"an udeb is another package", []publish.Listed{udeb}, listedAll("hello 1.0-1 amd64"), []string{"- hello amd64 1.0-1 main", "+ hello (udeb) amd64 2.0-1 main"}},
		{"other component", listedAll("hello 1 amd64 contrib hello 1"), listedAll("hello 1 amd64"), []string{"~ hello amd64 1 (was in main) contrib"}},
		{"other content", []publish.Listed{other}, listedAll("data 1.0-1 all"), []string{"~ data all 1.0-1 (other content) main"}},
		{"several versions", listedAll("a 3 amd64"), listedAll("a 1 amd64", "a 2 amd64"), []string{"~ a amd64 1 → 3 main", "- a amd64 2 main"}},
		{"nothing", nil, nil, nil},
		{"hostile", listedAll("a\x1b[2J 1 amd64"), nil, []string{"+ a?[2J amd64 1 main"}},
	} {
		var b bytes.Buffer
		if err := printChanges(&b, c.added, c.removed); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(strings.Join(c.want, "\n"), squeeze(b.String())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestRows(t *testing.T) {
	var entries []entry
	for _, p := range listedAll("hello 1 source", "hello 1 i386", "hello 1 amd64", "hello 2 amd64", "hello 1 arm64 contrib hello 1") {
		entries = append(entries, entry{"sid", p})
	}
	want := [][]string{
		{"PACKAGE", "VERSION", "CODENAME", "COMPONENT", "ARCHITECTURES"},
		{"hello", "1", "sid", "main", "amd64, i386, source"},
		{"hello", "2", "sid", "main", "amd64"},
		{"hello", "1", "sid", "contrib", "arm64"},
	}
	if diff := cmp.Diff(want, rows(entries)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSelected(t *testing.T) {
	for arg, want := range map[string]publish.Select{
		"hello":               {Name: "hello"},
		"hello=1:2.0-1~rc1":   {Name: "hello", Version: "1:2.0-1~rc1"},
		"hello:amd64":         {Name: "hello", Architecture: "amd64"},
		"libstdc++6:all=1=2":  {Name: "libstdc++6", Architecture: "all", Version: "1=2"},
		"hello:source=1:2-1":  {Name: "hello", Architecture: "source", Version: "1:2-1"},
		"":                    {},
		"=1":                  {},
		"hello=":              {},
		"hello:":              {},
		"hello:=1":            {},
		"hello_1.0-1_amd64":   {},
		"../hello":            {},
		"hel*":                {},
		"hello 1.0":           {},
		"hello_1.0_amd64.deb": {},
	} {
		got, err := new(changing).selected([]string{arg})
		if want.Name == "" {
			if err == nil || bot.HintOf(err) == "" {
				t.Errorf("%q is %+v", arg, got)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", arg, err)
			continue
		}
		if diff := cmp.Diff([]publish.Select{want}, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", arg, diff)
		}
	}
}

func TestHintPackage(t *testing.T) {
	list := listedAll("hello 1.0-1 source", "hello 1.0-1 amd64", "hello-doc 1.0-1 all main hello 1.0-1", "world 2 source", "hello-doc 3 all main hello 2")
	for _, c := range []struct {
		s    publish.Select
		want string
	}{
		{publish.Select{Name: "helo"}, `did you mean "hello"?`},
		{publish.Select{Name: "hello-doc"}, "hello-doc is a binary package of hello: name that, or give --binary"},
		{publish.Select{Name: "hello", Version: "3"}, "sid has hello 1.0-1, 2"},
		{publish.Select{Name: "hello-dok", Binary: true}, `did you mean "hello-doc"?`},
		{publish.Select{Name: "hello", Architecture: "arm64"}, "see foundry repo list sid"},
	} {
		if got := hintPackage("sid", []publish.Select{c.s}, list); got != c.want {
			t.Errorf("%+v: %q, want %q", c.s, got, c.want)
		}
	}
	if got := hintPackage("sid", []publish.Select{{Name: "hello"}}, nil); got != "no packages are published yet" {
		t.Errorf("nothing there: %q", got)
	}
}

func TestCodename(t *testing.T) {
	a := &archive{about: repoctl.About{Name: "main", Codenames: []string{"bookworm", "trixie"}, Suites: map[string]string{"bookworm": "stable"}}}
	for name, want := range map[string]string{"bookworm": "bookworm", "stable": "bookworm", "trixie": "trixie"} {
		if got, err := a.codename(name); got != want || err != nil {
			t.Errorf("%s is %s, %v", name, got, err)
		}
	}
	for name, hint := range map[string]string{"bokworm": `did you mean "bookworm"?`, "unstable": `did you mean "stable"?`, "": "known are bookworm, stable and trixie"} {
		if got, err := a.codename(name); err == nil || bot.HintOf(err) != hint {
			t.Errorf("%s is %s, %v (%s)", name, got, err, bot.HintOf(err))
		}
	}
}
