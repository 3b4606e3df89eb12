package debian

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const goodControl = `# comment
Source: hello
Section: devel
Maintainer: A B <a@example.org>
Build-Depends: debhelper-compat (= 13),
# in the middle
               libfoo-dev [amd64],
Rules-Requires-Root: no

Package: hello
Architecture: any
Description: says hello
 Long text.
 .
 More.


Package: hello-doc
Architecture: all
Build-Profiles: <!nodoc> <cross !stage1>

Package: hello-udeb
Architecture: linux-any
Package-Type: udeb
`

func TestParseSourceControl(t *testing.T) {
	c, err := ParseSourceControl([]byte(goodControl))
	if err != nil {
		t.Fatal(err)
	}
	type binary struct {
		Name, Type string
		Archs      []string
		Profiles   [][]string
	}
	var got []binary
	for _, b := range c.Binaries {
		got = append(got, binary{b.Package, b.Type, b.Architectures, b.Profiles})
	}
	want := []binary{
		{"hello", "deb", []string{"any"}, nil},
		{"hello-doc", "deb", []string{"all"}, [][]string{{"!nodoc"}, {"cross", "!stage1"}}},
		{"hello-udeb", "udeb", []string{"linux-any"}, nil},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if c.Source != "hello" || c.Fields.Get("rules-requires-ROOT") != "no" {
		t.Errorf("source %q, fields %v", c.Source, c.Fields)
	}
	if got, want := c.Fields.Get("Build-Depends"), "debhelper-compat (= 13),\n              libfoo-dev [amd64],"; got != want {
		t.Errorf("Build-Depends %q, want %q", got, want)
	}
	if got, want := c.Binaries[0].Fields.Get("Description"), "says hello\nLong text.\n\nMore."; got != want {
		t.Errorf("Description %q, want %q", got, want)
	}
}

func TestParseControlErrors(t *testing.T) {
	const package1 = "\nPackage: hello\nArchitecture: any\n"
	for name, test := range map[string]struct{ text, want string }{
		"empty":              {"", "empty"},
		"comments only":      {"# x\n\n", "empty"},
		"no field":           {"Source: hello\nwhat is this\n", "line 2: not a field"},
		"field twice":        {"Source: hello\nsource: other\n", "line 2: field source is there twice"},
		"continuation first": {"\n\n continued\n", "line 3: continuation line without a field"},
		"null byte":          {"Source: a\x00b\n", "line 1: null byte"},
		"no source":          {"Package: hello\n" + package1, "line 1: invalid source package name"},
		"source with slash":  {"Source: a/../b\n" + package1, "invalid source package name"},
		"no binary":          {"Source: hello\n", "no binary package"},
		"no architecture":    {"Source: hello\n\nPackage: hello\n", "stanza at line 3: package hello has no Architecture"},
		"bad architecture":   {"Source: hello\n\nPackage: hello\nArchitecture: a/b\n", "invalid architecture"},
		"package twice":      {"Source: hello\n" + package1 + package1, "line 6: package hello is there twice"},
		"bad profiles":       {"Source: hello\n" + package1 + "Build-Profiles: !nodoc\n", "invalid Build-Profiles"},
		"open profiles":      {"Source: hello\n" + package1 + "Build-Profiles: <!nodoc\n", "invalid Build-Profiles"},
		"escape":             {"\x1b[31mSource: hello\n", "line 1: not a field"},
		"too large":          {strings.Repeat("#", maxControl+1), "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseSourceControl([]byte(test.text))
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q does not say %q", err, test.want)
			}
			if strings.ContainsAny(err.Error(), "\x1b\x00\n") {
				t.Errorf("%q would steer a terminal", err)
			}
		})
	}
}

func FuzzControl(f *testing.F) {
	f.Add([]byte(goodControl))
	f.Add([]byte("A: b\n c\n .\n\nB:\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		stanzas, err := ParseControl(data)
		if err != nil {
			return
		}
		for _, s := range stanzas {
			if len(s) == 0 {
				t.Fatal("empty stanza")
			}
			names := map[string]bool{}
			for _, field := range s {
				if names[strings.ToLower(field.Name)] || strings.ContainsAny(field.Name, ": \n") {
					t.Fatalf("field %q", field.Name)
				}
				names[strings.ToLower(field.Name)] = true
			}
		}
		if c, err := ParseSourceControl(data); err == nil && len(c.Binaries) == 0 {
			t.Fatal("no binary")
		}
	})
}
