package debian

import (
	"os/exec"
	"testing"
)

// TestSatisfiedBy asks dpkg the same.
func TestSatisfiedBy(t *testing.T) {
	versions := []string{"1", "1.0~rc1", "1.0", "1.0-1", "2:0.1", "1.0+b1"}
	for _, operator := range []string{"<<", "<=", "=", ">=", ">>"} {
		for _, have := range versions {
			for _, want := range versions {
				v, err := ParseVersion(have)
				if err != nil {
					t.Fatal(err)
				}
				got := Relation{Package: "a", Operator: operator, Version: want}.SatisfiedBy(v)
				if dpkg := exec.Command("dpkg", "--compare-versions", have, operator, want).Run() == nil; got != dpkg {
					t.Errorf("%s %s %s: %v, dpkg says %v", have, operator, want, got, dpkg)
				}
			}
		}
	}
	if !(Relation{Package: "a"}).SatisfiedBy(Version{}) {
		t.Error("a relation without a version is not satisfied")
	}
}
