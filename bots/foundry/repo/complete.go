package repo

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"foundry/bots/internal/repoctl"
	"foundry/bots/internal/repository"
	"foundry/pkg/publish"
)

// word is a kind of argument that shells complete.
type word func(ctx context.Context, a *archive, args []string) []string

// complete completes arguments of these kinds; the last kind counts for all further ones.
func (e *Env) complete(words ...word) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		const nothing = cobra.ShellCompDirectiveNoFileComp
		if prepare := cmd.Root().PersistentPreRunE; prepare != nil && prepare(cmd, args) != nil {
			return nil, nothing
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		a := e.glance(ctx)
		if a == nil {
			return nil, nothing
		}
		return words[min(len(args), len(words)-1)](ctx, a, args), nothing
	}
}

// glance reaches the repository without opening it: where no distbot is running only its settings are known.
func (e *Env) glance(ctx context.Context) *archive {
	name, err := e.chosen()
	if err != nil {
		return nil
	}
	if client, err := repoctl.Dial(ctx, repoctl.Path(e.State, name)); err == nil {
		return &archive{Archive: client, about: client.About}
	}
	settings, err := repository.Load(e.State, name)
	if err != nil {
		return nil
	}
	suites, err := settings.Suites()
	if err != nil {
		return nil
	}
	return &archive{about: repository.About(publish.Options{Archive: name, Suites: suites})}
}

func codenames(_ context.Context, a *archive, _ []string) []string { return a.about.Codenames }

// serials are those of the codename that is the first argument.
func serials(ctx context.Context, a *archive, args []string) (list []string) {
	if a.Archive == nil || len(args) == 0 {
		return nil
	}
	all, err := a.Snapshots(ctx, args[0])
	if err != nil {
		return nil
	}
	for _, s := range all {
		list = append(list, fmt.Sprintf("%d\t%s", s.Serial, s.Reason))
	}
	return list
}

// packages are the source packages of the codename that is the first argument.
func packages(ctx context.Context, a *archive, args []string) []string {
	if len(args) == 0 {
		return nil
	}
	return sources(ctx, a, args[:1])
}

// anyPackage is a source package of any codename.
func anyPackage(ctx context.Context, a *archive, _ []string) []string {
	return sources(ctx, a, a.about.Codenames)
}

func sources(_ context.Context, a *archive, codenames []string) (list []string) {
	if a.Archive == nil {
		return nil
	}
	for _, codename := range codenames {
		all, err := a.Sources(codename)
		if err != nil {
			return nil
		}
		for name := range all {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
