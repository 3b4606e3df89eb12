package repo

import (
	"context"
	"fmt"
	"path"

	"github.com/spf13/cobra"

	"foundry/pkg/bot"
	"foundry/pkg/publish"
)

// listing is what list is asked for.
type listing struct {
	serial    uint64
	arch      string
	component string
	sources   bool
}

func (e *Env) listCommand() *cobra.Command {
	var o listing
	cmd := &cobra.Command{
		Use:   "list [CODENAME [PACKAGE…]]",
		Short: "List the packages that are published",
		Long: `List shows the packages of a codename, or of all. PACKAGE is the name of a binary or source package, in which "*" and "?" stand
for any characters. With --serial it shows what an earlier publish listed.`,
		Example: "  foundry repo list\n  foundry repo list bookworm 'libfoo*' --arch amd64\n  foundry repo list bookworm --serial 12",
		Args: func(_ *cobra.Command, args []string) error {
			for _, glob := range args[min(1, len(args)):] {
				if _, err := path.Match(glob, ""); err != nil {
					return bot.Usage(fmt.Sprintf("%q: not a name of packages", glob), `"*" and "?" stand for any characters`)
				}
			}
			if o.serial > 0 && len(args) == 0 {
				return bot.Usage("--serial without a codename", "each codename has its own serials, see foundry repo log CODENAME")
			}
			return nil
		},
		ValidArgsFunction: e.complete(codenames, packages),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(a *archive) error { return e.list(cmd.Context(), a, args, o) })
		},
	}
	cmd.Flags().Uint64Var(&o.serial, "serial", 0, "list what the publish of this `number` listed")
	cmd.Flags().StringVar(&o.arch, "arch", "", "only packages for this `architecture`, or source")
	cmd.Flags().StringVar(&o.component, "component", "", "only packages of this `component`")
	cmd.Flags().BoolVar(&o.sources, "sources", false, "only source packages")
	return cmd
}

func (e *Env) list(ctx context.Context, a *archive, args []string, o listing) error {
	names, err := a.codenames(args)
	if err != nil {
		return err
	}
	entries := []entry{}
	for _, codename := range names {
		list, err := a.packages(ctx, codename, o.serial)
		if err != nil {
			return err
		}
		for _, p := range list {
			if o.wants(p) && named(p, args[min(1, len(args)):]) {
				entries = append(entries, entry{codename, p})
			}
		}
	}
	if e.JSON {
		return printJSON(e.Out, entries)
	}
	if len(entries) == 0 {
		fmt.Fprintln(e.Errs, "no packages")
		return nil
	}
	return table(e.Out, rows(entries))
}

func (o listing) wants(p publish.Listed) bool {
	return (o.arch == "" || o.arch == p.Architecture) && (o.component == "" || o.component == p.Component) &&
		(!o.sources || p.Architecture == sourceArchitecture)
}

// named tells whether one of the patterns means the package, or the source package that it was built from.
func named(p publish.Listed, globs []string) bool {
	for _, glob := range globs {
		for _, name := range []string{p.Package, p.Source} {
			if ok, err := path.Match(glob, name); err == nil && ok {
				return true
			}
		}
	}
	return len(globs) == 0
}
