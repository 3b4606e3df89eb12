package debian

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNames(t *testing.T) {
	v := Version{2, "1.0~rc1", "3"}
	for got, want := range map[string]string{
		DscName("hello", v):                             "hello_1.0~rc1-3.dsc",
		ChangesName("hello", v, "amd64"):                "hello_1.0~rc1-3_amd64.changes",
		OrigName("hello", v, "", "xz"):                  "hello_1.0~rc1.orig.tar.xz",
		OrigName("hello", v, "sub", "gz"):               "hello_1.0~rc1.orig-sub.tar.gz",
		PoolDir("main", "hello"):                        "pool/main/h/hello",
		PoolDir("main", "libhello"):                     "pool/main/libh/libhello",
		PoolDir("main", "lib"):                          "pool/main/l/lib",
		PoolDir("contrib", "3dchess"):                   "pool/contrib/3/3dchess",
		v.String():                                      "2:1.0~rc1-3",
		v.Append("+b1").String():                        "2:1.0~rc1-3+b1",
		Version{0, "1", ""}.Append("~deb12u0").String(): "1~deb12u0",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestValid(t *testing.T) {
	for name, want := range map[string]bool{"hello_1.0~1+b1_amd64.deb": true, "": false, "..": false, ".x": false, "a/b": false, "-rf": false, "a b": false, "é": false, strings.Repeat("a", 256): false} {
		if ValidFileName(name) != want {
			t.Errorf("ValidFileName(%q) is %v", name, !want)
		}
	}
	for name, want := range map[string]bool{"hello": true, "g++": true, "3d": true, "a": false, "Hello": false, "-a": false, "a_b": false, "": false} {
		if ValidPackageName(name) != want {
			t.Errorf("ValidPackageName(%q) is %v", name, !want)
		}
	}
	for name, want := range map[Codename]bool{"bookworm": true, "bookworm/updates": false, "bookworm~1": true, "stable-2.0": true, "": false, "../x": false, "a/../b": false, "a/": false, "a b": false, "/a": false} {
		if name.Valid() != want {
			t.Errorf("Codename(%q).Valid() is %v", name, !want)
		}
	}
}

func TestParseFormat(t *testing.T) {
	for text, want := range map[string]Format{"": Format1, "1.0\n": Format1, "3.0 (quilt)\n": FormatQuilt, " 3.0   (native)": FormatNative} {
		if got, err := ParseFormat([]byte(text)); got != want || err != nil {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"3.0 (git)", "2.0", "3.0 (custom)", "4.0", strings.Repeat("x", 2000)} {
		if got, err := ParseFormat([]byte(text)); err == nil {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestParseGBP(t *testing.T) {
	got, err := ParseGBP([]byte("# x\n[DEFAULT]\npristine-tar = True\nupstream-tag = v%(version%~%-)s\ndebian-branch: debian/sid\n[buildpackage]\nupstream-tag = release-%%(version)s\n" +
		"component = ['core',\n   'docs']\ncompression = xz\n[import-orig]\nupstream-branch = never\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := GBP{
		PristineTar: true, UpstreamTag: "release-%(version)s", UpstreamBranch: "upstream", DebianBranch: "debian/sid", Components: []string{"core", "docs"}, Compression: "xz",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, text := range []string{"[DEFAULT]\npristine-tar = perhaps\n", "x = y\n", "[DEFAULT\n", "[DEFAULT]\njust words\n", "[DEFAULT]\ncomponent = ../x\n", "[DEFAULT]\ncompression = rar\n"} {
		if _, err := ParseGBP([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestTagName(t *testing.T) {
	for _, test := range [][3]string{
		{"upstream/%(version)s", "1.0", "upstream/1.0"},
		{"upstream/%(version)s", "1.0~rc1", "upstream/1.0_rc1"},
		{"debian/%(version)s", "1:1.0-1", "debian/1%1.0-1"},
		{"v%(version%~%-)s", "1.0~rc1", "v1.0-rc1"},
		{"%(version%.%_)s", "1.0.2", "1_0_2"},
		{"v%(hversion)s", "1.0.2", "v1-0-2"},
		{"upstream/%(version)s", "1..2", "upstream/1.#.2"},
		{"upstream/%(version)s", "1...2", "upstream/1.#.#.2"},
		{"upstream/%(version)s", "1.", "upstream/1.#"},
		{"upstream/%(version)s", "1.lock", "upstream/1.#lock"},
		{"plain", "1.0", "plain"},
	} {
		if got := TagName(test[0], test[1]); got != test[2] {
			t.Errorf("%s with %s: %s, want %s", test[0], test[1], got, test[2])
		}
	}
}

func FuzzGBP(f *testing.F) {
	f.Add([]byte("[DEFAULT]\nupstream-tag = v%(version%~%-)s\ncomponent = a\n  b\n"), "1.0~rc1")
	f.Fuzz(func(t *testing.T, data []byte, version string) {
		g, err := ParseGBP(data)
		if err != nil {
			return
		}
		for _, c := range g.Components {
			if !ValidComponent(c) {
				t.Fatalf("believed component %q", c)
			}
		}
		TagName(g.UpstreamTag, version)
	})
}
