package main

import (
	"context"

	"github.com/spf13/cobra"

	"foundry/bots/foundry/trace"
	"foundry/pkg/bot"
)

func (c *client) traceCommand() *cobra.Command {
	var offline bool
	cmd := &cobra.Command{
		Use:   "trace FILE.deb|PACKAGE=VERSION[/ARCH]",
		Short: "Follow a package back to its commit or upload, and verify every link",
		Long: `Trace finds the message that published a package and follows it back: repository, signature, build, environment,
source package, commit or upload. At each link it verifies the message, that its key may speak there, what the next link says about
the same files, and the files themselves. It ends with status 0 only when everything holds. --verbose shows each
check.`,
		Example: "  foundry trace hello_2.10-3_amd64.deb\n  foundry trace hello=2.10-3/amd64",
		Args:    exactly(1, "a package file, or PACKAGE=VERSION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			target, err := trace.ParseTarget(args[0])
			if err != nil {
				return err
			}
			target.Offline = offline
			return c.trace(cmd.Context(), target)
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "do not ask the git repository for the commit and its signature")
	return cmd
}

func (c *client) trace(ctx context.Context, target trace.Target) error {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	ch, err := s.tracer().Follow(ctx, c.State, target)
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(c.out, ch)
	} else {
		ch.Print(c.out, c.Verbose > 0)
	}
	if err == nil && !ch.Whole {
		err = bot.Exit(bot.ExitFailure)
	}
	return err
}

// tracer reads from what the session is connected to.
func (s *session) tracer() *trace.Reader {
	return &trace.Reader{Bus: s.Bus, Store: s.Store, Sealer: s.sealer}
}
