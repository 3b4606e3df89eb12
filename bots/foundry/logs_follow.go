package main

import (
	"context"
	"errors"
	"sync"

	"foundry/bots/foundry/transaction"

	"foundry/pkg/bus"
)

// followLogs writes what the steps stream, from its beginning, until the transaction has ended and
// all that was streamed before its end has been written.
func (s *session) followLogs(ctx context.Context, name string, o logSelection, p *logPrinter) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		mu         sync.Mutex
		seen, last int // chunks; last is 0 until the transaction has ended
		over       sync.WaitGroup
		problem    error
	)
	over.Go(func() {
		_, err := s.transactions().Follow(ctx, name, func(*transaction.Transaction, transaction.Entry) {})
		total := 0
		if err == nil {
			err = s.Logs.Read(ctx, name, false, func(bus.LogChunk) error { total++; return nil })
		}
		mu.Lock()
		defer mu.Unlock()
		last, problem = total, err
		if err != nil || seen >= last {
			cancel()
		}
	})
	err := s.Logs.Read(ctx, name, true, func(chunk bus.LogChunk) error {
		if l := (stepLog{chunk.Step, chunk.Key}); o.wants(l) {
			if err := p.write(l, chunk.Time, chunk.Text); err != nil {
				return err
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if seen++; last > 0 && seen >= last {
			return transaction.ErrEnded
		}
		return nil
	})
	cancel()
	over.Wait()
	switch {
	case errors.Is(err, transaction.ErrEnded):
		return nil
	case err != nil:
		return err // that the other reader was stopped then says nothing
	}
	return problem
}
