package repository

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"foundry/scripts/internal/rig"
)

// How many packages the repositories have.
const (
	Small = 10_000
	Large = 100_000
)

// Options say what to measure.
type Options struct {
	Rig      *rig.Rig
	Small    int    // packages of the small repository, usually Small
	Large    int    // of the large one, usually Large; zero leaves it out
	Programs string // folder of the built programs
	Cache    string // folder in which packages stay
	Runs     int    // how often one package more is published
	Say      func(format string, args ...any)
}

// Side is what was measured of one program.
type Side struct {
	Bulk      time.Duration   // of all packages of the small repository into an empty repository
	Quarters  []time.Duration // time for each package, in quarters of the bulk
	One       []time.Duration // of one more package in that
	OneLarge  []time.Duration // of one more package in the large one
	Kept      time.Time       // when Bulk was measured, if not in this run
	Left      string          // why there is no such
	Published int             // in bulk, as listed afterwards
}

// Results are all that was measured.
type Results struct {
	Distbot, Reprepro, Aptly Side
}

// Measure runs all sides one after the other.
func Measure(ctx context.Context, o Options) (r Results, err error) {
	s, err := openStock(ctx, o.Rig, o.Cache)
	if err != nil {
		return r, err
	}
	o.Say("packages: %d are made where they are not in %s yet", max(o.Small, o.Large)+batch, s.dir)
	if err := s.fill(ctx, max(o.Small, o.Large)+batch); err != nil {
		return r, err
	}
	for _, part := range []struct {
		name    string
		measure func(context.Context, Options, *stock) (Side, error)
		into    *Side
	}{{"distbot", measureDistbot, &r.Distbot}, {"reprepro", measureReprepro, &r.Reprepro}, {"aptly", measureAptly, &r.Aptly}} {
		o.Say("%s: %d packages, then one more, %d times", part.name, o.Small, o.Runs)
		if *part.into, err = part.measure(ctx, o, s); err != nil {
			return r, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return r, nil
}

// measureDistbot measures distbot.
func measureDistbot(ctx context.Context, o Options, s *stock) (side Side, err error) {
	dir := filepath.Join(o.Rig.Dir, "distbot")
	if err := side.small(ctx, o, s, dir); err != nil {
		return side, err
	}
	if o.Large == 0 {
		return side, nil
	}
	o.Say("distbot: %s; one more %v; now one more into %d, %d times", side.Bulk, side.One, o.Large, o.Runs)
	return side, side.large(ctx, o, s, filepath.Join(o.Rig.Dir, "large"))
}

// small fills an empty repository over the bus, and then puts single packages in.
func (side *Side) small(ctx context.Context, o Options, s *stock, dir string) (err error) {
	sp, err := speak(ctx, s, dir, filepath.Join(dir, "state"))
	if err != nil {
		return err
	}
	d, err := startDistbot(ctx, sp, o.Programs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stopped()) }()
	begun, times, err := d.many(ctx, 0, o.Small)
	if err != nil {
		return err
	}
	side.Bulk = latest(times).Sub(begun)
	side.Quarters = quarters(begun, times)
	if side.Published, err = d.count(); err != nil {
		return err
	}
	side.One, err = d.more(ctx, o.Small, o.Runs)
	return err
}

// more publishes single packages, each when the one before is done.
func (d *distbot) more(ctx context.Context, first, runs int) (took []time.Duration, err error) {
	for n := first; n < first+runs; n++ {
		time.Sleep(settle)
		one, err := d.one(ctx, n)
		if err != nil {
			return nil, err
		}
		took = append(took, one)
	}
	return took, nil
}

// settle is how long the machine is left alone before a single package, on all sides.
const settle = time.Second
