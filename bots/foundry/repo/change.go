package repo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"foundry/pkg/bot"
	"foundry/pkg/publish"
)

// changing is what the commands that change a repository are asked for, beside the change.
type changing struct {
	dryRun    bool
	yes       bool
	reason    string
	binary    bool
	downgrade bool
}

func (o *changing) declare(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "only say what would change")
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	cmd.Flags().StringVar(&o.reason, "reason", "", "`why`, for foundry repo log")
}

// declareSelect adds the flags of commands that take packages.
func (o *changing) declareSelect(cmd *cobra.Command) {
	o.declare(cmd)
	cmd.Flags().BoolVar(&o.binary, "binary", false, "PACKAGE names binary packages, and not source packages with all that was built from them")
}

const packagesHelp = `PACKAGE is the name of a source package, and means it and all binary packages that were built from it; with --binary it is that of
a binary package, and means this alone. PACKAGE=VERSION means one version, PACKAGE:ARCH one architecture (or source).`

func (e *Env) rollbackCommand() *cobra.Command {
	var o changing
	cmd := &cobra.Command{
		Use:   "rollback CODENAME SERIAL",
		Short: "Publish again what an earlier publish listed",
		Long: `Rollback makes a new publish of a codename that lists what an earlier one did. Packages that have come since are gone from the indexes then; the
earlier publish, and the one that was rolled back from, stay, so that a rollback can itself be rolled back.`,
		Example:           "  foundry repo rollback bookworm 12 --dry-run",
		Args:              takes(2, 2, "a codename and a serial"),
		ValidArgsFunction: e.complete(codenames, serials),
		RunE: func(cmd *cobra.Command, args []string) error {
			serial, err := parseSerial(args[1])
			if err != nil {
				return err
			}
			change := publish.Change{Kind: publish.Rollback, Codename: args[0], Serial: serial}
			return e.change(cmd.Context(), change, o, fmt.Sprintf("Roll %s back to %d?", args[0], serial))
		},
	}
	o.declare(cmd)
	return cmd
}

func (e *Env) removeCommand() *cobra.Command {
	var o changing
	cmd := &cobra.Command{
		Use:               "remove CODENAME PACKAGE[:ARCH][=VERSION]…",
		Short:             "Take packages out of a codename",
		Long:              "Remove takes packages out of a codename. Their files can be fetched for a while yet, and a rollback brings them back.\n\n" + packagesHelp,
		Example:           "  foundry repo remove bookworm hello\n  foundry repo remove bookworm hello=2.10-3\n  foundry repo remove bookworm --binary hello-doc:all",
		Args:              takes(2, -1, "a codename and packages"),
		ValidArgsFunction: e.complete(codenames, packages),
		RunE: func(cmd *cobra.Command, args []string) error {
			some, err := o.selected(args[1:])
			if err != nil {
				return err
			}
			change := publish.Change{Kind: publish.Remove, Codename: args[0], Select: some}
			return e.change(cmd.Context(), change, o, fmt.Sprintf("Remove them from %s?", args[0]))
		},
	}
	o.declareSelect(cmd)
	return cmd
}

func (e *Env) copyCommand() *cobra.Command {
	var o changing
	cmd := &cobra.Command{
		Use:               "copy FROM TO PACKAGE[:ARCH][=VERSION]…",
		Short:             "Publish packages of one codename in another too, as they are",
		Long:              "Copy publishes packages of the codename FROM in the codename TO too, without building them again.\n\n" + packagesHelp,
		Example:           "  foundry repo copy bookworm-proposed bookworm hello",
		Args:              takes(3, -1, "two codenames and packages"),
		ValidArgsFunction: e.complete(codenames, codenames, packages),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.yes = true // nothing is lost
			return e.move(cmd, args, publish.Copy, o, "")
		},
	}
	o.declareSelect(cmd)
	cmd.Flags().BoolVar(&o.downgrade, "allow-downgrade", false, "also where TO has a higher version")
	return cmd
}

func (e *Env) promoteCommand() *cobra.Command {
	var o changing
	cmd := &cobra.Command{
		Use:   "promote FROM TO PACKAGE[:ARCH][=VERSION]…",
		Short: "Move packages from one codename to another, as they are",
		Long: `Promote moves packages from the codename FROM to the codename TO, without building them again. They are in TO before they leave
FROM.` + "\n\n" + packagesHelp,
		Example:           "  foundry repo promote bookworm-proposed bookworm hello",
		Args:              takes(3, -1, "two codenames and packages"),
		ValidArgsFunction: e.complete(codenames, codenames, packages),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.move(cmd, args, publish.Promote, o, fmt.Sprintf("Move them from %s to %s?", args[0], args[1]))
		},
	}
	o.declareSelect(cmd)
	cmd.Flags().BoolVar(&o.downgrade, "allow-downgrade", false, "also where TO has a higher version")
	return cmd
}

// move copies or promotes.
func (e *Env) move(cmd *cobra.Command, args []string, kind string, o changing, question string) error {
	some, err := o.selected(args[2:])
	if err != nil {
		return err
	}
	if args[0] == args[1] {
		return bot.Usage(fmt.Sprintf("%s and %s are the same codename", args[0], args[1]), "usage: "+cmd.UseLine())
	}
	change := publish.Change{Kind: kind, From: args[0], Codename: args[1], Select: some, AllowDowngrade: o.downgrade}
	return e.change(cmd.Context(), change, o, question)
}

// selected reads packages as a person writes them.
func (o *changing) selected(args []string) (list []publish.Select, err error) {
	for _, arg := range args {
		name, version, versioned := strings.Cut(arg, "=")
		name, arch, machine := strings.Cut(name, ":")
		if name == "" || versioned && version == "" || machine && arch == "" || strings.ContainsAny(arg, "*?[_/ ") {
			return nil, bot.Usage(fmt.Sprintf("%q: not a package", arg), "write NAME, NAME=VERSION, NAME:ARCH or NAME:ARCH=VERSION")
		}
		list = append(list, publish.Select{Name: name, Version: version, Architecture: arch, Binary: o.binary})
	}
	return list, nil
}

// change shows what a change would do, asks, and makes it.
func (e *Env) change(ctx context.Context, change publish.Change, o changing, question string) error {
	if strings.ContainsAny(o.reason, "\r\n") {
		return bot.Usage("--reason has a line break", "give one line")
	}
	change.Reason = o.reason
	return e.with(ctx, func(a *archive) (err error) {
		if change.Codename, err = a.codename(change.Codename); err != nil {
			return err
		}
		if change.From != "" {
			if change.From, err = a.codename(change.From); err != nil {
				return err
			}
		}
		ask := !o.yes && isTerminal(e.In) && !e.JSON
		if o.dryRun || ask {
			preview := change
			preview.DryRun = true
			would, err := a.Change(ctx, preview)
			if err != nil {
				return a.explain(ctx, change, err)
			}
			if err := e.printChanged(would, "would change"); err != nil || o.dryRun || unchanged(would) {
				return err
			}
			if !e.agreed(question) {
				return errors.New("nothing was changed")
			}
		}
		// Where a target is out of reach there is an error, and the repository has changed.
		done, err := a.Change(ctx, change)
		if err != nil {
			err = a.explain(ctx, change, err)
		}
		if err == nil || len(done) > 0 {
			err = errors.Join(err, a.explained(ctx), e.printChanged(done, "changed"))
		}
		return err
	})
}

// agreed asks a person.
func (e *Env) agreed(question string) bool {
	fmt.Fprintf(e.Errs, "%s [y/N] ", question)
	answer, err := bufio.NewReader(e.In).ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	return err == nil && (answer == "y" || answer == "yes")
}

func unchanged(all []publish.Changed) bool {
	for _, c := range all {
		if len(c.Added)+len(c.Removed) > 0 {
			return false
		}
	}
	return true
}

// printChanged tells what has changed, or would.
func (e *Env) printChanged(all []publish.Changed, verb string) error {
	if e.JSON {
		for i := range all {
			all[i].Added, all[i].Removed = orEmpty(all[i].Added), orEmpty(all[i].Removed)
		}
		return printJSON(e.Out, orEmpty(all))
	}
	if unchanged(all) {
		fmt.Fprintln(e.Out, "nothing to change")
		return nil
	}
	for _, c := range all {
		if len(c.Added)+len(c.Removed) == 0 {
			continue
		}
		at := ""
		if verb == "changed" {
			at = fmt.Sprintf(", publish %d", c.Serial)
		}
		fmt.Fprintf(e.Out, "%s %s%s\n", c.Codename, verb, at)
		if err := printChanges(e.Out, c.Added, c.Removed); err != nil {
			return err
		}
		for _, p := range c.Kept {
			fmt.Fprint(e.Out, bot.Printable(fmt.Sprintf("=  %s %s stays: packages that stay were built from it or with it\n", p.Package, p.Version)))
		}
	}
	return nil
}
