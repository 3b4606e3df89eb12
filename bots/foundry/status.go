package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

const (
	// statusLast is how many of the last failures and rejects are shown.
	statusLast = 5
	// expirySoon is how long before a key's expiry it is pointed out.
	expirySoon = 30 * 24 * time.Hour
)

// status is what there is to say about a foundry as a whole.
type status struct {
	Bus       statusBus        `json:"bus"`
	Endpoints []statusEndpoint `json:"endpoints"`
	Waiting   []statusEntry    `json:"waiting"`  // packages that wait for others, the oldest first
	Failures  []statusEntry    `json:"failures"` // the latest first
	Rejects   []statusReject   `json:"rejects"`  // the latest first
	Keys      statusKeys       `json:"keys"`
	Problems  []string         `json:"problems"` // what keeps the foundry from working

	signed map[message.ID]string // codenames of signed builds that no distbot has answered
}

type statusBus struct {
	URL        string `json:"url,omitempty"`
	Reachable  bool   `json:"reachable"`
	Problem    string `json:"problem,omitempty"`
	Messages   int    `json:"messages"`
	Bytes      int64  `json:"bytes"`
	Unbelieved int    `json:"unbelieved"` // kept messages that are not believed
}

// statusEndpoint is one load-balancing group.
type statusEndpoint struct {
	Endpoint string         `json:"endpoint"`
	Bot      string         `json:"bot"`
	Arch     string         `json:"arch,omitempty"`
	Bots     int            `json:"bots"`
	States   map[string]int `json:"states"` // how many are "idle", "busy", "standby", "stopping"
	Failed   int64          `json:"failed"` // failures published since the bots were started
	Error    string         `json:"last_error,omitempty"`
}

type statusEntry struct {
	Time    time.Time `json:"time"`
	Context string    `json:"context"`
	Summary string    `json:"summary"`

	source message.ID // of one that waits
	arch   string
}

// wait notes a package that waits, or does so no more.
func (st *status) wait(m *message.Message, p *message.Provision) {
	st.goOn(m.Parent, p.Architecture)
	if p.Outcome == message.Waiting {
		st.Waiting = append(st.Waiting, statusEntry{m.Time, m.Context, message.Summary(p), m.Parent, p.Architecture})
	}
}

// goOn notes that a source package does not wait on arch.
func (st *status) goOn(source message.ID, arch string) {
	st.Waiting = slices.DeleteFunc(st.Waiting, func(e statusEntry) bool { return e.source == source && e.arch == arch })
}

type statusReject struct {
	Time time.Time `json:"time"`
	By   string    `json:"by"` // instance of the bot that did not believe the message
	message.Reject
}

// statusKeys sums the keyrings up.
type statusKeys struct {
	Trusted  int         `json:"trusted"`          // different keys in all keyrings
	Expiring []statusKey `json:"expiring"`         // soon, or already, or revoked
	Next     *time.Time  `json:"next,omitempty"`   // when the next key expires
	Missing  []string    `json:"missing_keyrings"` // topics of the pipeline on which nobody is believed
}

type statusKey struct {
	Topic string `json:"topic"`
	trust.KeyInfo
}

func (c *client) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show on one page whether the foundry works",
		Long: `Status shows the bus, the bots of each endpoint, the last failures, the last messages that were not believed, and keys
that expire. It ends with status 1 when the bus cannot be reached or a step of the pipeline has no bot.`,
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.status(cmd.Context()) },
	}
}

func (c *client) status(ctx context.Context) error {
	s, err := c.open(ctx)
	if err != nil {
		if c.JSON {
			return errors.Join(err, printJSON(c.out, status{Bus: statusBus{Problem: err.Error()}, Problems: []string{err.Error()}}))
		}
		return err
	}
	defer s.close()
	st, err := s.status(ctx, &c.Settings, time.Now())
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(c.out, st)
	} else {
		err = st.print(c.out)
	}
	if err == nil && len(st.Problems) > 0 {
		err = bot.Exit(bot.ExitFailure)
	}
	return err
}

// status gathers what status shows.
func (s *session) status(ctx context.Context, settings *bot.Settings, now time.Time) (*status, error) {
	st := &status{Endpoints: []statusEndpoint{}, Waiting: []statusEntry{}, Failures: []statusEntry{}, Rejects: []statusReject{}, Problems: []string{}, signed: map[message.ID]string{}}
	st.Bus.Reachable = s.Herd.Connected()
	st.Bus.URL, _ = settings.BusURL() // it was found when connecting
	if err := s.statusMessages(ctx, st); err != nil {
		return nil, err
	}
	states, err := bot.ListBots(ctx, s.Herd)
	if err != nil {
		return nil, err
	}
	st.Endpoints = endpoints(states)
	st.Problems = append(st.Problems, missingBots(states)...)
	st.Problems = append(st.Problems, unserved(st.signed, states)...)
	rings, err := readTrust(settings.State, keyrings())
	if err != nil {
		return nil, err
	}
	st.Keys = keyStatus(rings, now)
	for _, topic := range st.Keys.Missing {
		st.Problems = append(st.Problems, "nobody is believed on "+topic)
	}
	return st, nil
}

// statusMessages counts the messages that are kept and remembers the last failures and rejects.
func (s *session) statusMessages(ctx context.Context, st *status) error {
	err := s.Bus.Tail(ctx, bus.Filter{}, func(raw bus.Raw) error {
		st.Bus.Messages++
		st.Bus.Bytes += int64(len(raw.Payload))
		m, body, err := s.sealer.Open(raw)
		if err != nil {
			st.Bus.Unbelieved++
			return nil
		}
		switch b := body.(type) {
		case *message.Provision:
			st.wait(m, b)
		case *message.Sign:
			st.signed[m.ID] = b.Codename
		case *message.Dist:
			delete(st.signed, m.Parent)
		case *message.Failure:
			delete(st.signed, m.Parent)
			st.goOn(m.Parent, b.Architecture)
			st.Failures = append(st.Failures, statusEntry{Time: m.Time, Context: m.Context, Summary: message.Summary(b)})
		case *message.Reject:
			st.Rejects = append(st.Rejects, statusReject{m.Time, m.Bot.Instance, *b})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read messages: %w", err)
	}
	slices.Reverse(st.Failures)
	slices.Reverse(st.Rejects)
	st.Failures = st.Failures[:min(len(st.Failures), statusLast)]
	st.Rejects = st.Rejects[:min(len(st.Rejects), statusLast)]
	return nil
}

// endpoints groups bots, which are in the order of their endpoints.
func endpoints(states []bus.State) []statusEndpoint {
	all := []statusEndpoint{}
	for _, b := range states {
		if len(all) == 0 || all[len(all)-1].Endpoint != b.Endpoint {
			all = append(all, statusEndpoint{Endpoint: b.Endpoint, Bot: b.Bot, Arch: b.Arch, States: map[string]int{}})
		}
		e := &all[len(all)-1]
		e.Bots++
		e.States[b.State]++
		e.Failed += b.Failed
		if b.LastError > e.Error { // they begin with their time
			e.Error = b.LastError
		}
	}
	return all
}

// missingBots says which steps nobody does.
func missingBots(states []bus.State) (problems []string) {
	alive := func(program, arch string) bool {
		return slices.ContainsFunc(states, func(b bus.State) bool {
			return b.Bot == program && (arch == "" || b.Arch == "" || b.Arch == arch)
		})
	}
	for _, program := range bot.Programs() {
		if !alive(program, "") {
			problems = append(problems, "no "+program+" is alive")
		}
	}
	for _, b := range states {
		for _, program := range []string{"provisionbot", "buildbot", "signbot"} {
			problem := fmt.Sprintf("no %s for %s is alive", program, b.Arch)
			if b.Arch != "" && alive(program, "") && !alive(program, b.Arch) && !slices.Contains(problems, problem) {
				problems = append(problems, problem)
			}
		}
	}
	return problems
}

// unserved says for which codenames there are signed builds and no distbot.
func unserved(signed map[message.ID]string, states []bus.State) (problems []string) {
	served := map[string]bool{}
	for _, b := range states {
		if b.Bot == "distbot" && b.State != "standby" && len(b.Serves) == 0 {
			return nil // it does not say
		}
		for _, codename := range b.Serves {
			served[codename] = true
		}
	}
	waiting := map[string]int{}
	for _, codename := range signed {
		waiting[codename]++
	}
	for _, codename := range slices.Sorted(maps.Keys(waiting)) {
		if !served[codename] {
			problems = append(problems, fmt.Sprintf("%d signed builds are for %s, which no distbot that is alive has as --codename", waiting[codename], codename))
		}
	}
	return problems
}

// keyStatus sums keyrings up.
func keyStatus(rings []trusted, now time.Time) statusKeys {
	k := statusKeys{Expiring: []statusKey{}, Missing: []string{}}
	seen := map[string]bool{}
	there := map[string]bool{}
	for _, ring := range rings {
		there[ring.Topic] = len(ring.Keys) > 0
		for _, key := range ring.Keys {
			seen[key.Fingerprint] = true
			if key.Revoked || !key.Expires.IsZero() && key.Expires.Before(now.Add(expirySoon)) {
				k.Expiring = append(k.Expiring, statusKey{ring.Topic, key})
			}
			if !key.Expires.IsZero() && key.Expires.After(now) && (k.Next == nil || key.Expires.Before(*k.Next)) {
				k.Next = &key.Expires
			}
		}
	}
	k.Trusted = len(seen)
	for _, topic := range []message.Topic{
		message.Commits, message.Sources, message.Provisions, message.Builds, message.Signs, message.Dists,
	} {
		if !there[string(topic)] {
			k.Missing = append(k.Missing, string(topic))
		}
	}
	return k
}
