package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"foundry/bots/foundry/transaction"

	"github.com/spf13/cobra"

	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// submission is what submit and retry are asked for.
type submission struct {
	wait       bool
	rebuild    bool
	dependents bool // rebuild what build-depends on it
	timeout    time.Duration
}

func (c *client) submitCommand() *cobra.Command {
	var o submission
	cmd := &cobra.Command{
		Use:   "submit REPOSITORY[#BRANCH|#COMMIT]",
		Short: "Announce a commit by hand",
		Long: `Submit announces the head of a branch, or a commit, as a watchbot would. A commit that has been announced
already is not built again unless --rebuild is given.`,
		Example: "  foundry submit https://example.org/hello.git#stable --wait",
		Args:    exactly(1, "a repository"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.wait = o.wait || o.dependents
			return c.submit(cmd.Context(), args[0], o)
		},
	}
	cmd.Flags().BoolVar(&o.rebuild, "rebuild", false, "build again what has been announced already")
	cmd.Flags().BoolVar(&o.dependents, "rebuild-dependents", false, "follow it to its end, then rebuild what build-depends on it, as foundry rebuild does")
	o.declare(cmd)
	return cmd
}

func (o *submission) declare(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.wait, "wait", false, "follow the transaction to its end: exit 0 when published, 1 when failed")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 0, "with --wait: give up waiting after this time (default: never)")
}

func (c *client) retryCommand() *cobra.Command {
	o := submission{rebuild: true}
	cmd := &cobra.Command{
		Use:   "retry CONTEXT",
		Short: "Run a transaction again, from its commit or upload",
		Args:  exactly(1, "a transaction's context"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, t, err := c.openTransaction(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer s.close()
			if source := t.Upload(); source != nil {
				return c.uploadAgain(cmd.Context(), s, *source, o)
			}
			commit := t.Commit()
			if f := t.Failures(); commit == nil && len(f) > 0 && f[0].Uploaded() {
				return bot.Hint(fmt.Errorf("%s is an upload that was refused", args[0]), "mend it and upload it again")
			}
			if commit == nil {
				return bot.Hint(fmt.Errorf("the commit of %s is no longer kept", args[0]), "announce it with foundry submit")
			}
			return c.announce(cmd.Context(), s, *commit, o)
		},
	}
	o.declare(cmd)
	return cmd
}

// exactly checks the number of arguments of a command.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return bot.Usage(fmt.Sprintf("%s takes %s, %d arguments given", cmd.CommandPath(), what, len(args)), "usage: "+cmd.UseLine())
		}
		return nil
	}
}

func (c *client) submit(ctx context.Context, spec string, o submission) error {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	commit, err := describe(ctx, spec, c.path("heads"))
	if err != nil {
		return err
	}
	return c.announce(ctx, s, commit, o)
}

// announce publishes the commit and, if asked, follows what becomes of it.
func (c *client) announce(ctx context.Context, s *session, commit message.Commit, o submission) error {
	if o.rebuild {
		count, err := s.nextCount(ctx, commit)
		if err != nil {
			return err
		}
		commit.Count = count
	}
	m, err := message.NewCommit(s.self, &commit)
	if err != nil {
		return err
	}
	fresh, err := s.publish(ctx, m)
	if err != nil {
		return fmt.Errorf("announce %s: %w", commit.Ref, err)
	}
	return c.announced(ctx, s, m, fresh, "announced before; --rebuild builds it again", o)
}

// announced says which transaction a message has begun, or that it was there, and follows it if asked.
func (c *client) announced(ctx context.Context, s *session, m *message.Message, fresh bool, before string, o submission) error {
	out := c.out
	if c.JSON {
		out = c.errs // the answer is one object
	}
	switch {
	case c.JSON && !o.wait:
		return printJSON(c.out, map[string]any{"context": m.Context, "id": m.ID, "announced": fresh})
	case fresh:
		fmt.Fprintf(out, "%s\n", m.Context)
	default:
		fmt.Fprintf(out, "%s (%s)\n", m.Context, before)
	}
	if !o.wait {
		return nil
	}
	if err := c.wait(ctx, s, m.Context, o.timeout); err != nil || !o.dependents {
		return err
	}
	return c.rebuildDependents(ctx, s, m.Context, o.timeout)
}

// nextCount is the count of the next deliberate rebuild of a commit.
func (s *session) nextCount(ctx context.Context, commit message.Commit) (int, error) {
	for commit.Count = 0; ; commit.Count++ {
		_, err := s.Bus.Lookup(ctx, message.Commits, message.CommitID(&commit))
		if errors.Is(err, bus.ErrNotFound) {
			return commit.Count, nil
		}
		if err != nil {
			return 0, fmt.Errorf("look up earlier builds: %w", err)
		}
	}
}

// wait follows a transaction to its end, and shows why it failed when it did.
func (c *client) wait(ctx context.Context, s *session, name string, timeout time.Duration) error {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	out := c.out
	if c.JSON {
		out = c.errs
	}
	t, err := s.followShown(ctx, name, newProgress(out))
	if errors.Is(err, context.DeadlineExceeded) {
		return bot.Hint(fmt.Errorf("%s has not ended after %s", name, timeout), "it goes on; see foundry show "+name)
	}
	if err != nil {
		return fmt.Errorf("follow %s: %w", name, err)
	}
	if c.JSON {
		if err := printJSON(c.out, t.Report()); err != nil {
			return err
		}
	} else {
		t.Conclude(out)
	}
	if t.State() != transaction.Published {
		return bot.Exit(bot.ExitFailure)
	}
	return nil
}
