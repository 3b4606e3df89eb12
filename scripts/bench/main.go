// Command bench measures what foundry costs: the time of one hop over the bus, and the time from the
// announcement of a small arch:all package until apt can install it, beside plain
// dpkg-buildpackage in the same image and beside sbuild and reprepro on the same source.
//
// "Cold" begins with nothing on the disk but the programs, so base systems are made and packages
// fetched. "Warm" is a new version of a package that was built before. All sides get the same
// source and the same mirror, and what each has published is checked with apt. The runs of the
// sides take turns, so that what else the machine does bears on all of them.
//
// Then it builds five packages of the distribution, see corpus.go, and publishes many small ones, see
// the package repository.
//
// "make bench" runs it. Everything it makes is in a folder of its own outside the tree, which it
// removes at the end, but for what is in the folder of -cache.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"foundry/scripts/internal/rig"
)

// bench is one call of the program.
type bench struct {
	runs, cold int
	mirror     string
	codename   string
	programs   string // folder of the built programs
	cache      string // folder of what stays; empty for one of the user
	rig        *rig.Rig
	versions   int // of the package, made so far
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	b := &bench{}
	var parent string
	var keep bool
	var only string
	flag.IntVar(&b.runs, "runs", 3, "how often to measure the warm case of each side")
	flag.IntVar(&b.cold, "cold", 1, "how often to measure the cold case of each side; 0 leaves it out")
	flag.StringVar(&b.mirror, "mirror", "http://deb.debian.org/debian", "Debian mirror")
	flag.StringVar(&b.codename, "codename", "bookworm", "Debian release to build in")
	flag.StringVar(&b.programs, "programs", "bin", "folder of the built programs")
	flag.StringVar(&parent, "dir", "/var/tmp", "folder for the scratch folder: on a disk, with 5 GB free")
	flag.StringVar(&b.cache, "cache", "", "folder for what later runs use again, with 3 GB free (default: foundry-bench in the user's cache folder)")
	flag.BoolVar(&keep, "keep", false, "leave the scratch folder there")
	flag.StringVar(&only, "only", "", "measure one part only: hop, package, corpus or repository")
	flag.Parse()
	if only != "" && !slices.Contains([]string{"hop", "package", "corpus", "repository"}, only) {
		return fmt.Errorf("-only %q: not hop, package, corpus or repository", only)
	}
	if b.runs < 1 || b.cold < 0 || flag.NArg() > 0 {
		flag.Usage()
		return errors.New("-runs must be at least 1, -cold at least 0, and nothing may follow the flags")
	}
	if b.programs, err = filepath.Abs(b.programs); err != nil {
		return fmt.Errorf("find programs: %w", err)
	}
	if b.rig, err = rig.New(parent); err != nil {
		return err
	}
	defer func() {
		if keep || err != nil {
			fmt.Fprintf(os.Stderr, "bench: what was run is in %s, its log in %s\n", b.rig.Dir, b.rig.Log.Name())
			return
		}
		err = b.rig.Remove()
	}()
	r := &results{}
	for _, part := range []struct {
		name    string
		measure func(context.Context, *results) error
	}{{"hop", b.hop}, {"package", b.packages}, {"corpus", b.corpus}, {"repository", b.repository}} {
		if only != "" && only != part.name {
			continue
		}
		if err := part.measure(ctx, r); err != nil {
			return err
		}
	}
	r.print(os.Stdout, time.Now())
	return nil
}

// packages measures the three ways to build and publish a package.
func (b *bench) packages(ctx context.Context, r *results) (err error) {
	s, err := b.newSbuild(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	for n := range b.cold {
		b.say("cold, run %d of %d: sbuild and reprepro", n+1, b.cold)
		if err := r.sbuildCold.measure(func() error { return s.cold(ctx) }); err != nil {
			return fmt.Errorf("sbuild, cold: %w", err)
		}
	}
	if b.cold == 0 {
		if err := s.cold(ctx); err != nil {
			return fmt.Errorf("sbuild, cold: %w", err)
		}
	}
	var f *foundry
	for n := range max(b.cold, 1) {
		if f != nil {
			if err := f.Stop(); err != nil {
				return err
			}
		}
		b.say("cold, run %d of %d: foundry", n+1, b.cold)
		if f, err = b.startFoundry(ctx, n); err != nil {
			return err
		}
		defer f.Stop()
		seconds, err := f.publish(ctx)
		if err != nil {
			return fmt.Errorf("foundry, cold: %w", err)
		}
		if b.cold > 0 {
			r.foundryCold.add(seconds)
		}
	}
	for n := range b.runs {
		b.say("warm, run %d of %d", n+1, b.runs)
		seconds, err := f.publish(ctx)
		if err != nil {
			return fmt.Errorf("foundry, warm: %w", err)
		}
		r.foundryWarm.add(seconds)
		r.stages.add(f.stages)
		if err := r.plain.measure(func() error { return f.plain(ctx) }); err != nil {
			return fmt.Errorf("dpkg-buildpackage: %w", err)
		}
		if err := r.sbuildWarm.measure(func() error { return s.publish(ctx) }); err != nil {
			return fmt.Errorf("sbuild, warm: %w", err)
		}
		if err := errors.Join(f.check(ctx), s.check(ctx)); err != nil {
			return err
		}
	}
	return f.Stop()
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
}
