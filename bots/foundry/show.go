package main

import (
	"encoding/json"
	"io"

	"github.com/spf13/cobra"
)

func (c *client) showCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "show CONTEXT",
		Short:             "Show a transaction: stages, durations, bots, artifacts",
		Args:              exactly(1, "a transaction's context"),
		ValidArgsFunction: c.completeContext,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, t, err := c.openTransaction(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer s.close()
			if c.JSON {
				return printJSON(c.out, t.Report())
			}
			t.Print(c.out)
			return nil
		},
	}
}

// completeContext offers the contexts that are kept.
func (c *client) completeContext(cmd *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if err := c.configure(cmd); err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	s, err := c.open(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	defer s.close()
	return s.transactions().Contexts(cmd.Context(), prefix), cobra.ShellCompDirectiveNoFileComp
}

// printJSON writes v, indented.
func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
