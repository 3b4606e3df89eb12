package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/debian"
)

func TestRoutes(t *testing.T) {
	rs, err := ParseRoutes([]string{"stable:bookworm", "trixie", "feature/*:bookworm", "feature/*:sid", "feature/x:sid"})
	if err != nil {
		t.Fatal(err)
	}
	for branch, want := range map[string][]debian.Codename{
		"stable": {"bookworm"}, "main": {"trixie"}, "feature/x": {"bookworm", "sid"}, "feature/x/y": {"trixie"}, "tags/v1": {"trixie"},
	} {
		if diff := cmp.Diff(want, rs.Codenames(branch)); diff != "" {
			t.Errorf("%s, -want +got:\n%s", branch, diff)
		}
	}
	only, err := ParseRoutes([]string{"stable:bookworm"})
	if err != nil {
		t.Fatal(err)
	}
	if got := only.Codenames("main"); got != nil {
		t.Errorf("main is built for %v", got)
	}
}
