package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"foundry/bots/foundry/transaction"

	"github.com/spf13/cobra"

	"foundry/pkg/artifact"
	"foundry/pkg/bot"
	"foundry/pkg/message"
)

func (c *client) outputsCommand() *cobra.Command {
	var to, arch string
	cmd := &cobra.Command{
		Use:   "outputs CONTEXT",
		Short: "List or fetch the further files that builds have left, such as test reports",
		Long: `Outputs lists the files that debian/foundry.toml asks to keep of a transaction's builds, also of those that failed. With
--to they are written into a folder, below one for each architecture, under the paths that they had in the source tree.`,
		Example:           "  foundry outputs hello-20261120-231501-9f3c2a\n  foundry outputs hello-20261120-231501-9f3c2a --to reports",
		Args:              exactly(1, "a transaction's context"),
		ValidArgsFunction: c.completeContext,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, t, err := c.openTransaction(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer s.close()
			outputs := t.Outputs(arch)
			switch {
			case len(outputs) == 0:
				return bot.Hint(fmt.Errorf("no outputs of %s are kept", t.Context), `say which files to keep with outputs = ["%GLOB"] in debian/foundry.toml`)
			case to != "":
				return s.fetchOutputs(cmd.Context(), outputs, to)
			case c.JSON:
				return printJSON(c.out, outputs)
			}
			printOutputs(c.out, outputs)
			return nil
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "write the files into this `folder`")
	cmd.Flags().StringVar(&arch, "arch", "", "only those of builds for this `architecture`")
	return cmd
}

func printOutputs(w io.Writer, outputs []transaction.Output) {
	for _, o := range outputs {
		changes := ""
		if o.MayChange {
			changes = "  may change"
		}
		fmt.Fprintf(w, "%-8s  %s  %d bytes  sha256 %s%s\n", o.Architecture, bot.Printable(o.Path), o.File.Size, o.File.SHA256, changes)
	}
}

// fetchOutputs writes the files below the folder. A build chooses their paths: nothing is written
// outside of the folder, and no link in it is followed that leads out.
func (s *session) fetchOutputs(ctx context.Context, outputs []transaction.Output, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	root, err := os.OpenRoot(to)
	if err != nil {
		return fmt.Errorf("open folder: %w", err)
	}
	defer root.Close()
	for _, o := range outputs {
		name := filepath.Join(o.Architecture, o.Path)
		if !filepath.IsLocal(o.Path) || !filepath.IsLocal(name) {
			return fmt.Errorf("fetch %q: its path leads out of the folder", o.Path)
		}
		if err := s.fetchOutput(ctx, root, name, o.File); err != nil {
			return fmt.Errorf("fetch %s: %w", bot.Printable(o.Path), err)
		}
	}
	return nil
}

func (s *session) fetchOutput(ctx context.Context, root *os.Root, name string, ref message.Artifact) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	r, err := s.Store.Open(ctx, ref.SHA256)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := root.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, artifact.WithContext(ctx, r))
	return errors.Join(err, f.Close())
}
