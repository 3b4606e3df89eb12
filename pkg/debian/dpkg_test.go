package debian

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// output runs a program of dpkg, which the tests compare with.
func output(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%v\nhint: apt-get install dpkg-dev", err)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

func TestArchitecturesAreThoseOfDpkg(t *testing.T) {
	known := strings.Fields(output(t, "", "dpkg-architecture", "-L"))
	for _, a := range known {
		if !Architecture(a).Known() {
			t.Errorf("%s is not known", a)
		}
	}
	if len(tuples()) != len(known) {
		t.Errorf("%d architectures, dpkg has %d", len(tuples()), len(known))
	}
}

func TestArchitectureIsAsDpkg(t *testing.T) {
	hosts := []Architecture{"amd64", "i386", "arm64", "armhf", "armel", "riscv64", "hurd-i386", "kfreebsd-amd64", "x32", "musl-linux-arm64", "mips64el", "s390x"}
	aliases := []Architecture{
		"any", "all", "amd64", "i386", "linux-any", "kfreebsd-any", "hurd-any", "any-amd64", "any-arm", "any-i386",
		"gnu-any-any", "musl-any-any", "musl-linux-any", "any-linux-any", "gnu-linux-any", "eabihf-any-any-any", "eabihf-gnu-any-any",
		"linux-amd64", "linux-armhf", "x32", "any-any", "any-any-any", "bsd-any-any", "nonsense", "any-nonsense", "any-mips64el",
		"abi64-any-any-any", "x32-any-any-any", "any-any-any-amd64",
	}
	// All of them in one perl, by the function behind dpkg-architecture -i: a hundred times faster.
	perl := `use Dpkg::Arch qw(debarch_is); while (<STDIN>) { my ($h, $a) = split; print "$h $a ", (debarch_is($h, $a) ? "yes" : "no"), "\n" }`
	var pairs, got strings.Builder
	for _, h := range hosts {
		for _, a := range aliases {
			fmt.Fprintf(&pairs, "%s %s\n", h, a)
			answer := "no"
			if h.Is(a) {
				answer = "yes"
			}
			fmt.Fprintf(&got, "%s %s %s\n", h, a, answer)
		}
	}
	if diff := cmp.Diff(output(t, pairs.String(), "perl", "-e", perl), got.String()); diff != "" {
		t.Errorf("-dpkg +foundry:\n%s", diff)
	}
	for _, pair := range [][2]Architecture{{"amd64", "linux-any"}, {"arm64", "any-amd64"}, {"armhf", "any-arm"}, {"i386", "kfreebsd-any"}} {
		cmd := exec.Command("dpkg-architecture", "-a"+string(pair[0]), "-i"+string(pair[1]))
		if want := cmd.Run() == nil; pair[0].Is(pair[1]) != want {
			t.Errorf("%s is %s: %v, dpkg-architecture says %v", pair[0], pair[1], !want, want)
		}
	}
}

func TestVersionsCompareAsDpkg(t *testing.T) {
	versions := []string{
		"0", "1.0", "1.00", "1.0-0", "1.0-1", "1.0~rc1-1", "1.0~~", "1.0+b1", "1.0-1+b1", "2:0.1", "1:0.1", "1.0a", "1.0.1", "10", "9",
		"1.2-3+20261120.2315.g1a2b3c4", "1.2-3", "1.2-3~deb12u0", "1.2-3~deb13u0", "1.2-4", "1.0-1-1", "1:1:1-1",
	}
	var pairs, got strings.Builder
	for _, a := range versions {
		for _, b := range versions {
			va, vb := mustVersion(t, a), mustVersion(t, b)
			c := va.Compare(vb)
			fmt.Fprintf(&pairs, "%s %s\n", a, b)
			fmt.Fprintf(&got, "%s %s %d\n", a, b, min(1, max(-1, c)))
		}
	}
	perl := `use Dpkg::Version; while (<STDIN>) { my ($a, $b) = split; print "$a $b ", version_compare($a, $b), "\n" }`
	if diff := cmp.Diff(output(t, pairs.String(), "perl", "-e", perl), got.String()); diff != "" {
		t.Errorf("-dpkg +foundry:\n%s", diff)
	}
}

// TestVersionsOfBuildsAscend has the versions that continuous builds give, in the order in which a repository
// must take one for newer than the one before: after the release, before the next one, by codename, and
// rebuilt. dpkg has the last word.
func TestVersionsOfBuildsAscend(t *testing.T) {
	for _, ascending := range [][]string{
		{
			"1.2-3~deb12u0", "1.2-3~deb13u0", "1.2-3",
			"1.2-3+20261120.2315.g1a2b3c4~deb12u0", "1.2-3+20261120.2315.g1a2b3c4~deb13u0", "1.2-3+20261120.2315.g1a2b3c4",
			"1.2-3+20261120.2316.g0000000", "1.2-3+20261121.0001.gfffffff", "1.2-3+20270101.0000.g0000000", "1.2-3+b1", "1.2-3+build1", "1.2-3+build2", "1.2-3+build10", "1.2-3+deb12u1",
			"1.2-3.1", "1.2-4~20261121.0001.gfffffff", "1.2-4",
			"1.3~20261120.2315.g1a2b3c4-1~deb12u0", "1.3~20261120.2315.g1a2b3c4-1", "1.3~20261121.0001.g0000000-1", "1.3~rc1-1", "1.3-1~deb12u0", "1.3-1", "1:0.1-1",
		},
		{"1.2", "1.2+20261120.2315.g1a2b3c4~deb12u0", "1.2+20261120.2315.g1a2b3c4", "1.2+20261121.0001.g0000000", "1.3~20261120.2315.g1a2b3c4", "1.3~20261121.0001.g0000000", "1.3"},
	} {
		for i := 1; i < len(ascending); i++ {
			a, b := ascending[i-1], ascending[i]
			if mustVersion(t, a).Compare(mustVersion(t, b)) >= 0 {
				t.Errorf("%s is not less than %s", a, b)
			}
			if err := exec.Command("dpkg", "--compare-versions", a, "lt", b).Run(); err != nil {
				t.Errorf("dpkg: %s is not less than %s: %v", a, b, err)
			}
		}
	}
}

func TestVersionsParseAsDpkg(t *testing.T) {
	texts := []string{
		"1", "1.0-1", "1:1.0-1", "0:1.0", "a1", "1.0-", "-1", "1:", ":1", "1.0_1", "1.0-1_2", "1 0", "1:1:1", "2147483648:1", "-1:1",
		"1.0-1:2", "1.0é", "1.0/2", "1.0-a~b+c.d", "1.0-1-", "~1", "x:1",
	}
	for _, s := range texts {
		want := exec.Command("dpkg", "--validate-version", "--", s).Run() == nil
		if _, err := ParseVersion(s); (err == nil) != want {
			t.Errorf("%q: %v, dpkg --validate-version: %v", s, err, want)
		}
	}
}

// relationFields are reduced by dpkg and by this package in the tests, and are seeds of the fuzzer.
var relationFields = []string{
	"debhelper-compat (= 13)",
	"debhelper-compat (= 13), libfoo-dev [amd64 arm64], libbar-dev [!i386 !hurd-any], python3:any <!nocheck>",
	"a [linux-any], b [kfreebsd-any] | c, d [any-arm] | e [any-amd64]",
	"gcc-multilib [amd64 i386 x32] <!nocheck !stage1> <cross>, foo:native (>= 1.2~) <stage1>",
	"x <!nocheck> <!nodoc>, y <nocheck>, z <nocheck> <nodoc>, w <!nocheck !nodoc>",
	"a(>=1)[amd64]<!nocheck>,b (<< 2:1.0-1~), ,c (>> 1)|d(<=3),",
	"a\n ,\tb\n  (>= 1)\n [amd64\n i386]\n <!nocheck>",
	"a [!amd64], b [!linux-any !hurd-any]",
	"", " , ,", "A-Capital, q",
}

func TestRelationsReduceAsDpkg(t *testing.T) {
	perl := `use Dpkg::Deps; local $/; for my $f (split /\x00/, <STDIN>, -1) {
		for my $arch (qw(amd64 i386 arm64 armhf hurd-i386)) { for my $p ([], ["nocheck"], ["nodoc", "cross"], ["stage1"]) {
			my $d = deps_parse($f, build_dep => 1, reduce_restrictions => 1, host_arch => $arch, build_arch => $arch, build_profiles => $p);
			print $d->output(), "\n" } } }`
	var got strings.Builder
	for _, field := range relationFields {
		for _, arch := range []Architecture{"amd64", "i386", "arm64", "armhf", "hurd-i386"} {
			for _, profiles := range [][]string{nil, {"nocheck"}, {"nodoc", "cross"}, {"stage1"}} {
				reduced, err := ReduceRelations(field, arch, profiles)
				if err != nil {
					t.Fatalf("%q: %v", field, err)
				}
				got.WriteString(reduced + "\n")
			}
		}
	}
	want := output(t, strings.Join(relationFields, "\x00"), "perl", "-e", perl)
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("-dpkg +foundry:\n%s", diff)
	}
}

func TestChangelogAsDpkg(t *testing.T) {
	top := mustChangelog(t, goodChangelog).Top()
	path := t.TempDir() + "/changelog"
	if err := os.WriteFile(path, []byte(goodChangelog), 0o644); err != nil {
		t.Fatal(err)
	}
	get := func(field string) string {
		return strings.TrimSpace(output(t, "", "dpkg-parsechangelog", "-l", path, "-S", field))
	}
	got := map[string]string{
		"Source": top.Source, "Version": top.Version.String(), "Distribution": strings.Join(top.Distributions, " "),
		"Urgency": top.Urgency, "Maintainer": top.Maintainer, "Timestamp": fmt.Sprint(top.Date.Unix()),
	}
	for field, value := range got {
		if want := get(field); value != want {
			t.Errorf("%s is %q, dpkg says %q", field, value, want)
		}
	}
}

func mustVersion(t *testing.T, s string) Version {
	t.Helper()
	v, err := ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func mustChangelog(t *testing.T, s string) Changelog {
	t.Helper()
	c, err := ParseChangelog([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return c
}
