package debian

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseGBP(t *testing.T) {
	for name, test := range map[string]struct {
		files []string
		want  GBP
	}{
		"none": {nil, GBP{}},
		"sections": {
			[]string{"# x\n[DEFAULT]\npristine-tar = True\nupstream-tag = v%(version%~%-)s\ndebian-branch: debian/sid\n[git-buildpackage]\nupstream-branch = older\n[gbp-buildpackage]\nupstream-branch = oldest\n" +
				"[buildpackage]\nupstream-tag = release-%%(version)s\ncomponent = ['core',\n   'docs']\ncompression = xz\n[import-orig]\nupstream-branch = never\n[remote-config x]\nremote-url-pattern = ssh://%(pkg)s\n"},
			GBP{PristineTar: On, UpstreamTag: "release-%(version)s", UpstreamBranch: "older", DebianBranch: "debian/sid", Components: []string{"core", "docs"}, Compression: "xz"},
		},
		"several files": {
			[]string{"[DEFAULT]\nupstream-tag = a\npristine-tar = True\n[buildpackage]\nupstream-branch = stays\n", "", "[DEFAULT]\nupstream-tag = b\nupstream-branch = weaker\n"},
			GBP{PristineTar: On, UpstreamTag: "b", UpstreamBranch: "stays"},
		},
		"everything": {
			[]string{"[DEFAULT]\nPristine-Tar = False # upstream repacks\nupstream-signatures = on\nsubmodules = 1\noverlay = True\nupstream-tree = SLOPPY\ncompression-level = 9\n" +
				"compression = bzip2\ncomponents = lib\ntarball-dir = ../tarballs\nexport-dir = ../build\nbuilder = rm -rf /\nupstream-tag=v%%(version%%~%%-)s\n"},
			GBP{
				PristineTar: Off, Signatures: On, Submodules: On, Overlay: On, UpstreamTree: "SLOPPY", Level: "9", Compression: "bz2",
				Components: []string{"lib"}, TarballDir: "../tarballs", UpstreamTag: "v%(version%~%-)s",
			},
		},
		"left open": {[]string{"[DEFAULT]\nupstream-signatures = auto\ncompression = auto\ncompression-level =\ncomponent = []\n"}, GBP{}},
	} {
		t.Run(name, func(t *testing.T) {
			var files [][]byte
			for _, f := range test.files {
				files = append(files, []byte(f))
			}
			got, err := ParseGBP(files...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	for _, text := range []string{
		"[DEFAULT]\npristine-tar = perhaps\n", "x = y\n", "[DEFAULT\n", "[DEFAULT]\njust words\n", "[DEFAULT]\ncomponent = ../x\n", "[DEFAULT]\ncompression = rar\n",
		"[DEFAULT]\ncompression-level = 10\n", "[DEFAULT]\ncompression-level = -T0\n", "[DEFAULT]\nx = " + strings.Repeat("y", 64<<10),
	} {
		if _, err := ParseGBP([]byte(text)); err == nil {
			t.Errorf("%.80q is taken", text)
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
		{"v%(version%-%\\%)s", "0-1", "v0%1"},
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
