package transaction

import (
	"fmt"
	"io"
	"strings"
	"time"

	"foundry/pkg/bot"
	"foundry/pkg/message"
)

// Print writes the transaction for a person: a line for each stage, its artifacts below.
func (t *Transaction) Print(w io.Writer) {
	fmt.Fprintf(w, "%s: %s, %s\n", t.Context, t.State(), Seconds(t.length()))
	for _, e := range t.Entries {
		fmt.Fprintln(w, t.Line(e))
		if p, ok := e.Body.(*message.Provision); ok && p.Network {
			fmt.Fprintln(w, "               network: the host's, as debian/foundry.toml asks")
		}
		for _, a := range artifacts(e.Body) {
			fmt.Fprintf(w, "               %s  %d bytes  sha256 %s\n", bot.Printable(a.Name), a.Size, a.SHA256)
		}
		_, outputs := outputsOf(e.Body)
		for _, o := range outputs {
			fmt.Fprintf(w, "               output %s  %d bytes  sha256 %s\n", bot.Printable(o.Path), o.File.Size, o.File.SHA256)
		}
	}
	for _, s := range t.Waiting() {
		what := "waits for " + s.String()
		if len(s.WaitsFor) > 0 {
			what = s.String()
		}
		fmt.Fprintf(w, "  … %8s  %s\n", Seconds(time.Since(s.Since)), what)
	}
	t.explain(w)
}

// Conclude writes how the transaction ended.
func (t *Transaction) Conclude(w io.Writer) {
	fmt.Fprintf(w, "%s: %s after %s\n", t.Context, t.State(), Seconds(t.length()))
	t.explain(w)
}

// explain writes what went wrong, with the last lines of its log.
func (t *Transaction) explain(w io.Writer) {
	for _, e := range t.Rejects() {
		fmt.Fprintf(w, "%s: message not believed: %s\n", e.Message.Bot.Instance, bot.Printable(e.Body.(*message.Reject).Reason))
		fmt.Fprintf(w, "hint: see foundry trust list; when its sender is trusted: foundry retry %s\n", t.Context)
	}
	for _, f := range t.Failures() {
		fmt.Fprintln(w)
		for _, line := range f.Tail {
			fmt.Fprintf(w, "  | %s\n", bot.Printable(line))
		}
		fmt.Fprintf(w, "%s: %s\n", f.Stage, bot.Printable(f.Reason))
		if f.Hint != "" {
			fmt.Fprintf(w, "hint: %s\n", bot.Printable(f.Hint))
		}
		if f.Log != nil {
			fmt.Fprintf(w, "whole log: foundry logs %s\n", t.Context)
		}
	}
}

// artifacts lists those that a message brings in.
func artifacts(body message.Body) []message.Artifact {
	switch b := body.(type) {
	case *message.Source:
		if b.Upload != nil {
			return append(append([]message.Artifact{}, b.Files...), *b.Upload)
		}
		return b.Files
	case *message.Build:
		return append(append([]message.Artifact{}, b.Files...), b.Log)
	case *message.Sign:
		return b.Files
	case *message.Failure:
		if b.Log != nil {
			return []message.Artifact{*b.Log}
		}
	}
	return nil
}

// String says who is to do the step, or what it waits for.
func (s Step) String() string {
	if len(s.WaitsFor) > 0 {
		return bot.Printable(strings.TrimSpace(s.Architecture + " waiting for " + strings.Join(s.WaitsFor, ", ")))
	}
	return strings.TrimSpace(s.Bot + " " + s.Architecture)
}

// Line is one stage that has ended: duration, topic, what it is about and by whom.
func (t *Transaction) Line(e Entry) string {
	mark := "✓"
	if e.Message.Type == message.TypeFailure || e.Message.Type == message.TypeReject {
		mark = "✗"
	}
	if p, ok := e.Body.(*message.Provision); ok && p.Outcome == message.Waiting {
		mark = "…"
	}
	return bot.Printable(fmt.Sprintf("  %s %8s  %-10s  %s  (%s)", mark, Seconds(t.Took(e)), e.Message.Topic, message.Summary(e.Body), e.Message.Bot.Instance))
}

// Seconds shows a duration.
func Seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", max(d, 0).Seconds()) }
