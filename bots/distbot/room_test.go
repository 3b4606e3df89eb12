package main

import (
	"context"
	"errors"
	"math"
	"testing"

	"foundry/pkg/message"
	"foundry/pkg/publish"
)

func sized(sizes ...int64) *message.Sign {
	s := new(message.Sign)
	for _, size := range sizes {
		s.Files = append(s.Files, message.Artifact{Size: size})
	}
	return s
}

// TestRoom lets builds in as long as there is room for their files, and the largest alone.
func TestRoom(t *testing.T) {
	r := newRoom()
	enter := func(s *message.Sign) func() {
		t.Helper()
		leave, err := r.enter(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		return leave
	}
	full := func(s *message.Sign) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.enter(ctx, s); !errors.Is(err, context.Canceled) {
			t.Errorf("entered a full room: %v", err)
		}
	}
	half, quarter := enter(sized(maxScratch/2)), enter(sized(maxScratch/8, maxScratch/8))
	full(sized(maxScratch / 2))
	half()
	enter(sized(maxScratch / 2))()
	quarter()
	for _, s := range []*message.Sign{sized(maxScratch + 1), sized(math.MaxInt64, math.MaxInt64), sized(-1, maxScratch)} {
		leave := enter(s)
		full(sized(1))
		leave()
	}
	enter(sized(0))()
}

// TestHands lets a bounded number receive at a time.
func TestHands(t *testing.T) {
	r := newRoom()
	begun, finish, done := make(chan struct{}), make(chan struct{}), make(chan error)
	wait := func() (publish.Upload, error) {
		begun <- struct{}{}
		<-finish
		return publish.Upload{}, nil
	}
	hands := 0
	for r.hands.TryAcquire(1) {
		hands++
	}
	r.hands.Release(int64(hands))
	for range hands {
		go func() {
			_, err := r.receive(t.Context(), wait)
			done <- err
		}()
		<-begun
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.receive(ctx, wait); !errors.Is(err, context.Canceled) {
		t.Errorf("received with no hand free: %v", err)
	}
	close(finish)
	for range hands {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
