package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"foundry/bots/foundry/transaction"

	"foundry/pkg/bot"
	"foundry/pkg/bus"
)

// troubleEvery is how often bots are asked how they do while a transaction is followed.
const troubleEvery = 5 * time.Second

// watchTrouble asks the bots how they do until ctx ends, and tells once of each trouble that holds
// the transaction up: what a bot says went wrong and will be tried again, and steps that no bot is
// there for. waiting returns the steps that are pending.
func (s *session) watchTrouble(ctx context.Context, name string, waiting func() []transaction.Step, tell func(string)) {
	told := map[string]bool{}
	ticker := time.NewTicker(troubleEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		states, err := bot.ListBots(ctx, s.Herd)
		if err != nil {
			continue // the one who follows the transaction says what is wrong with the bus
		}
		for _, trouble := range troubles(name, states, waiting()) {
			if !told[trouble] {
				told[trouble] = true
				tell("  ! " + trouble)
			}
		}
	}
}

// troubles lists what holds the transaction up.
func troubles(name string, states []bus.State, waiting []transaction.Step) (all []string) {
	for _, s := range states {
		if _, what, found := strings.Cut(s.LastError, name+": "); found {
			all = append(all, fmt.Sprintf("%s will try again: %s", s.Instance, what))
		}
	}
	for _, w := range waiting {
		served := slices.ContainsFunc(states, func(s bus.State) bool {
			return s.Bot == w.Bot && (w.Architecture == "" || s.Arch == "" || s.Arch == w.Architecture)
		})
		if !served {
			all = append(all, "a step waits: there is no "+strings.TrimSpace(w.Bot+" "+w.Architecture))
		}
	}
	return all
}

// followShown follows a transaction to its end, shows its stages on p, and what holds it up.
func (s *session) followShown(ctx context.Context, name string, p *progress) (*transaction.Transaction, error) {
	watching, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.watchTrouble(watching, name, p.waiting, p.note)
	}()
	defer func() {
		cancel()
		<-ended
		p.close()
	}()
	return s.transactions().Follow(ctx, name, p.update)
}
