package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"foundry/pkg/bot"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

// keyrings lists the names of all keyrings in the trust folder.
func keyrings() []string {
	return append(topicNames(), string(message.ControlTopic), trust.Committers, trust.Uploaders, trust.Packages)
}

func (c *client) trustCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trust",
		Short: "Show and change whose keys are believed",
		Long: `Trust edits the keyrings in the folder "trust" of the state folder: one for each topic with the keys that may
speak on it, one of those who may sign commits (committers), one of those who may upload source packages (uploaders), one
of the keys that sign packages (packages). Running
bots notice changes by themselves.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return bot.Usage(fmt.Sprintf("unknown command %q", "trust "+args[0]), suggestion(cmd, args[0]))
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	cmd.AddCommand(c.trustAddCommand(), c.trustListCommand(), c.trustRemoveCommand())
	return cmd
}

func (c *client) trustAddCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "add FILE.asc TOPIC…",
		Short:   "Believe the public keys in a file on topics",
		Example: "  gpg --armor --export alice@example.org > alice.asc\n  foundry trust add alice.asc committers",
		Args:    atLeast(2, "a file with public keys and at least one topic"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return []string{"asc", "gpg", "pgp"}, cobra.ShellCompDirectiveFilterFileExt
			}
			return completeKeyrings(cmd, args[1:], prefix)
		},
		RunE: func(_ *cobra.Command, args []string) error { return c.trustAdd(args[0], args[1:]) },
	}
}

func (c *client) trustListCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "list [TOPIC…]",
		Short:             "List the keys that are believed, by topic",
		ValidArgsFunction: completeKeyrings,
		RunE:              func(_ *cobra.Command, args []string) error { return c.trustList(args) },
	}
}

func (c *client) trustRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "remove FINGERPRINT TOPIC…",
		Short: "Believe a key on topics no more",
		Args:  atLeast(2, "a fingerprint and at least one topic"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return completeKeyrings(cmd, args[1:], prefix)
		},
		RunE: func(_ *cobra.Command, args []string) error { return c.trustRemove(args[0], args[1:]) },
	}
}

// atLeast checks the number of arguments of a command.
func atLeast(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < n {
			return bot.Usage(fmt.Sprintf("%s takes %s", cmd.CommandPath(), what), "usage: "+cmd.UseLine())
		}
		return nil
	}
}

func completeKeyrings(_ *cobra.Command, args []string, prefix string) (names []string, _ cobra.ShellCompDirective) {
	for _, name := range keyrings() {
		if strings.HasPrefix(name, prefix) && !slices.Contains(args, name) {
			names = append(names, name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func checkKeyrings(names []string) error {
	for _, name := range names {
		if !slices.Contains(keyrings(), name) {
			return bot.Usage(fmt.Sprintf("no such topic or keyring %q", name), bot.Nearest(name, keyrings()))
		}
	}
	return nil
}

func (c *client) trustAdd(path string, names []string) error {
	if err := checkKeyrings(names); err != nil {
		return err
	}
	ring, err := trust.ReadKeyring(path)
	if err != nil {
		return bot.Hint(err, "the file holds public OpenPGP keys: what gpg --armor --export KEY writes, or for a bot the keyring trust/TOPIC.asc of its own state folder")
	}
	if err := bot.PrepareState(c.State); err != nil {
		return err
	}
	for _, name := range names {
		if err := trust.Add(bot.TrustDir(c.State), name, ring); err != nil {
			return err
		}
	}
	if c.JSON {
		return printJSON(c.out, ring.Keys())
	}
	for _, key := range ring.Keys() {
		fmt.Fprintf(c.out, "%s  %s  is believed on %s%s\n", key.Fingerprint, bot.Printable(key.Name), strings.Join(names, ", "), validity(key))
	}
	return nil
}

// trusted is one keyring of the trust folder.
type trusted struct {
	Topic string          `json:"topic"`
	Keys  []trust.KeyInfo `json:"keys"`
}

// readTrust reads the named keyrings of a state folder, those that are there.
func readTrust(state string, names []string) ([]trusted, error) {
	all := []trusted{}
	for _, name := range names {
		ring, err := trust.ReadKeyring(filepath.Join(bot.TrustDir(state), name+".asc"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, trusted{name, ring.Keys()})
	}
	return all, nil
}

func (c *client) trustList(names []string) error {
	if err := checkKeyrings(names); err != nil {
		return err
	}
	wanted := names
	if len(wanted) == 0 {
		wanted = keyrings()
	}
	all, err := readTrust(c.State, wanted)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(c.out, all)
	}
	if len(all) == 0 {
		what := "nobody"
		if len(names) > 0 {
			what += " on " + strings.Join(names, ", ")
		}
		return bot.Hint(fmt.Errorf("%s is believed in %s", what, c.State), "add keys with foundry trust add FILE.asc TOPIC")
	}
	table := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TOPIC\tFINGERPRINT\tNAME")
	for _, t := range all {
		for _, key := range t.Keys {
			fmt.Fprintf(table, "%s\t%s\t%s%s\n", t.Topic, key.Fingerprint, bot.Printable(key.Name), validity(key))
		}
	}
	return table.Flush()
}

// validity is what there is to say about a key's expiry, beginning with a comma, or "".
func validity(key trust.KeyInfo) string {
	switch {
	case key.Revoked:
		return ", revoked"
	case key.Expires.IsZero():
		return ""
	case key.Expires.Before(time.Now()):
		return ", expired " + key.Expires.Format(time.DateOnly)
	}
	return ", expires " + key.Expires.Format(time.DateOnly)
}

func (c *client) trustRemove(print string, names []string) error {
	if err := checkKeyrings(names); err != nil {
		return err
	}
	print = strings.ToUpper(strings.TrimPrefix(strings.ReplaceAll(print, " ", ""), "0x"))
	if len(print) != 40 && len(print) != 64 || strings.Trim(print, "0123456789ABCDEF") != "" {
		return bot.Usage(fmt.Sprintf("%q is not a fingerprint", print), "give all 40 digits, as foundry trust list shows them")
	}
	for _, name := range names { // all or none
		known, err := readTrust(c.State, []string{name})
		if err != nil {
			return err
		}
		if len(known) == 0 || !slices.ContainsFunc(known[0].Keys, func(k trust.KeyInfo) bool { return k.Fingerprint == print }) {
			return bot.Hint(fmt.Errorf("key %s is not among those of %s", print, name), "see foundry trust list "+name)
		}
	}
	for _, name := range names {
		err := trust.Remove(bot.TrustDir(c.State), name, print)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // another was faster
			return err
		}
	}
	if c.JSON {
		return printJSON(c.out, map[string]any{"removed": print, "topics": names})
	}
	fmt.Fprintf(c.out, "%s  is believed no more on %s\n", print, strings.Join(names, ", "))
	return nil
}
