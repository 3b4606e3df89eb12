package podman

import (
	"context"
	"fmt"
	"time"

	"foundry/pkg/environment"
	"foundry/pkg/environment/podman/container"
)

// A stamp is remembered for its time.
type stamp struct {
	Time time.Time `json:"time"`
}

// mark notes that something happens to an image now, or to what apt has downloaded.
func (e *Engine) mark(kind, key string) error {
	return e.index.Save(kind, container.TrimID(key), stamp{time.Now().UTC()})
}

// when is the last time that it did, zero for never.
func (e *Engine) when(kind, key string) time.Time {
	var s stamp
	e.index.Load(kind, container.TrimID(key), &s)
	return s.Time
}

// useLock is the lock that those who use an image share, and that who removes it has alone. The
// kernel releases it when a process dies.
func useLock(id string) string { return "use-" + container.TrimID(id) }

// use keeps an image from being removed until it is released. It is environment.ErrNoImage for one
// that is not there.
func (e *Engine) use(id string) (release func(), err error) {
	release, shared, err := e.index.TryShare(useLock(id))
	if err != nil {
		return nil, err
	}
	if !shared || !e.podman.HasImage(id) {
		release()
		return nil, environment.ErrNoImage
	}
	if err := e.mark(used, id); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// promise keeps an image for whoever is told of it, and tells whether it is there.
func (e *Engine) promise(id string) bool {
	release, err := e.use(id)
	if err != nil {
		return false
	}
	defer release()
	return e.mark(promised, id) == nil
}

// Run implements environment.Runtime.
func (e *Engine) Run(ctx context.Context, run environment.Run) (int, error) {
	if run.Image.ID != "" {
		release, err := e.use(run.Image.ID)
		if err != nil {
			return 0, fmt.Errorf("run %s: %w", run.Name, err)
		}
		defer release()
		if err := e.mark(ran, run.Image.ID); err != nil {
			return 0, err
		}
	}
	status, err := e.podman.Run(ctx, run)
	if err == nil && run.Image.ID != "" {
		err = e.mark(used, run.Image.ID)
	}
	return status, err
}
