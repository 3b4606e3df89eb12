package podman

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/rs/zerolog"

	"foundry/pkg/environment"
)

// An Upkeep says what Tend does.
type Upkeep struct {
	Limit int64 // bytes that images and what apt has downloaded may take; 0 for a fifth of the file system, negative for no limit
	Bases bool  // make base systems anew whose release has changed
	Log   zerolog.Logger
}

// How often Tend looks, besides when this process has made an image, and how often at the most a
// base is made anew: until then every environment brings it up to date by itself.
const (
	tendPause = 10 * time.Minute
	baseAge   = 20 * time.Hour
	retryAge  = time.Hour
)

// Tend looks after the cache folder until ctx ends: it makes base systems anew, with low priority,
// whose release has changed, so that no package waits for that, and removes what has not been used
// for longest when there is more than the limit. Several processes may do so at once.
func (e *Engine) Tend(ctx context.Context, u Upkeep) error {
	if u.Limit == 0 {
		var err error
		if u.Limit, err = e.room(); err != nil {
			return err
		}
	}
	tick := time.NewTicker(tendPause)
	defer tick.Stop()
	over := false
	for {
		if u.Bases {
			e.grant(ctx, u.Log)
		}
		if u.Limit > 0 {
			over = e.keepWithin(ctx, u, over)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-e.changed:
		}
	}
}

// While removes what killed processes have left behind, calls work, and tends the cache folder until it
// returns.
func (e *Engine) While(ctx context.Context, u Upkeep, work func(ctx context.Context) error) error {
	if err := e.Sweep(ctx); err != nil {
		u.Log.Warn().Err(err).Msg("left-over containers not removed")
	}
	tending, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- e.Tend(tending, u) }()
	err := work(ctx)
	stop()
	return errors.Join(err, <-ended)
}

// wake has Tend look now.
func (e *Engine) wake() {
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

// keepWithin trims, and tells whether there is more than the limit all the same. It is said once.
func (e *Engine) keepWithin(ctx context.Context, u Upkeep, before bool) (over bool) {
	t, err := e.trim(ctx, time.Now(), u.Limit)
	for _, what := range t.Removed {
		u.Log.Info().Str("removed", what).Msg("not used for longest")
	}
	if err != nil && ctx.Err() == nil {
		u.Log.Warn().Err(err).Msg("images not removed")
	}
	over = t.Left > u.Limit
	if over && !before {
		u.Log.Warn().Int64("bytes", t.Left).Int64("limit", u.Limit).Msg("images take more than their limit, all of them are needed")
	}
	return over
}

// A wish is a base image that is to be made anew.
type wish struct {
	Base         environment.Base `json:"base"`
	Architecture string           `json:"architecture"`
	Proxy        string           `json:"proxy,omitempty"`
	Tried        time.Time        `json:"tried"`
}

// wish asks for the base image of a plan to be made anew, by whatever process tends the folder.
func (e *Engine) wish(p *plan) error {
	var known wish
	if e.index.Load(wishes, p.baseKey, &known) {
		return nil
	}
	defer e.wake()
	return e.index.Save(wishes, p.baseKey, wish{Base: p.Base, Architecture: p.Architecture, Proxy: p.Proxy})
}

// grant makes the base images that are wished for, one after the other, each once on this host.
func (e *Engine) grant(ctx context.Context, log zerolog.Logger) {
	keys, err := e.index.Keys(wishes)
	if err != nil {
		log.Warn().Err(err).Msg("base systems are not made anew")
		return
	}
	for _, key := range keys {
		if ctx.Err() != nil {
			return
		}
		if err := e.remake(ctx, key, log); err != nil && ctx.Err() == nil {
			log.Warn().Err(err).Msg("base system is not made anew, the old one is used on")
		}
	}
}

// remake makes one base image anew. The one that is there serves until it is done.
func (e *Engine) remake(ctx context.Context, key string, log zerolog.Logger) error {
	unlock, free, err := e.index.TryLock("wish-" + key)
	if !free || err != nil {
		return err
	}
	defer unlock()
	var w wish
	known := new(base)
	if !e.index.Load(wishes, key, &w) || !e.index.Load(bases, key, known) {
		return e.index.Forget(wishes, key)
	}
	if time.Since(known.Made) < baseAge || time.Since(w.Tried) < retryAge {
		return nil
	}
	w.Tried = time.Now().UTC()
	if err := e.index.Save(wishes, key, w); err != nil {
		return err
	}
	p, err := e.plan(ctx, environment.Request{Base: w.Base, Architecture: w.Architecture, Proxy: w.Proxy})
	if err != nil {
		return err
	}
	p.urgent = false
	begun := time.Now()
	if _, err := e.newBase(ctx, p, io.Discard); err != nil {
		return err
	}
	log.Info().Str("release", w.Base.Release).Str("arch", w.Architecture).Dur("took", time.Since(begun)).Msg("base system made anew")
	return e.index.Forget(wishes, key)
}
