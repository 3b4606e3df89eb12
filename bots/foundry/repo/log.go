package repo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"foundry/pkg/bot"
	"foundry/pkg/publish"
)

func (e *Env) logCommand() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "log [CODENAME]",
		Short: "Show the publishes of a codename, the latest first",
		Long: `Log shows the publishes of a codename, or of all: each is a numbered snapshot that can be listed (repo list --serial), compared
(repo diff) and rolled back to. The one that clients see is marked.`,
		Example:           "  foundry repo log bookworm --limit 10",
		Args:              takes(0, 1, "a codename or nothing"),
		ValidArgsFunction: e.complete(codenames),
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 0 {
				return bot.Usage(fmt.Sprintf("--limit %d: less than nothing", limit), "")
			}
			return e.with(cmd.Context(), func(a *archive) error { return e.log(cmd.Context(), a, args, limit) })
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 0, "show so many of each codename (default: all that are kept)")
	return cmd
}

func (e *Env) log(ctx context.Context, a *archive, args []string, limit int) error {
	names, err := a.codenames(args)
	if err != nil {
		return err
	}
	all := []publish.Snapshot{}
	for _, codename := range names {
		list, err := a.Snapshots(ctx, codename)
		if err != nil {
			return err
		}
		if limit > 0 {
			list = list[:min(limit, len(list))]
		}
		all = append(all, list...)
	}
	if e.JSON {
		return printJSON(e.Out, all)
	}
	list := [][]string{{"", "CODENAME", "SERIAL", "TIME", "ADDED", "REMOVED", "PACKAGES", "REASON"}}
	for _, s := range all {
		mark := " "
		if s.Current {
			mark = "*"
		}
		list = append(list, []string{
			mark, s.Codename, strconv.FormatUint(s.Serial, 10), s.Time.Local().Format(time.DateTime),
			strconv.Itoa(s.Added), strconv.Itoa(s.Removed), strconv.Itoa(s.Packages), s.Reason,
		})
	}
	return table(e.Out, list)
}

// snapshot returns the one of that serial, and the one before it, if there is one.
func (a *archive) snapshot(ctx context.Context, codename string, serial uint64) (of publish.Snapshot, before uint64, err error) {
	list, err := a.Snapshots(ctx, codename)
	if err != nil {
		return of, 0, err
	}
	i := slices.IndexFunc(list, func(s publish.Snapshot) bool { return s.Serial == serial })
	if i < 0 {
		return of, 0, noSnapshot(codename, serial, list)
	}
	for _, s := range list[i+1:] {
		return list[i], s.Serial, nil
	}
	return list[i], 0, nil
}

// packages returns what a snapshot lists.
func (a *archive) packages(ctx context.Context, codename string, serial uint64) ([]publish.Listed, error) {
	list, err := a.Packages(ctx, codename, serial)
	if errors.Is(err, publish.ErrUnknownSnapshot) {
		kept, problem := a.Snapshots(ctx, codename)
		return nil, errors.Join(noSnapshot(codename, serial, kept), problem)
	}
	return list, err
}

// noSnapshot says that there is no snapshot of that serial, and which there are.
func noSnapshot(codename string, serial uint64, kept []publish.Snapshot) error {
	err := fmt.Errorf("%s has no publish %d: %w", codename, serial, publish.ErrUnknownSnapshot)
	if len(kept) == 0 {
		return bot.Hint(err, "nothing has been published there yet")
	}
	return bot.Hint(err, fmt.Sprintf("those kept are between %d and %d, see foundry repo log %s", kept[len(kept)-1].Serial, kept[0].Serial, codename))
}
