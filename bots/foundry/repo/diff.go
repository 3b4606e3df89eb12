package repo

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/publish"
)

// difference is what one list of packages has beside another.
type difference struct {
	Codename string           `json:"codename"`
	From     uint64           `json:"from"` // serial; 0 is before the first publish
	To       uint64           `json:"to"`   // serial
	Added    []publish.Listed `json:"added"`
	Removed  []publish.Listed `json:"removed"`
}

func (e *Env) diffCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "diff CODENAME [SERIAL [SERIAL]]",
		Short: "Show which packages differ between two publishes",
		Long: `Diff shows what has come, gone and changed its version between two publishes of a codename. With one SERIAL it compares that
publish with what clients see, with none the latest publish with the one before.`,
		Example:           "  foundry repo diff bookworm\n  foundry repo diff bookworm 12\n  foundry repo diff bookworm 12 15",
		Args:              takes(1, 3, "a codename and up to two serials"),
		ValidArgsFunction: e.complete(codenames, serials, serials),
		RunE: func(cmd *cobra.Command, args []string) error {
			var given []uint64
			for _, arg := range args[1:] {
				serial, err := parseSerial(arg)
				if err != nil {
					return err
				}
				given = append(given, serial)
			}
			return e.with(cmd.Context(), func(a *archive) error { return e.diff(cmd.Context(), a, args[0], given) })
		},
	}
}

// parseSerial reads a serial.
func parseSerial(s string) (uint64, error) {
	serial, err := strconv.ParseUint(s, 10, 64)
	if err != nil || serial == 0 {
		return 0, bot.Usage(fmt.Sprintf("%q: not a serial", s), "serials are numbers from 1, see foundry repo log CODENAME")
	}
	return serial, nil
}

func (e *Env) diff(ctx context.Context, a *archive, name string, given []uint64) error {
	codename, err := a.codename(name)
	if err != nil {
		return err
	}
	list, err := a.Snapshots(ctx, codename)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return noSnapshot(codename, 1, nil)
	}
	d := difference{Codename: codename, To: list[0].Serial}
	for _, s := range list {
		if s.Current {
			d.To = s.Serial
		}
	}
	switch len(given) {
	case 0:
		if _, d.From, err = a.snapshot(ctx, codename, d.To); err != nil {
			return err
		}
	case 1:
		d.From = given[0]
	default:
		d.From, d.To = given[0], given[1]
	}
	if err := a.compare(ctx, &d); err != nil {
		return err
	}
	if e.JSON {
		return printJSON(e.Out, d)
	}
	if len(d.Added)+len(d.Removed) == 0 {
		fmt.Fprintf(e.Errs, "publishes %d and %d of %s list the same packages\n", d.From, d.To, codename)
		return nil
	}
	return printChanges(e.Out, d.Added, d.Removed)
}

// compare fills in what differs.
func (a *archive) compare(ctx context.Context, d *difference) error {
	var before []publish.Listed
	var err error
	if d.From > 0 {
		if before, err = a.packages(ctx, d.Codename, d.From); err != nil {
			return err
		}
	}
	after, err := a.packages(ctx, d.Codename, d.To)
	if err != nil {
		return err
	}
	d.Added, d.Removed = orEmpty(without(after, before)), orEmpty(without(before, after))
	return nil
}

// without returns those of list that are not among others. Same package, other component is another.
func without(list, others []publish.Listed) (some []publish.Listed) {
	there := map[publish.Listed]bool{}
	for _, p := range others {
		there[p] = true
	}
	for _, p := range list {
		if !there[p] {
			some = append(some, p)
		}
	}
	return some
}

// place is where a version of a package stands.
type place struct {
	name, arch string
	udeb       bool
}

func placeOf(p publish.Listed) place { return place{p.Package, p.Architecture, p.Udeb} }

// printChanges writes a line for each package that has come ("+"), gone ("-") or changed ("~").
func printChanges(w io.Writer, added, removed []publish.Listed) error {
	gone := map[place][]publish.Listed{}
	for _, p := range removed {
		gone[placeOf(p)] = append(gone[placeOf(p)], p)
	}
	list := make([][]string, 0, len(added)+len(removed))
	for _, p := range added {
		old := gone[placeOf(p)]
		if len(old) == 0 {
			list = append(list, change("+", p, p.Version))
			continue
		}
		gone[placeOf(p)] = old[1:]
		list = append(list, change("~", p, step(old[0], p)))
	}
	for _, p := range removed {
		if at := placeOf(p); len(gone[at]) > 0 {
			list = append(list, change("-", p, gone[at][0].Version))
			gone[at] = gone[at][1:]
		}
	}
	slices.SortStableFunc(list, func(a, b []string) int {
		return cmp.Or(cmp.Compare(a[1], b[1]), cmp.Compare(a[2], b[2]))
	})
	return table(w, list)
}

func change(mark string, p publish.Listed, version string) []string {
	name := p.Package
	if p.Udeb {
		name += " (udeb)"
	}
	return []string{mark, name, p.Architecture, version, p.Component}
}

// step says from which version to which a package has gone.
func step(old, now publish.Listed) string {
	switch {
	case old.Version == now.Version && old.Component != now.Component:
		return now.Version + " (was in " + old.Component + ")"
	case old.Version == now.Version:
		return now.Version + " (other content)"
	case lower(now.Version, old.Version):
		return old.Version + " → " + now.Version + " (lower)"
	}
	return old.Version + " → " + now.Version
}

func lower(a, b string) bool {
	x, err := debian.ParseVersion(a)
	if err != nil {
		return false
	}
	y, err := debian.ParseVersion(b)
	return err == nil && x.Compare(y) < 0
}
