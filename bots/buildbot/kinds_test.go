package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/artifact"
	"foundry/pkg/environment"
	"foundry/pkg/message"
)

// kinds is a source package whose binaries are of all kinds. Rules-Requires-Root is missing.
const kinds = `Source: kinds
Maintainer: Foundry Test <test@example.org>
Standards-Version: 4.6.2

Package: kinds-any
Architecture: linux-any
Description: test
 It is for a test.

Package: kinds-all
Architecture: all
Description: test
 It is for a test.

Package: 0kinds+other
Architecture: any
Description: test of a version that is not the source's
 It is for a test.

Package: kinds-udeb
Package-Type: udeb
Section: debian-installer
Architecture: any
Build-Profiles: <!noudeb>
Description: test
 It is for a test.
`

// kindsRules builds one binary package: its name, the suffix of its file and its version follow.
const kindsRules = `test "$(id -u)" = 0
build() { d=debian/$1; mkdir -p $d/DEBIAN $d/usr/lib; touch $d/usr/lib/$1; chown 0:42 $d/usr/lib/$1; chmod 4750 $d/usr/lib/$1
dpkg-gencontrol -p$1 -P$d -v$3 -n$1_$(echo $3 | sed s/^.*://)_$4.$2; dpkg-deb -b $d ../$1_$(echo $3 | sed s/^.*://)_$4.$2; }
host=$(dpkg-architecture -qDEB_HOST_ARCH)
[ $1 = indep ] || build kinds-any deb 1.0 $host
[ $1 = indep ] || build 0kinds+other deb 7:0.5~rc1+b2 $host
case " $DEB_BUILD_PROFILES " in *" noudeb "*) ;; *) [ $1 = indep ] || build kinds-udeb udeb 1.0 $host ;; esac
[ $1 = arch ] || build kinds-all deb 1.0 all
`

func TestKinds(t *testing.T) {
	l := newLine(t)
	host := environment.HostArchitecture()
	files := func(names ...string) []string {
		for i := range names {
			names[i] = strings.ReplaceAll(names[i], "HOST", host)
		}
		slices.Sort(names)
		return names
	}
	for _, test := range []struct {
		name        string
		arch, indep bool
		profiles    []string
		log         string
		files       []string
	}{
		{
			"all", true, true, nil, "full upload|binary-only upload",
			files("kinds_1.0_HOST.changes", "kinds_1.0_HOST.buildinfo", "kinds-any_1.0_HOST.deb", "kinds-all_1.0_all.deb", "0kinds+other_0.5~rc1+b2_HOST.deb", "kinds-udeb_1.0_HOST.udeb"),
		},
		{
			"elsewhere the packages for all are built", true, false,
			[]string{"noudeb", "pkg.kinds.other"},
			"binary-only arch-specific upload",
			files("kinds_1.0_HOST.changes", "kinds_1.0_HOST.buildinfo", "kinds-any_1.0_HOST.deb", "0kinds+other_0.5~rc1+b2_HOST.deb"),
		},
		{
			"for all only", false, true, nil, "binary-only arch-indep upload",
			files("kinds_1.0_all.changes", "kinds_1.0_all.buildinfo", "kinds-all_1.0_all.deb"),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := l.provision(recipe{name: "kinds", arch: "any", control: kinds, files: map[string]string{
				"debian/one": "set -e\n" + kindsRules,
				"debian/rules": "#!/usr/bin/make -f\nclean:\nbuild build-arch build-indep:\n" +
					"binary: binary-arch binary-indep\nbinary-arch:\n\tsh debian/one arch\nbinary-indep:\n\tsh debian/one indep\n",
			}})
			p.Arch, p.Indep, p.Profiles = test.arch, test.indep, test.profiles
			id := l.Say("provisionbot", "kinds", message.MakeID(message.Sources, message.TypeSource, "", test.name), p, p.Architecture)
			build, ok := l.Await(id).(*message.Build)
			if !ok {
				t.Fatal("not built")
			}
			var got []string
			for _, f := range build.Files {
				got = append(got, f.Name)
			}
			slices.Sort(got)
			if diff := cmp.Diff(test.files, got); diff != "" {
				t.Errorf("files (-want +got)\n%s", diff)
			}
			log := l.text(build.Log)
			if !slices.ContainsFunc(strings.Split(test.log, "|"), func(s string) bool { return strings.Contains(log, s) }) {
				t.Errorf("log lacks %q:\n%s", test.log, log)
			}
			l.checkOwner(t, build)
		})
	}
}

// checkOwner sees that what the rules did as root under fakeroot is in the packages.
func (l *line) checkOwner(t *testing.T, build *message.Build) {
	t.Helper()
	dir := t.TempDir()
	for _, f := range build.Files {
		if ext := filepath.Ext(f.Name); ext != ".deb" && ext != ".udeb" {
			continue
		}
		path, err := artifact.FetchFile(t.Context(), l.Ports.Store, f, dir)
		if err != nil {
			t.Fatal(err)
		}
		if list := run(t, "dpkg-deb", "--contents", path); !strings.Contains(list, "-rwsr-x--- root/shadow") && !strings.Contains(list, "-rwsr-x--- 0/42") {
			t.Errorf("%s: owner and mode are not those that the rules set\n%s", f.Name, list)
		}
	}
}
