// Package repo is "foundry repo": looking into the published apt repository, and changing it by hand.
//
// The commands speak to the distbot that has the repository open, through its socket in the state folder.
// Where none is running they open the repository themselves, as that distbot was last started.
package repo

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"foundry/pkg/bot"
)

// Env is what the commands share with the rest of the program.
type Env struct {
	*bot.Settings // filled in before a command runs
	In            io.Reader
	Out, Errs     io.Writer

	name string // of the repository; empty for the only one
}

// Command is the tree of commands.
func Command(env *Env) *cobra.Command {
	root := &cobra.Command{
		Use: "repo", Short: "Look into the published apt repository, and change it by hand",
		Long: `Repo shows what the published apt repository has and had, and changes it: every publish is a numbered snapshot that can
be looked at, compared and rolled back to. It works with a running distbot, and without one opens the repository itself.`,
		Example: `  foundry repo list bookworm
  foundry repo log bookworm
  foundry repo rollback bookworm 12
  foundry repo promote trixie-proposed trixie hello`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			var names []string
			for _, c := range cmd.Commands() {
				names = append(names, c.Name())
			}
			return bot.Usage(fmt.Sprintf("unknown command \"repo %s\"", args[0]), bot.Nearest(args[0], names))
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().StringVar(&env.name, "name", "", "`name` of the repository (default: the only one of the state folder, or main)")
	root.AddCommand(
		env.listCommand(), env.showCommand(), env.logCommand(), env.diffCommand(),
		env.rollbackCommand(), env.removeCommand(), env.copyCommand(), env.promoteCommand(), env.resignCommand(), env.verifyCommand(), env.importCommand(),
	)
	return root
}

// takes checks how many arguments there are; what says in words what they are. Less than zero is any number.
func takes(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return bot.Usage(fmt.Sprintf("%s takes %s, %d arguments given", cmd.CommandPath(), what, len(args)), "usage: "+cmd.UseLine())
		}
		return nil
	}
}
