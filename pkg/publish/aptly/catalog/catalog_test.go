package catalog

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/debian"
	"foundry/pkg/publish"
)

func suite(keep int) publish.Suite {
	return publish.Suite{Codename: "alpha", Architectures: []string{"amd64", "arm64"}, Keep: keep}
}

// entry makes a package of source s, or that source itself.
func entry(t testing.TB, name, version, arch string, used ...string) *Entry {
	t.Helper()
	v, err := debian.ParseVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	e := &Entry{Key: fmt.Sprintf("P%s %s %s", arch, name, version), Name: name, Version: version, Parsed: v, Arch: arch, Source: name, SourceVersion: version, UsedSources: used}
	return e.In("main")
}

func names(list *List) (all []string) {
	for e := range list.All() {
		all = append(all, e.Name+" "+e.Version+" "+e.Arch)
	}
	slices.Sort(all)
	return all
}

// TestDraft adds packages in turn and looks at what is left of them.
func TestDraft(t *testing.T) {
	type add struct {
		version, arch string
	}
	for name, c := range map[string]struct {
		keep int
		adds []add
		want []string
	}{
		"newer takes the place":    {1, []add{{"1", "amd64"}, {"1", Source}, {"2", "amd64"}, {"2", Source}}, []string{"a 2 amd64", "a 2 source"}},
		"lagging architecture":     {1, []add{{"1", "amd64"}, {"1", "arm64"}, {"1", Source}, {"2", "amd64"}, {"2", Source}}, []string{"a 1 arm64", "a 1 source", "a 2 amd64", "a 2 source"}},
		"all, then each":           {1, []add{{"1", "all"}, {"2", "amd64"}}, []string{"a 1 all", "a 2 amd64"}},
		"all, then all of each":    {1, []add{{"1", "all"}, {"2", "amd64"}, {"2", "arm64"}}, []string{"a 2 amd64", "a 2 arm64"}},
		"each, then all":           {1, []add{{"1", "amd64"}, {"1", "arm64"}, {"2", "all"}}, []string{"a 2 all"}},
		"two are kept":             {2, []add{{"1", "amd64"}, {"2", "amd64"}, {"3", "amd64"}}, []string{"a 2 amd64", "a 3 amd64"}},
		"two are kept of all":      {2, []add{{"1", "all"}, {"2", "amd64"}, {"3", "amd64"}, {"3", "arm64"}}, []string{"a 1 all", "a 2 amd64", "a 3 amd64", "a 3 arm64"}},
		"a step back":              {1, []add{{"2", "amd64"}, {"1", "amd64"}}, []string{"a 1 amd64"}},
		"a step back of many":      {3, []add{{"1", "amd64"}, {"2", "amd64"}, {"3", "amd64"}, {"1.5", "amd64"}}, []string{"a 1 amd64", "a 1.5 amd64"}},
		"sources alone":            {1, []add{{"1", Source}, {"2", Source}}, []string{"a 2 source"}},
		"source below, not needed": {1, []add{{"2", Source}, {"1", Source}}, []string{"a 2 source"}},
	} {
		t.Run(name, func(t *testing.T) {
			var list List
			for _, a := range c.adds {
				d := list.Draft(suite(c.keep))
				d.Add(entry(t, "a", a.version, a.arch))
				d.Settle()
				list.Apply(d.Delta())
			}
			if diff := cmp.Diff(c.want, names(&list)); diff != "" {
				t.Errorf("what is left (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRevert takes changes back, and compares what is counted with what a list made anew counts.
func TestRevert(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var list List
	for range 300 {
		d := list.Draft(suite(1 + random.IntN(2)))
		var before []*Entry
		for range 3 {
			mark := d.Mark()
			before, _ = d.Delta()
			for range 1 + random.IntN(3) {
				name := string(rune('a' + random.IntN(4)))
				var used []string
				if random.IntN(3) == 0 {
					used = []string{fmt.Sprintf("%c %d", 'a'+random.IntN(4), random.IntN(5))}
				}
				d.Add(entry(t, name, fmt.Sprint(random.IntN(5)), []string{"amd64", "arm64", "all", Source}[random.IntN(4)], used...))
			}
			d.Settle()
			if random.IntN(2) == 0 {
				d.Revert(mark)
				if after, _ := d.Delta(); !slices.Equal(before, after) {
					t.Fatalf("%d added before what was taken back, %d after", len(before), len(after))
				}
			}
		}
		list.Apply(d.Delta())
		var anew List
		anew.Apply(slices.Collect(list.All()), nil)
		if diff := cmp.Diff(anew.needed, list.needed); diff != "" || anew.Len() != list.Len() {
			t.Fatalf("%d and %d packages; needed sources (-anew +counted):\n%s", anew.Len(), list.Len(), diff)
		}
		for e := range list.All() {
			if o := list.Find(e); o == nil || o.ID() != e.ID() {
				t.Fatalf("%s is there and not found", e.ID())
			}
		}
	}
}
