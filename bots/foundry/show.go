package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"foundry/pkg/bot"
	"foundry/pkg/message"
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
				return printJSON(c.out, t.report())
			}
			t.print(c.out)
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
	return s.contexts(cmd.Context(), prefix), cobra.ShellCompDirectiveNoFileComp
}

// report is a transaction as JSON.
type report struct {
	Context string        `json:"context"`
	State   string        `json:"state"`
	Seconds float64       `json:"seconds"` // from the first message to the last
	Stages  []reportStage `json:"stages"`
	Waiting []reportStep  `json:"waiting,omitempty"`
}

type reportStage struct {
	ID      message.ID      `json:"id"`
	Parent  message.ID      `json:"parent,omitempty"`
	Topic   message.Topic   `json:"topic"`
	Time    time.Time       `json:"time"`
	Seconds float64         `json:"seconds"` // since the message that it answers
	Bot     message.Bot     `json:"bot"`
	Data    json.RawMessage `json:"data"`
}

type reportStep struct {
	Bot          string    `json:"bot"`
	Architecture string    `json:"architecture,omitempty"`
	Since        time.Time `json:"since"`
	WaitsFor     []string  `json:"waits_for,omitempty"` // build dependencies that have to come first
}

func (t *transaction) report() report {
	r := report{Context: t.context, State: t.state(), Seconds: t.length().Seconds()}
	for _, e := range t.entries {
		r.Stages = append(r.Stages, reportStage{
			ID: e.message.ID, Parent: e.message.Parent, Topic: e.message.Topic, Time: e.message.Time,
			Seconds: t.took(e).Seconds(), Bot: e.message.Bot, Data: e.message.Data,
		})
	}
	for _, s := range t.waiting() {
		r.Waiting = append(r.Waiting, reportStep{s.bot, s.architecture, s.since, s.waitsFor})
	}
	return r
}

// length is the time from the first message to the last.
func (t *transaction) length() time.Duration {
	if len(t.entries) == 0 {
		return 0
	}
	first, last := t.entries[0].message.Time, t.entries[0].message.Time
	for _, e := range t.entries {
		if e.message.Time.Before(first) {
			first = e.message.Time
		}
		if e.message.Time.After(last) {
			last = e.message.Time
		}
	}
	return last.Sub(first)
}

// print writes the transaction for a person: a line for each stage, its artifacts below.
func (t *transaction) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %s, %s\n", t.context, t.state(), seconds(t.length()))
	for _, e := range t.entries {
		fmt.Fprintln(w, stageLine(t, e))
		if p, ok := e.body.(*message.Provision); ok && p.Network {
			fmt.Fprintln(w, "               network: the host's, as debian/foundry.toml asks")
		}
		for _, a := range artifacts(e.body) {
			fmt.Fprintf(w, "               %s  %d bytes  sha256 %s\n", bot.Printable(a.Name), a.Size, a.SHA256)
		}
		_, outputs := outputsOf(e.body)
		for _, o := range outputs {
			fmt.Fprintf(w, "               output %s  %d bytes  sha256 %s\n", bot.Printable(o.Path), o.File.Size, o.File.SHA256)
		}
	}
	for _, s := range t.waiting() {
		what := "waits for " + s.String()
		if len(s.waitsFor) > 0 {
			what = s.String()
		}
		fmt.Fprintf(w, "  … %8s  %s\n", seconds(time.Since(s.since)), what)
	}
	t.explain(w)
}

// conclude writes how the transaction ended.
func (t *transaction) conclude(w io.Writer) {
	fmt.Fprintf(w, "%s: %s after %s\n", t.context, t.state(), seconds(t.length()))
	t.explain(w)
}

// explain writes what went wrong, with the last lines of its log.
func (t *transaction) explain(w io.Writer) {
	for _, e := range t.rejects() {
		fmt.Fprintf(w, "%s: message not believed: %s\n", e.message.Bot.Instance, bot.Printable(e.body.(*message.Reject).Reason))
		fmt.Fprintf(w, "hint: see foundry trust list; when its sender is trusted: foundry retry %s\n", t.context)
	}
	for _, f := range t.failures() {
		fmt.Fprintln(w)
		for _, line := range f.Tail {
			fmt.Fprintf(w, "  | %s\n", bot.Printable(line))
		}
		fmt.Fprintf(w, "%s: %s\n", f.Stage, bot.Printable(f.Reason))
		if f.Hint != "" {
			fmt.Fprintf(w, "hint: %s\n", bot.Printable(f.Hint))
		}
		if f.Log != nil {
			fmt.Fprintf(w, "whole log: foundry logs %s\n", t.context)
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

// printJSON writes v, indented.
func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
