package main

import (
	"context"
	"runtime"
	"slices"

	"golang.org/x/sync/semaphore"

	"foundry/pkg/message"
	"foundry/pkg/publish"
)

const (
	// defaultJobs is how many builds may wait for the same publish. One waits longer for that than it
	// takes to receive it, so many of them keep a bulk moving.
	defaultJobs = 1024
	// maxScratch is how many bytes builds may have in scratch folders at a time. A build that is larger is
	// received alone.
	maxScratch = 4 << 30
)

// room bounds what builds take of this machine, however many are worked on.
type room struct {
	bytes *semaphore.Weighted // of builds in scratch folders
	hands *semaphore.Weighted // who fetch and verify
}

func newRoom() *room {
	return &room{semaphore.NewWeighted(maxScratch), semaphore.NewWeighted(max(4, 2*int64(runtime.GOMAXPROCS(0))))}
}

// enter waits until there is room for the files of a build. They have it until leave is called.
func (r *room) enter(ctx context.Context, sign *message.Sign) (leave func(), err error) {
	size := int64(0)
	for _, a := range slices.Concat(sign.Files, sign.SourceFiles) {
		size = min(size+min(max(a.Size, 0), maxScratch), maxScratch)
	}
	if err := r.bytes.Acquire(ctx, size); err != nil {
		return nil, err
	}
	return func() { r.bytes.Release(size) }, nil
}

// receive calls do when there are hands free for it.
func (r *room) receive(ctx context.Context, do func() (publish.Upload, error)) (publish.Upload, error) {
	if err := r.hands.Acquire(ctx, 1); err != nil {
		return publish.Upload{}, err
	}
	defer r.hands.Release(1)
	return do()
}
