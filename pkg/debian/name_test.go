package debian

import (
	"strings"
	"testing"
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
