package main

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"foundry/bots/internal/repository"
)

// wait opens the repository as soon as no other process has it open, and is a hot standby until then: shown
// as such, with keys and bus open, without taking messages. It returns nil when the bot is stopped
// before.
func (d *dist) wait(ctx context.Context) (*repository.Repository, error) {
	ctx, cancel := context.WithCancel(ctx)
	opened := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-d.Stopping():
			cancel()
		case <-opened:
		}
	})
	defer watch.Wait()
	defer close(opened)
	defer cancel()
	repo, err := d.settings.Open(ctx, d.Bot, d.options)
	if err != nil && ctx.Err() != nil {
		return nil, nil
	}
	return repo, err
}

// listenSoon opens the address. The process that this one takes over from may have it for a moment longer than
// the repository.
func listenSoon(ctx context.Context, address string) (net.Listener, error) {
	for deadline := time.Now().Add(5 * time.Second); ; {
		listener, err := listen(ctx, address)
		if err == nil || !errors.Is(err, unix.EADDRINUSE) || time.Now().After(deadline) {
			return listener, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(50 * time.Millisecond):
		}
	}
}
