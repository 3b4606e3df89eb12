package repo

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"foundry/pkg/bot"
	"foundry/pkg/publish"
)

// shown is a publish with what it has changed, as JSON shows it.
type shown struct {
	publish.Snapshot
	Before uint64           `json:"before"` // serial of the publish before; 0 for none that is kept
	Came   []publish.Listed `json:"packages_added"`
	Gone   []publish.Listed `json:"packages_removed"`
}

func (e *Env) showCommand() *cobra.Command {
	var codename string
	cmd := &cobra.Command{
		Use:   "show PACKAGE|SERIAL",
		Short: "Show a package wherever it is published, or what a publish has changed",
		Long: `Show tells of a binary or source package where it is published, with its files and hashes; of a publish when it was, why, and what
it has changed.`,
		Example:           "  foundry repo show hello\n  foundry repo show 12 --codename bookworm",
		Args:              takes(1, 1, "a package or a serial"),
		ValidArgsFunction: e.complete(anyPackage),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(a *archive) error { return e.show(cmd.Context(), a, args[0], codename) })
		},
	}
	cmd.Flags().StringVar(&codename, "codename", "", "only in this `codename`")
	return cmd
}

func (e *Env) show(ctx context.Context, a *archive, what, codename string) error {
	var names []string
	if codename != "" {
		names = []string{codename}
	}
	names, err := a.codenames(names)
	if err != nil {
		return err
	}
	if serial, err := strconv.ParseUint(what, 10, 64); err == nil {
		return e.showSnapshots(ctx, a, names, serial)
	}
	entries := []entry{}
	known := map[string]bool{}
	for _, codename := range names {
		list, err := a.Packages(ctx, codename, 0)
		if err != nil {
			return err
		}
		for _, p := range list {
			known[p.Package] = true
			if p.Package == what || p.Source == what {
				entries = append(entries, entry{codename, p})
			}
		}
	}
	if len(entries) == 0 {
		return bot.Hint(fmt.Errorf("no package %s is published: %w", what, publish.ErrUnknownPackage), nearest(what, known))
	}
	if e.JSON {
		return printJSON(e.Out, entries)
	}
	for i, p := range entries {
		if i > 0 {
			fmt.Fprintln(e.Out)
		}
		e.printEntry(p)
	}
	return nil
}

func (e *Env) printEntry(p entry) {
	kind := p.Architecture
	if p.Udeb {
		kind += " (udeb)"
	}
	fmt.Fprint(e.Out, bot.Printable(fmt.Sprintf("%s %s %s\n  codename   %s, component %s\n", p.Package, p.Version, kind, p.Codename, p.Component)))
	if p.Architecture != sourceArchitecture {
		fmt.Fprint(e.Out, bot.Printable(fmt.Sprintf("  source     %s %s\n", p.Source, p.SourceVersion)))
	}
	fmt.Fprint(e.Out, bot.Printable(fmt.Sprintf("  file       %s, %d bytes\n  sha256     %s\n", p.Filename, p.Size, p.SHA256)))
}

// showSnapshots shows the publish of that serial in each of the codenames that has one.
func (e *Env) showSnapshots(ctx context.Context, a *archive, names []string, serial uint64) error {
	all := []shown{}
	var problem error
	for _, codename := range names {
		s, before, err := a.snapshot(ctx, codename, serial)
		if err != nil {
			problem = err
			continue
		}
		d := difference{Codename: codename, From: before, To: serial}
		if err := a.compare(ctx, &d); err != nil {
			return err
		}
		all = append(all, shown{s, before, d.Added, d.Removed})
	}
	if len(all) == 0 {
		return problem
	}
	if e.JSON {
		return printJSON(e.Out, all)
	}
	for i, s := range all {
		if i > 0 {
			fmt.Fprintln(e.Out)
		}
		if err := e.printSnapshot(s); err != nil {
			return err
		}
	}
	return nil
}

func (e *Env) printSnapshot(s shown) error {
	current := ""
	if s.Current {
		current = ", which clients see"
	}
	fmt.Fprint(e.Out, bot.Printable(fmt.Sprintf("publish %d of %s%s\n  time       %s\n  reason     %s\n  packages   %d\n",
		s.Serial, s.Codename, current, s.Time.Local().Format(time.DateTime), s.Reason, s.Packages)))
	if s.Release != "" {
		fmt.Fprintf(e.Out, "  Release    sha256 %s\n", s.Release)
	}
	if len(s.Came)+len(s.Gone) == 0 {
		return nil
	}
	fmt.Fprintln(e.Out)
	return printChanges(e.Out, s.Came, s.Gone)
}
