package apt

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What apt 2.6 has said.
const (
	saidSimulation = `The following packages will be upgraded:
  tzdata
Remv bzip2 [1.0.8-5+b1]
Inst tzdata [2024a-0+deb12u1] (2025b-0+deb12u1 Debian:12.15/oldstable [all])
Inst libc6 [2.36-9] (2.36-9+deb12u14 Debian:12.15/oldstable [amd64]) [libc-bin:amd64 ]
Inst libc6:i386 (2.36-9+deb12u14 Debian:12.15/oldstable [i386])
Inst autoconf (2.71-3 Debian:12.15/oldstable, Other:1 [all])
Conf tzdata (2025b-0+deb12u1 Debian:12.15/oldstable [all])
`
	saidMissing = `Some packages could not be installed.
The following information may help to resolve the situation:

The following packages have unmet dependencies:
 builddeps:/in/b.dsc : Depends: libnope-dev (>= 2) but it is not installable or
                                libnope2-dev but it is not installable
                       Depends: zlib1g-dev (>= 5:1) but it is not going to be installed
                       Depends: libfoo-dev but it is not installable
E: Unable to correct problems, you have held broken packages.
`
	saidConflict = `The following packages have unmet dependencies:
 builddeps:/in/c.dsc : Conflicts: bzip2 but 1.0.8-5+b1 is to be installed
E: Unable to correct problems, you have held broken packages.
`
	saidOthers = `The following packages have unmet dependencies:
 build-essential : Depends: make
 dpkg-dev : Depends: make
E: Unable to correct problems, you have held broken packages.
`
)

func TestForesee(t *testing.T) {
	before := []string{"bzip2:amd64=1.0.8-5+b1", "libc6:amd64=2.36-9", "tzdata:all=2024a-0+deb12u1", "dash:amd64=0.5"}
	after, installs := Foresee(before, saidSimulation, "amd64")
	wantAfter := []string{
		"autoconf:all=2.71-3", "dash:amd64=0.5", "libc6:amd64=2.36-9+deb12u14", "libc6:i386=2.36-9+deb12u14", "tzdata:all=2025b-0+deb12u1",
	}
	if diff := cmp.Diff(wantAfter, after); diff != "" {
		t.Errorf("after (-want +got)\n%s", diff)
	}
	wantInstalls := []string{"autoconf=2.71-3", "libc6:i386=2.36-9+deb12u14", "libc6=2.36-9+deb12u14", "tzdata=2025b-0+deb12u1"}
	if diff := cmp.Diff(wantInstalls, installs); diff != "" {
		t.Errorf("installs (-want +got)\n%s", diff)
	}
}

func TestUnsatisfiable(t *testing.T) {
	tests := []struct {
		name, said string
		want       []string // nil for another kind of error
	}{
		{"Missing", saidMissing, []string{"libfoo-dev", "libnope-dev (>= 2) | libnope2-dev", "zlib1g-dev (>= 5:1)"}},
		{"Conflict", saidConflict, []string{"conflicts bzip2"}},
		{"Others", saidOthers, []string{"make"}},
		{"NoSpace", "E: Write error - write (28: No space left on device)\n", nil},
		{"Locked", "E: Could not get lock /var/lib/apt/lists/lock\n", nil},
		{"Nothing", "", nil},
		{"Syntax", "E: Problem parsing dependency 1\n", []string{"Problem parsing dependency 1"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := Unsatisfiable(test.said)
			if test.want == nil {
				if got != nil {
					t.Errorf("%v, want nil", got)
				}
				return
			}
			if got == nil {
				t.Fatal("nil")
			}
			if diff := cmp.Diff(test.want, got.Missing); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func FuzzApt(f *testing.F) {
	for _, said := range []string{saidSimulation, saidMissing, saidConflict, saidOthers, " or\n", unmetHeading + "\n or", "Inst x ( [a])"} {
		f.Add(said)
	}
	f.Fuzz(func(t *testing.T, said string) {
		Foresee([]string{"dash:amd64=1"}, said, "amd64")
		if problem := Unsatisfiable(said); problem != nil && problem.Error() == "" {
			t.Error("an error without text")
		}
		LastError(said)
	})
}
