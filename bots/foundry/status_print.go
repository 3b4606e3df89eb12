package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"foundry/pkg/bot"
)

// print writes the page.
func (st *status) print(w io.Writer) error {
	fmt.Fprintf(w, "bus        %s, %d messages, %.1f MB", st.Bus.URL, st.Bus.Messages, float64(st.Bus.Bytes)/1e6)
	if st.Bus.Unbelieved > 0 {
		fmt.Fprintf(w, ", %d of them not believed", st.Bus.Unbelieved)
	}
	fmt.Fprintf(w, "\nkeys       %d trusted", st.Keys.Trusted)
	if st.Keys.Next != nil {
		fmt.Fprintf(w, ", the next expires on %s", st.Keys.Next.Format(time.DateOnly))
	}
	fmt.Fprintln(w)
	for _, key := range st.Keys.Expiring {
		fmt.Fprintf(w, "           %s  %s  %s%s\n", key.Fingerprint, key.Topic, bot.Printable(key.Name), validity(key.KeyInfo))
	}
	if err := st.printEndpoints(w); err != nil {
		return err
	}
	if len(st.Waiting) > 0 {
		fmt.Fprintln(w, "\nwaiting for other packages")
	}
	for _, e := range st.Waiting {
		fmt.Fprintln(w, bot.Printable(fmt.Sprintf("  %s  %s  %s", e.Time.Local().Format(time.DateTime), e.Context, e.Summary)))
	}
	if len(st.Failures) > 0 {
		fmt.Fprintln(w, "\nlast failures")
	}
	for _, f := range st.Failures {
		fmt.Fprintln(w, bot.Printable(fmt.Sprintf("  %s  %s  %s", f.Time.Local().Format(time.DateTime), f.Context, f.Summary)))
	}
	if len(st.Rejects) > 0 {
		fmt.Fprintln(w, "\nlast messages that were not believed")
	}
	for _, r := range st.Rejects {
		fmt.Fprintln(w, bot.Printable(fmt.Sprintf("  %s  %s: %s  (%s)", r.Time.Local().Format(time.DateTime), r.Subject, r.Reason, r.By)))
	}
	fmt.Fprintln(w)
	if len(st.Problems) == 0 {
		_, err := fmt.Fprintln(w, "every step of the pipeline has a bot")
		return err
	}
	for _, p := range st.Problems {
		fmt.Fprintf(w, "✗ %s\n", bot.Printable(p))
	}
	_, err := fmt.Fprintln(w, "hint: start what is missing: foundry up, or the bot's own program")
	return err
}

func (st *status) printEndpoints(w io.Writer) error {
	if len(st.Endpoints) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ENDPOINT\tBOTS\tSTATE\tFAILED\tLAST TROUBLE")
	for _, e := range st.Endpoints {
		var states []string
		for _, name := range []string{"busy", "idle", "standby", "stopping"} {
			if n := e.States[name]; n > 0 {
				states = append(states, fmt.Sprintf("%d %s", n, name))
			}
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%d\t%s\n", bot.Printable(e.Endpoint), e.Bots, strings.Join(states, ", "), e.Failed, bot.Printable(orDash(e.Error)))
	}
	return table.Flush()
}
