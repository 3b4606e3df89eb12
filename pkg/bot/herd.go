package bot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"

	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// herdWait is how long bots have to answer.
const herdWait = 500 * time.Millisecond

// ListBots asks which bots are alive, in the order of endpoint and id.
func ListBots(ctx context.Context, herd bus.Herd) ([]bus.State, error) {
	states, err := herd.List(ctx, herdWait)
	if err != nil {
		return nil, fmt.Errorf("list bots: %w", err)
	}
	slices.SortFunc(states, func(a, b bus.State) int {
		return cmp.Or(cmp.Compare(a.Endpoint, b.Endpoint), cmp.Compare(a.Instance, b.Instance))
	})
	return states, nil
}

// PrintBots writes one line for each bot, or with asJSON one array.
func PrintBots(w io.Writer, states []bus.State, asJSON bool) error {
	if asJSON {
		if states == nil {
			states = []bus.State{}
		}
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(states)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tPID\tHOST\tENDPOINT\tSTATE\tJOB\tSINCE")
	for _, s := range states {
		job := "-"
		if len(s.Jobs) > 0 {
			job = s.Jobs[0].Context
			if len(s.Jobs) > 1 {
				job += fmt.Sprintf(" +%d", len(s.Jobs)-1)
			}
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\t%s\t%s\n", Printable(s.Instance), s.PID, Printable(s.Host), Printable(s.Endpoint),
			Printable(s.State), Printable(job), s.Since.Local().Format(time.DateTime))
	}
	return table.Flush()
}

// StopBot stops the bot with the given id or process id gracefully.
func StopBot(ctx context.Context, herd bus.Herd, sealer *bus.Sealer, self message.Bot, id string) (bus.State, error) {
	states, err := ListBots(ctx, herd)
	if err != nil {
		return bus.State{}, err
	}
	target, err := findBot(states, id)
	if err != nil {
		return bus.State{}, err
	}
	m, err := message.New(self, message.ControlTopic, "", "", &message.Control{
		Action: message.ActionStop, Instance: target.Instance,
	}, target.Instance, strconv.FormatInt(time.Now().UnixNano(), 10))
	if err != nil {
		return bus.State{}, err
	}
	raw, err := sealer.Seal(m)
	if err != nil {
		return bus.State{}, err
	}
	err = herd.Control(ctx, target.Instance, raw)
	if errors.Is(err, bus.ErrNotFound) {
		return bus.State{}, Hint(fmt.Errorf("stop %s: it does not answer", target.Instance), "it has just gone; see --list")
	}
	if err != nil {
		return bus.State{}, Hint(fmt.Errorf("stop %s: %w", target.Instance, err),
			"it obeys the keys in trust/control.asc of its state folder; add one there with foundry trust add FILE control")
	}
	return target, nil
}

func findBot(states []bus.State, id string) (bus.State, error) {
	var found []bus.State
	for _, s := range states {
		if s.Instance == id || strconv.Itoa(s.PID) == id {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		return bus.State{}, Hint(fmt.Errorf("no bot has the id or process id %q", id), "see --list for those alive")
	case 1:
		return found[0], nil
	}
	var ids []string
	for _, s := range found {
		ids = append(ids, s.Instance+" on "+s.Host)
	}
	return bus.State{}, Hint(fmt.Errorf("process id %s is that of several bots: %s", id, strings.Join(ids, ", ")), "give the id")
}

func (p *program) list(ctx context.Context, log zerolog.Logger) error {
	ports, err := Connect(ctx, &p.s, p.d.Name, NewInstance(p.d.Name), log, p.connect)
	if err != nil {
		return err
	}
	defer ports.Bus.Close()
	states, err := ListBots(ctx, ports.Herd)
	if err != nil {
		return err
	}
	return PrintBots(p.out, states, p.s.JSON)
}

func (p *program) stop(ctx context.Context, log zerolog.Logger) error {
	ports, err := Connect(ctx, &p.s, p.d.Name, NewInstance(p.d.Name), log, p.connect)
	if err != nil {
		return err
	}
	defer ports.Bus.Close()
	sealer, err := NewSealer(p.s.State, p.d.Name, p.d.speaksOn(message.Topic(p.s.Publish)))
	if err != nil {
		return err
	}
	b, err := p.bot(log, sealer)
	if err != nil {
		return err
	}
	stopped, err := StopBot(ctx, ports.Herd, sealer, b.Self, p.s.Stop)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.out, "%s (process %d on %s) finishes its work and stops\n", stopped.Instance, stopped.PID, stopped.Host)
	return nil
}
