package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"foundry/pkg/bot"
)

func (c *client) listCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the bots that are alive", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			states, err := bot.ListBots(cmd.Context(), s.Herd)
			if err != nil {
				return err
			}
			return bot.PrintBots(c.out, states, c.JSON)
		},
	}
}

func (c *client) stopCommand() *cobra.Command {
	return &cobra.Command{
		Use: "stop ID", Short: "Stop a bot gracefully, by its id or process id", Args: exactly(1, "an id or process id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.close()
			stopped, err := bot.StopBot(cmd.Context(), s.Herd, s.sealer, s.self, args[0])
			if err != nil {
				return err
			}
			if c.JSON {
				return printJSON(c.out, stopped)
			}
			fmt.Fprintf(c.out, "%s (process %d on %s) finishes its work and stops\n", stopped.Instance, stopped.PID, stopped.Host)
			return nil
		},
	}
}
