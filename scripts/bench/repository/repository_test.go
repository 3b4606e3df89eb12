package repository

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/debian"
	"foundry/scripts/internal/rig"
)

func TestQuarters(t *testing.T) {
	begun := time.Now()
	var times []time.Time
	for _, seconds := range []int{1, 2, 4, 6, 9, 12, 16, 20} {
		times = append(times, begun.Add(time.Duration(seconds)*time.Second))
	}
	slices.Reverse(times)
	want := []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second}
	if diff := cmp.Diff(want, quarters(begun, times)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := quarters(begun, times[:3]); got != nil {
		t.Errorf("quarters of three: %v", got)
	}
}

// TestMeasure makes packages, and measures distbot and reprepro with few of them.
func TestMeasure(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	s := newStock(t)
	if err := s.fill(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	checkPackages(t, s)
	programs := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", programs, "foundry/bots/distbot").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	o := Options{Rig: s.rig, Small: 20, Programs: programs, Cache: t.TempDir(), Runs: 1, Say: t.Logf}
	for name, measure := range map[string]func(context.Context, Options, *stock) (Side, error){"distbot": measureDistbot, "reprepro": measureReprepro} {
		side, err := measure(t.Context(), o, s)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if side.Bulk == 0 || len(side.One) != 1 {
			t.Errorf("%s: %+v", name, side)
		}
		if name == "distbot" && (side.Published != 20 || len(side.Quarters) != 4) {
			t.Errorf("%s: %+v", name, side)
		}
	}
}

// checkPackages has dpkg-deb say what is in packages.
func checkPackages(t *testing.T, s *stock) {
	t.Helper()
	for _, n := range []int{0, batch - 1} {
		out, err := exec.Command("dpkg-deb", "--show", "--showformat=${Package} ${Version} ${Architecture}", s.path(n)).CombinedOutput()
		if err != nil || string(out) != name(n)+" "+version+" "+rig.Architecture() {
			t.Errorf("dpkg-deb: %v: %s", err, out)
		}
	}
	deb, err := debian.OpenDeb(s.path(7))
	if err != nil {
		t.Fatal(err)
	}
	defer deb.Close()
	if _, err := deb.Signature(); err != nil {
		t.Error(err)
	}
}

func newStock(t *testing.T) *stock {
	t.Helper()
	r, err := rig.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s, err := openStock(t.Context(), r, filepath.Join(t.TempDir(), "cache"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
