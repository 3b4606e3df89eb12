package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"foundry/bots/foundry/transaction"

	"github.com/klauspost/compress/zstd"
	"github.com/spf13/cobra"

	"foundry/pkg/artifact"
	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// maxLogWindow bounds the memory that reading a compressed log takes.
const maxLogWindow = 64 << 20

// logSelection says which logs of a transaction to show.
type logSelection struct {
	step, arch  string
	follow, raw bool
}

func (c *client) logsCommand() *cobra.Command {
	var o logSelection
	cmd := &cobra.Command{
		Use:   "logs CONTEXT",
		Short: "Show the logs of a transaction, also while it runs",
		Long: `Logs shows what the steps of a transaction have written: the whole log of steps that have ended, and of the others
what they have written so far. What would steer a terminal is taken out, unless --raw is given.`,
		Example:           "  foundry logs hello-20261120-231501-9f3c2a\n  foundry logs hello-20261120-231501-9f3c2a --follow\n  foundry logs hello-20261120-231501-9f3c2a --step buildbot --arch arm64 --raw > build.log",
		Args:              exactly(1, "a transaction's context"),
		ValidArgsFunction: c.completeContext,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.logs(cmd.Context(), args[0], o) },
	}
	fs := cmd.Flags()
	fs.BoolVarP(&o.follow, "follow", "f", false, "go on until the transaction has ended")
	fs.StringVar(&o.step, "step", "", "only the logs of this `bot`, such as buildbot")
	fs.StringVar(&o.arch, "arch", "", "only the logs for this `architecture`")
	fs.BoolVar(&o.raw, "raw", false, "write the bytes of the log as they are, without headings")
	return cmd
}

func (c *client) logs(ctx context.Context, name string, o logSelection) error {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	t, err := s.transactions().Load(ctx, name)
	if err != nil {
		return err
	}
	p := &logPrinter{out: c.out, raw: o.raw, json: c.JSON, partial: map[stepLog][]byte{}}
	if o.follow && t.State() == transaction.Running {
		err = s.followLogs(ctx, name, o, p)
	} else {
		err = s.printLogs(ctx, t, o, p)
	}
	if errors.Is(err, context.Canceled) {
		return p.end() // a signal is how one stops looking
	}
	return errors.Join(err, p.end())
}

// noKey is the empty key, made safe.
const noKey = "_"

// stepLog names the log of one step. Its parts are made safe for subjects, as the bus does.
type stepLog struct{ step, key string }

func newStepLog(step, key string) stepLog {
	return stepLog{message.SafeKey(step), message.SafeKey(key)}
}

func (l stepLog) String() string { return strings.TrimSpace(l.step + " " + strings.Trim(l.key, "_")) }

func (o logSelection) wants(l stepLog) bool {
	return (o.step == "" || message.SafeKey(o.step) == l.step) && (o.arch == "" || message.SafeKey(o.arch) == l.key)
}

// printLogs writes the logs of a transaction step by step. The log that a bot has put into the
// store counts before what it has streamed, which is not signed and may have gaps.
func (s *session) printLogs(ctx context.Context, t *transaction.Transaction, o logSelection, p *logPrinter) error {
	streamed, err := s.streamedLogs(ctx, t.Context)
	if err != nil {
		return err
	}
	kept, logs := keptLogs(t, streamed)
	wanted := slices.DeleteFunc(slices.Clone(logs), func(l stepLog) bool { return !o.wants(l) })
	if len(wanted) == 0 {
		return noLogs(t, logs, o)
	}
	for _, l := range wanted {
		ref, stored := kept[l]
		if stored {
			err = s.printArtifact(ctx, l, ref, p)
		}
		if !stored || errors.Is(err, artifact.ErrNotFound) && slices.Contains(streamed, l) {
			err = s.printStream(ctx, t.Context, l, p)
		}
		if err != nil {
			return fmt.Errorf("show log of %s: %w", l, err)
		}
	}
	return nil
}

// noLogs says that nothing was found, and what there is.
func noLogs(t *transaction.Transaction, logs []stepLog, o logSelection) error {
	if len(logs) == 0 {
		hint := "they are kept for some days only"
		if t.State() == transaction.Running {
			hint = "wait for it with --follow"
		}
		return bot.Hint(fmt.Errorf("no log of %s is kept", t.Context), hint)
	}
	var names []string
	for _, l := range logs {
		names = append(names, l.String())
	}
	return bot.Hint(fmt.Errorf("no log of %s is kept for %s", t.Context, strings.TrimSpace(o.step+" "+o.arch)),
		"there are logs of "+strings.Join(names, ", "))
}

// logOf returns the log that a message refers to, or nil.
func logOf(e transaction.Entry) (stepLog, *message.Artifact) {
	switch b := e.Body.(type) {
	case *message.Build:
		return newStepLog(e.Message.Bot.Name, b.Architecture), &b.Log
	case *message.Failure:
		return newStepLog(b.Stage, b.Architecture), b.Log
	}
	return stepLog{}, nil
}

// keptLogs returns the logs in the artifact store by name, and the names of these and the streamed
// ones together.
func keptLogs(t *transaction.Transaction, streamed []stepLog) (kept map[stepLog]message.Artifact, all []stepLog) {
	kept, all = map[stepLog]message.Artifact{}, slices.Clone(streamed)
	for _, e := range t.Entries {
		l, ref := logOf(e)
		if ref == nil {
			continue
		}
		if l.key == noKey { // a failure of a step that serves no architecture; its log may have any key
			if i := slices.IndexFunc(streamed, func(s stepLog) bool { return s.step == l.step }); i >= 0 {
				l = streamed[i]
			}
		}
		kept[l] = *ref
		if !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	return kept, all
}

// streamedLogs lists the logs that the bus keeps, in the order in which they began.
func (s *session) streamedLogs(ctx context.Context, name string) (logs []stepLog, err error) {
	err = s.Logs.Read(ctx, name, false, func(chunk bus.LogChunk) error {
		if l := (stepLog{chunk.Step, chunk.Key}); !slices.Contains(logs, l) {
			logs = append(logs, l)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read logs of %s: %w", name, err)
	}
	return logs, nil
}

func (s *session) printStream(ctx context.Context, name string, l stepLog, p *logPrinter) error {
	return s.Logs.Read(ctx, name, false, func(chunk bus.LogChunk) error {
		if chunk.Step != l.step || chunk.Key != l.key {
			return nil
		}
		return p.write(l, chunk.Time, chunk.Text)
	})
}

// printArtifact writes a compressed log. Its last bytes are written before the whole is known to
// be unaltered; then the error says so.
func (s *session) printArtifact(ctx context.Context, l stepLog, ref message.Artifact, p *logPrinter) error {
	r, err := s.Store.Open(ctx, ref.SHA256)
	if err != nil {
		return fmt.Errorf("open %s: %w", ref.Name, err)
	}
	defer r.Close()
	var text io.Reader = r
	if strings.HasSuffix(ref.Name, ".zst") {
		unzip, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxLogWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return fmt.Errorf("read %s: %w", ref.Name, err)
		}
		defer unzip.Close()
		text = unzip
	}
	buffer := make([]byte, 64<<10)
	for {
		n, err := text.Read(buffer)
		if werr := p.write(l, time.Time{}, buffer[:n]); werr != nil {
			return werr
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", ref.Name, err)
		}
	}
}
