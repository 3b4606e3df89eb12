package metadata

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/publish/index"
)

// pkg is a package of component main, with what its indexes show made up.
func pkg(name, version, arch, section string, paths ...string) Package {
	_, _, translation := Describe(name, "does it\n in version "+version[:1])
	return Package{
		Key: strings.Join([]string{name, version, arch}, "\x00"), Component: "main", Architecture: arch, Name: name, Section: section,
		Stanza:      fmt.Appendf(nil, "Package: %s\nVersion: %s\nArchitecture: %s\n\n", name, version, arch),
		Translation: translation, Paths: paths,
	}
}

func source(name, version string) Package {
	p := pkg(name, version, "source", "")
	p.Translation = nil
	return p
}

func udeb(p Package) Package {
	p.Key, p.Udeb, p.Translation = p.Key+"\x00udeb", true, nil
	return p
}

func in(component string, p Package) Package {
	p.Component = component
	return p
}

func with(t *testing.T, x *Set, add, drop []Package) *Set {
	t.Helper()
	x, err := x.With(add, drop)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// built returns the plain indexes by path, and the hashes of all.
func built(t *testing.T, x *Set) (plain, hashes map[string]string) {
	t.Helper()
	list, err := x.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(list, func(a, b Index) int { return strings.Compare(a.Path, b.Path) }) {
		t.Error("paths are not in order")
	}
	plain, hashes = map[string]string{}, map[string]string{}
	for _, i := range list {
		hashes[i.Path] = i.SHA256
		if i.Form != index.Plain {
			continue
		}
		var b bytes.Buffer
		if _, err := i.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		plain[i.Path] = b.String()
	}
	return plain, hashes
}

func padded(path, packages string) string { return fmt.Sprintf("%-55s %s\n", path, packages) }

// TestIndexes looks where packages are listed.
func TestIndexes(t *testing.T) {
	s := suite()
	s.Zstd = true
	doc, hello, other := pkg("doc", "1", "all", "doc", "usr/share/doc"), pkg("hello", "1", "amd64", "utils", "usr/bin/hello"), in("contrib", pkg("other", "2", "arm64", "contrib/misc", "opt/other"))
	installer := udeb(pkg("installer", "1", "amd64", "debian-installer", "bin/installer"))
	x := with(t, New(s), []Package{source("hello", "1"), hello, installer, doc, other}, nil)
	got, hashes := built(t, x)
	want := map[string]string{
		"main/binary-amd64/Packages":                  string(doc.Stanza) + string(hello.Stanza),
		"main/binary-arm64/Packages":                  string(doc.Stanza),
		"main/debian-installer/binary-amd64/Packages": string(installer.Stanza),
		"main/source/Sources":                         string(source("hello", "1").Stanza),
		"main/i18n/Translation-en":                    string(doc.Translation) + string(hello.Translation),
		"main/Contents-amd64":                         padded("usr/bin/hello", "utils/hello") + padded("usr/share/doc", "doc/doc"),
		"main/Contents-arm64":                         padded("usr/share/doc", "doc/doc"),
		"main/Contents-udeb-amd64":                    padded("bin/installer", "debian-installer/installer"),
		"contrib/binary-amd64/Packages":               "",
		"contrib/binary-arm64/Packages":               string(other.Stanza),
		"contrib/source/Sources":                      "",
		"contrib/i18n/Translation-en":                 string(other.Translation),
		"contrib/Contents-amd64":                      "",
		"contrib/Contents-arm64":                      padded("opt/other", "contrib/misc/other"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name := range want {
		for _, form := range []string{"", ".gz", ".xz", ".zst"} {
			if hashes[name+form] == "" {
				t.Errorf("no %s%s", name, form)
			}
		}
	}
	if len(hashes) != 4*len(want) {
		t.Errorf("%d files, want four forms of %d", len(hashes), len(want))
	}
	x = with(t, x, nil, []Package{source("hello", "1"), hello, installer, doc, other})
	_, emptied := built(t, x)
	if _, empty := built(t, New(s)); !maps.Equal(emptied, empty) || len(empty) != 4*12 {
		t.Errorf("without packages: %v", slices.Sorted(maps.Keys(emptied)))
	}
}

// TestFormsOfSuite leaves out zstd where it is not asked for, and components that are gone once they are empty.
func TestFormsOfSuite(t *testing.T) {
	old := in("old", pkg("hello", "1", "amd64", "utils", "usr/bin/hello"))
	x := with(t, New(suite()), []Package{old, pkg("foreign", "1", "riscv64", "utils", "foreign")}, nil)
	plain, hashes := built(t, x)
	if len(hashes) != 3*len(plain) || plain["old/binary-amd64/Packages"] != string(old.Stanza) || plain["old/Contents-amd64"] == "" {
		t.Errorf("%d files: %v", len(hashes), plain)
	}
	for name, text := range plain {
		if strings.Contains(text, "foreign") {
			t.Errorf("%s has a package of an architecture that is not served", name)
		}
	}
	plain, _ = built(t, with(t, x, nil, []Package{old}))
	if _, there := plain["old/binary-amd64/Packages"]; there || len(plain) != 12 {
		t.Errorf("%d indexes, want 12: %v", len(plain), slices.Sorted(maps.Keys(plain)))
	}
}

// TestSharedPaths adds and drops packages that have paths and translations in common.
func TestSharedPaths(t *testing.T) {
	const long = "usr/share/a path with blanks and ünïcödé/that is far longer than the field/\xffnot UTF-8"
	one, newer := pkg("one", "1.0", "amd64", "utils", "common", long, " lead", "trail "), pkg("one", "1.1", "amd64", "utils", "common", long, "new")
	two, odd := pkg("two", "1", "all", "", "common", long), pkg("odd", "1", "amd64", "a, b", "common")
	moved := pkg("one", "1.2", "amd64", "misc", "common")
	x := New(suite())
	for step, test := range []struct {
		add, drop []Package
		want      string
		stanzas   int // of Translation-en
	}{
		{[]Package{one}, nil, padded(" lead", "utils/one") + padded("common", "utils/one") + padded("trail ", "utils/one") + long + " utils/one\n", 1},
		{[]Package{two, newer}, []Package{}, padded(" lead", "utils/one") + padded("common", "two,utils/one") + padded("new", "utils/one") + padded("trail ", "utils/one") + long + " two,utils/one\n", 2},
		{nil, []Package{one}, padded("common", "two,utils/one") + padded("new", "utils/one") + long + " two,utils/one\n", 2},
		{[]Package{moved, odd}, nil, padded("common", "misc/one,odd,two,utils/one") + padded("new", "utils/one") + long + " two,utils/one\n", 3},
		{nil, []Package{newer, two}, padded("common", "misc/one,odd"), 2},
		{[]Package{moved}, []Package{moved, odd}, padded("common", "misc/one"), 1},
		{nil, []Package{moved}, "", 0},
	} {
		x = with(t, x, test.add, test.drop)
		plain, _ := built(t, x)
		if diff := cmp.Diff(test.want, plain["main/Contents-amd64"]); diff != "" {
			t.Errorf("step %d (-want +got):\n%s", step, diff)
		}
		if n := strings.Count(plain["main/i18n/Translation-en"], "\n\n"); n != test.stanzas {
			t.Errorf("step %d: %d translations, want %d", step, n, test.stanzas)
		}
	}
	for name, more := range x.more {
		if more.Len() > 0 {
			t.Errorf("%s: %d counts are left", name, more.Len())
		}
	}
}

// TestHistoryDoesNotShow changes a suite at random: its files are those of a suite made of the same packages
// at once.
func TestHistoryDoesNotShow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x, have := New(suite()), map[string]Package{}
	for range 120 {
		var add, drop []Package
		for range r.IntN(8) {
			p := pkg(fmt.Sprint("p", r.IntN(60)), fmt.Sprint(1+r.IntN(3)), []string{"amd64", "arm64", "all"}[r.IntN(3)], "misc")
			for range r.IntN(6) {
				p.Paths = append(p.Paths, fmt.Sprint("path/", r.IntN(20)))
			}
			slices.Sort(p.Paths)
			p.Paths = slices.Compact(p.Paths)
			if old, there := have[p.Key]; there {
				drop = append(drop, old)
				delete(have, p.Key)
			}
			if !slices.ContainsFunc(add, func(other Package) bool { return other.Key == p.Key }) && r.IntN(3) > 0 {
				add = append(add, p)
			}
		}
		drop = slices.DeleteFunc(drop, func(p Package) bool { return p.Key == "" })
		x = with(t, x, add, drop)
		for _, p := range add {
			have[p.Key] = p
		}
	}
	_, got := built(t, x)
	_, want := built(t, with(t, New(suite()), slices.Collect(maps.Values(have)), nil))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("made at once and in steps (-want +got):\n%s", diff)
	}
}

// TestBadPackages gives packages that cannot be shown, twice, or not at all: each is an error, and the
// set is what it was.
func TestBadPackages(t *testing.T) {
	hello := pkg("hello", "1", "amd64", "utils", "usr/bin/hello")
	x := with(t, New(suite()), []Package{hello}, nil)
	_, before := built(t, x)
	bad := func(change func(*Package)) []Package {
		p := pkg("bad", "1", "all", "misc", "path")
		change(&p)
		return []Package{p}
	}
	for name, test := range map[string]struct{ add, drop []Package }{
		"added again":      {[]Package{hello}, nil},
		"added twice":      {bad(func(p *Package) { p.Key = hello.Key }), nil},
		"not there":        {nil, bad(func(*Package) {})},
		"dropped twice":    {nil, []Package{hello, hello}},
		"other component":  {nil, []Package{in("contrib", hello)}},
		"path not there":   {nil, []Package{pkg("hello", "1", "amd64", "utils", "other")}},
		"section is other": {nil, []Package{pkg("hello", "1", "amd64", "misc", "usr/bin/hello")}},
		"line break":       {bad(func(p *Package) { p.Paths = []string{"a\nb"} }), nil},
		"empty path":       {bad(func(p *Package) { p.Paths = []string{""} }), nil},
		"no stanza":        {bad(func(p *Package) { p.Stanza = nil }), nil},
		"no key":           {bad(func(p *Package) { p.Key = "" }), nil},
		"name":             {bad(func(p *Package) { p.Name, p.Section = "a,b", "" }), nil},
		"no name":          {bad(func(p *Package) { p.Name = "" }), nil},
		"translation":      {bad(func(p *Package) { p.Translation = []byte("Package: bad\n\n") }), nil},
		"no translation":   {nil, []Package{{Key: hello.Key, Component: "main", Architecture: "amd64", Name: "hello", Stanza: hello.Stanza, Translation: []byte("Package: hello\nDescription-md5: 1\n\n")}}},
	} {
		if _, err := x.With(test.add, test.drop); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, after := built(t, x); !maps.Equal(before, after) {
		t.Error("what could not be changed has changed")
	}
}

// TestAdoptIndexes starts anew with the files of an earlier process.
func TestAdoptIndexes(t *testing.T) {
	packages := []Package{pkg("hello", "1", "amd64", "utils", "usr/bin/hello"), pkg("doc", "1", "all", "doc", "usr/share/doc")}
	x := with(t, New(suite()), packages, nil)
	list, err := x.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again := with(t, New(suite()), packages, nil)
	for _, i := range list {
		var b bytes.Buffer
		if _, err := i.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		if err := again.Adopt(i.Path, b.Bytes()); err != nil {
			t.Errorf("adopt %s: %v", i.Path, err)
		}
	}
	if err := again.Adopt("main/binary-amd64/Packages.xz", []byte("Package: hello\n\n")); err == nil {
		t.Error("text was adopted as xz")
	}
	if err := again.Adopt("nowhere/Packages.xz", nil); err != nil {
		t.Errorf("a file that is not of the suite: %v", err)
	}
	_, want := built(t, x)
	t.Setenv("PATH", t.TempDir())
	if _, got := built(t, again); !maps.Equal(want, got) {
		t.Error("the files are not those of the earlier process")
	}
}
