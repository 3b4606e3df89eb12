package bot

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// TestBeside answers a message at the second try, which is not the bus's, and stops with the bot.
func TestBeside(t *testing.T) {
	f := newFarm(t)
	m := f.commit("hello")
	raw := f.publish(m)
	var calls atomic.Int32
	tried, ended := make(chan struct{}), make(chan struct{})
	f.start(Step{
		Results: expectSource,
		Do: func(context.Context, *Job) ([]Result, error) {
			switch calls.Add(1) {
			case 1:
				close(tried)
				return nil, nil
			case 2:
				return nil, errors.New("trouble")
			}
			return []Result{sourceResult()}, nil
		},
		Beside: func(ctx context.Context, again func(bus.Raw) error) error {
			defer close(ended)
			select {
			case <-tried:
			case <-ctx.Done():
				return nil
			}
			if err := again(raw); err == nil || err.Error() != "trouble" {
				t.Errorf("error %v, want the trouble", err)
			}
			for range 2 { // the second time it is done
				if err := again(raw); err != nil {
					t.Error(err)
				}
			}
			<-ctx.Done()
			return nil
		},
	})
	f.next(message.Sources, m.ID)
	states, err := ListBots(t.Context(), f.conn)
	if err != nil || len(states) != 1 {
		t.Fatalf("bots %+v, %v", states, err)
	}
	if _, err := StopBot(t.Context(), f.conn, f.seal, f.self, states[0].Instance); err != nil {
		t.Fatal(err)
	}
	<-ended
}

// TestBesideEndsTheLoop has what runs beside the loop fail.
func TestBesideEndsTheLoop(t *testing.T) {
	f := newFarm(t)
	joined := make(chan struct{})
	f.start(Step{
		Do: func(context.Context, *Job) ([]Result, error) { return nil, nil },
		Beside: func(context.Context, func(bus.Raw) error) error {
			<-joined
			return errors.New("it is over")
		},
	})
	for alive := 0; alive == 0; {
		states, err := ListBots(t.Context(), f.conn)
		if err != nil {
			t.Fatal(err)
		}
		alive = len(states)
	}
	close(joined)
	for alive := 1; alive > 0; {
		states, err := ListBots(t.Context(), f.conn)
		if err != nil {
			t.Fatal(err)
		}
		alive = len(states)
	}
}
