package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"foundry/bots/foundry/world"

	"github.com/spf13/cobra"

	"foundry/pkg/bot"
	"foundry/pkg/message"
)

// rebuilding is what rebuild is asked for.
type rebuilding struct {
	codename   string
	dependents bool
	transitive bool
	dryRun     bool
	timeout    time.Duration
}

func (c *client) rebuildCommand() *cobra.Command {
	var o rebuilding
	cmd := &cobra.Command{
		Use:   "rebuild PACKAGE…",
		Short: "Build published source packages again, or what build-depends on them",
		Long: `Rebuild builds published source packages again, from the commits that they were made of and with a version of
their own: "+build1", "+build2" and so on behind the old one.

With --rebuild-dependents the given packages stay as they are, and what build-depends on their binary packages is
rebuilt, as after a new version of a library: only what names one of them itself unless --transitive is given. Each
is built once, and those that need each other in order: what is rebuilt first is published before the next begins.
Packages that need each other in a circle are built together. What has been rebuilt since the given packages were
published is not rebuilt again, so a call that was interrupted can be given once more. Where one fails, what needs
it is left out. Dependencies on virtual packages are not seen, and a commit that goes to several codenames is rebuilt in
all of them.

It ends with status 1 when a package was not rebuilt.`,
		Example: "  foundry rebuild hello\n  foundry rebuild libfoo --rebuild-dependents --dry-run\n  foundry rebuild libfoo --codename trixie --rebuild-dependents",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return bot.Usage("foundry rebuild takes one or more source packages, none given", "usage: "+cmd.UseLine())
			}
			if o.transitive && !o.dependents {
				return bot.Usage("--transitive without --rebuild-dependents", "the given packages alone are rebuilt without it")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			return c.rebuild(cmd.Context(), s, args, o)
		},
	}
	cmd.Flags().StringVar(&o.codename, "codename", "", "distribution that the packages are in (default: the only one that has them)")
	cmd.Flags().BoolVar(&o.dependents, "rebuild-dependents", false, "rebuild what build-depends on the packages, instead of them")
	cmd.Flags().BoolVar(&o.transitive, "transitive", false, "and what build-depends on what is rebuilt")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "tell what would be rebuilt, in order, and do nothing")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 0, "give up waiting after this time (default: never)")
	return cmd
}

// The states of a package that is to be rebuilt, beside those of a transaction.
const (
	rebuildPlanned = "planned"
	rebuildDone    = "done"     // rebuilt since already
	rebuildLeftOut = "left out" // Reason says why
)

// rebuilt is a package that is rebuilt, as JSON shows it.
type rebuilt struct {
	Source  string `json:"source"`
	Version string `json:"version"` // that is published
	Level   int    `json:"level"`   // from 1: what is before has to be published first
	State   string `json:"state"`
	Context string `json:"context,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// rebuildReport is what becomes of a rebuild.
type rebuildReport struct {
	Codename string     `json:"codename"`
	Packages []*rebuilt `json:"packages"`
}

func (c *client) rebuild(ctx context.Context, s *session, roots []string, o rebuilding) error {
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.timeout)
		defer cancel()
	}
	worlds, err := s.worlds(ctx)
	if err != nil {
		return err
	}
	if o.codename, err = chooseCodename(worlds, roots, o.codename); err != nil {
		return err
	}
	w := worlds[o.codename]
	some := map[string]bool{}
	for _, name := range roots {
		some[name] = true
	}
	if o.dependents {
		some = w.Dependents(roots, o.transitive)
	}
	r := &rebuildRun{client: c, s: s, o: o, roots: roots, report: rebuildReport{Codename: o.codename, Packages: []*rebuilt{}}}
	for i, level := range w.Levels(some) {
		for _, name := range level {
			r.report.Packages = append(r.report.Packages, &rebuilt{
				Source: name, Version: w[name].Source.Version, Level: i + 1, State: rebuildPlanned,
			})
		}
	}
	return r.run(ctx, w)
}

// worlds reads what is kept of every codename.
func (s *session) worlds(ctx context.Context) (map[string]world.World, error) {
	return world.Read(ctx, s.Bus, s.sealer)
}

// chooseCodename returns the codename that has all packages.
func chooseCodename(worlds map[string]world.World, packages []string, asked string) (string, error) {
	if asked != "" {
		var names []string
		for name := range worlds[asked] {
			names = append(names, name)
		}
		for _, name := range packages {
			if worlds[asked][name] == nil {
				return "", bot.Hint(fmt.Errorf("no source package %s is published in %s, as far as messages are kept", name, asked), bot.Nearest(name, names))
			}
		}
		return asked, nil
	}
	var having, names []string
	for _, codename := range slices.Sorted(maps.Keys(worlds)) {
		names = slices.AppendSeq(names, maps.Keys(worlds[codename]))
		if !slices.ContainsFunc(packages, func(name string) bool { return worlds[codename][name] == nil }) {
			having = append(having, codename)
		}
	}
	switch len(having) {
	case 0:
		return "", bot.Hint(fmt.Errorf("no codename has %s, as far as messages are kept", strings.Join(packages, ", ")), bot.Nearest(packages[0], names))
	case 1:
		return having[0], nil
	}
	return "", bot.Usage(strings.Join(packages, ", ")+" is in "+strings.Join(having, " and "), "say which with --codename")
}

// rebuildDependents rebuilds what build-depends on what a transaction has published.
func (c *client) rebuildDependents(ctx context.Context, s *session, name string, timeout time.Duration) error {
	t, err := s.transactions().Load(ctx, name)
	if err != nil {
		return err
	}
	packages := map[string]string{} // source package by codename
	for _, e := range t.Entries {
		if d, ok := e.Body.(*message.Dist); ok {
			packages[d.Codename] = d.Package.Source
		}
	}
	for _, codename := range slices.Sorted(maps.Keys(packages)) {
		err := c.rebuild(ctx, s, []string{packages[codename]}, rebuilding{codename: codename, dependents: true, timeout: timeout})
		if err != nil {
			return err
		}
	}
	return nil
}
