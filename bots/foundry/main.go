// Foundry is the herder: it runs a whole foundry on one machine, submits commits, and shows what
// the bots do and have done.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"foundry/bots/foundry/repo"
	"foundry/bots/internal/wire"
	"foundry/pkg/bot"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is the program with the given arguments; it returns the exit status.
func run(args []string, out, errs io.Writer) int {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	c := &client{connect: wire.Connect, out: out, errs: errs}
	root := c.command()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	return bot.Report(errs, "foundry", err)
}

// command is the tree of all commands.
func (c *client) command() *cobra.Command {
	root := &cobra.Command{
		Use: "foundry", Short: "From git push to apt-get install: run, feed and inspect a foundry",
		Long: `Foundry builds Debian packages from git and publishes them in a signed apt repository.
"foundry demo" shows the whole of it in some minutes; "foundry init" and "foundry up" begin a foundry of your own.`,
		Version: bot.Version, SilenceErrors: true, SilenceUsage: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return bot.Usage(fmt.Sprintf("unknown command %q", args[0]), suggestion(cmd, args[0]))
		},
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return c.configure(cmd) },
	}
	c.DeclareShared(root.PersistentFlags())
	root.PersistentFlags().StringVar(&c.Config, "config", "", "configuration `file` (default: foundry.toml in the current folder, if it is there)")
	root.SetFlagErrorFunc(bot.FlagError)
	root.AddCommand(
		c.initCommand(), c.upCommand(), c.demoCommand(),
		c.submitCommand(), c.uploadCommand(), c.retryCommand(), c.rebuildCommand(),
		c.tailCommand(), c.showCommand(), c.logsCommand(), c.outputsCommand(), c.traceCommand(),
		c.listCommand(), c.stopCommand(), c.statusCommand(), c.trustCommand(), c.gcCommand(),
		repo.Command(&repo.Env{Settings: &c.Settings, In: os.Stdin, Out: c.out, Errs: c.errs}),
	)
	return root
}

// suggestion is the hint for a command that is not there.
func suggestion(cmd *cobra.Command, name string) string {
	for _, s := range cmd.SuggestionsFor(name) {
		return fmt.Sprintf("did you mean %q?", s)
	}
	return "see foundry --help"
}
