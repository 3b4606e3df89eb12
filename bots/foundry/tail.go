package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// tailing is what tail is asked for.
type tailing struct {
	since            string
	follow, noFollow bool
}

func (c *client) tailCommand() *cobra.Command {
	var o tailing
	cmd := &cobra.Command{
		Use:   "tail [TOPIC…]",
		Short: "Show messages as they pass, verified",
		Long: `Tail shows one line for each message on the given topics, or on all: when it was said, topic, transaction,
what it is about and by whom. A message that is not believed is shown as rejected, with the reason and never
with its content. With --json each line is the whole message, or {"rejected": …}.`,
		Example:           "  foundry tail\n  foundry tail builds failures --since 2h\n  foundry tail --no-follow --json | jq .data",
		ValidArgsFunction: completeTopics,
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, err := o.filter(args, time.Now())
			if err != nil {
				return err
			}
			return c.tail(cmd.Context(), filter)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&o.since, "since", "", "begin with what was kept since this `time`, as 1h or 2026-11-20T23:15:00Z (default: with what comes now)")
	fs.BoolVar(&o.follow, "follow", true, "go on with what comes")
	fs.BoolVar(&o.noFollow, "no-follow", false, "end after what is kept; all of it unless --since is given")
	return cmd
}

// filter is what the flags and arguments mean.
func (o tailing) filter(args []string, now time.Time) (bus.Filter, error) {
	topics, err := parseTopics(args)
	if err != nil {
		return bus.Filter{}, err
	}
	f := bus.Filter{Topics: topics, Follow: o.follow && !o.noFollow}
	if o.since == "" {
		f.New = f.Follow
		return f, nil
	}
	f.Since, err = parseSince(o.since, now)
	return f, err
}

// parseSince reads a duration before now or a point in time.
func parseSince(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.Year() < 1970 {
		return time.Time{}, bot.Usage(fmt.Sprintf("--since %q: neither a duration nor a time", text),
			"give one such as 90m or 24h, or 2026-11-20T23:15:00Z")
	}
	return t, nil
}

// parseTopics reads names of topics that are kept.
func parseTopics(args []string) ([]message.Topic, error) {
	var topics []message.Topic
	for _, arg := range args {
		if !slices.Contains(topicNames(), arg) {
			return nil, bot.Usage(fmt.Sprintf("no such topic %q", arg), bot.Nearest(arg, topicNames()))
		}
		if !slices.Contains(topics, message.Topic(arg)) {
			topics = append(topics, message.Topic(arg))
		}
	}
	return topics, nil
}

func topicNames() (names []string) {
	for _, t := range message.Topics() {
		names = append(names, string(t))
	}
	return names
}

// completeTopics offers the topics that are not given yet.
func completeTopics(_ *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, name := range topicNames() {
		if strings.HasPrefix(name, prefix) && !slices.Contains(args, name) {
			names = append(names, name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (c *client) tail(ctx context.Context, filter bus.Filter) error {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	show := printTailLine
	if c.JSON {
		show = printTailJSON
	}
	err = s.Bus.Tail(ctx, filter, func(raw bus.Raw) error {
		m, body, err := s.sealer.Open(raw)
		return show(c.out, raw, m, body, err)
	})
	if errors.Is(err, context.Canceled) {
		return nil // a signal is how one stops looking
	}
	return err
}

// printTailLine writes one line for a person about a message, or about one not believed when
// rejected is set.
func printTailLine(w io.Writer, raw bus.Raw, m *message.Message, body message.Body, rejected error) error {
	var line string
	if rejected != nil {
		line = fmt.Sprintf("%s  %-10s  rejected %s: %s", raw.Stored.Local().Format(time.DateTime), raw.Topic, raw.Subject, bus.Reason(rejected))
	} else {
		line = fmt.Sprintf("%s  %-10s  %s  %s  (%s)", m.Time.Local().Format(time.DateTime), m.Topic,
			orDash(m.Context), message.Summary(body), m.Bot.Instance)
	}
	_, err := fmt.Fprintln(w, bot.Printable(strings.ReplaceAll(line, "\n", " ")))
	return err
}

// printTailJSON writes the payload of a message as one line, or what is known of one that was not
// believed. The payload is compacted, since its author may have put newlines between the values.
func printTailJSON(w io.Writer, raw bus.Raw, _ *message.Message, _ message.Body, rejected error) error {
	var line bytes.Buffer
	if rejected == nil {
		if err := json.Compact(&line, raw.Payload); err != nil {
			return fmt.Errorf("write message %s: %w", raw.ID, err)
		}
	} else {
		about, err := json.Marshal(map[string]message.Reject{"rejected": rejectOf(raw, rejected)})
		if err != nil {
			return fmt.Errorf("write rejected message: %w", err)
		}
		line.Write(about)
	}
	line.WriteByte('\n')
	_, err := w.Write(line.Bytes())
	return err
}

// rejectOf describes a message that was not believed, without its content.
func rejectOf(raw bus.Raw, why error) message.Reject {
	sum := sha256.Sum256(raw.Payload)
	subject := []rune(bot.Printable(raw.Subject))
	return message.Reject{
		Subject: string(subject[:min(len(subject), 256)]), Reason: bot.Printable(bus.Reason(why)),
		SHA256: message.Digest(hex.EncodeToString(sum[:])), Size: int64(len(raw.Payload)), Sequence: raw.Sequence,
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
