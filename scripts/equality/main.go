// Command equality publishes the same packages with foundry's publisher and with aptly, has
// apt-ftparchive index the same pool, and tells every difference: of stanzas in Packages and Sources,
// field by field, and of lines in Contents.
//
// The packages are some seventy of Debian (udebs, for all architectures
// and for one, with epochs, Built-Using, names of files that are not ASCII) and generated ones that are
// legal and that nobody expects. What may differ, and why, is told in rules.go, and how often it did at the
// end.
//
//	go run ./scripts/equality
//
// Its status is 1 where something else differs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"foundry/scripts/internal/rig"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "equality:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	var parent, cache, mirror string
	var keep, offline bool
	flag.StringVar(&parent, "dir", "/var/tmp", "folder for the scratch folder")
	flag.StringVar(&cache, "cache", "", "folder where aptly's program stays (default: foundry-bench in the user's cache folder)")
	flag.StringVar(&mirror, "mirror", "http://deb.debian.org", "host of Debian's archives")
	flag.BoolVar(&keep, "keep", false, "leave the scratch folder there")
	flag.BoolVar(&offline, "generated", false, "generated packages only")
	flag.Parse()
	if cache == "" {
		if cache, err = os.UserCacheDir(); err != nil {
			return fmt.Errorf("find cache folder: %w", err)
		}
		cache = filepath.Join(cache, "foundry-bench")
	}
	r, err := rig.New(parent)
	if err != nil {
		return err
	}
	defer func() {
		if keep {
			fmt.Fprintf(os.Stderr, "equality: what was made is in %s\n", r.Dir)
			return
		}
		err = errors.Join(err, r.Remove())
	}()
	program, err := r.Aptly(ctx, cache)
	if err != nil {
		return err
	}
	e := &equality{rig: r, aptly: program, packages: filepath.Join(r.Dir, "packages")}
	if err := e.generate(ctx); err != nil {
		return fmt.Errorf("generate packages: %w", err)
	}
	if !offline {
		if err := e.fetch(ctx, mirror); err != nil {
			return fmt.Errorf("fetch packages: %w", err)
		}
	}
	report, err := e.compare(ctx)
	if err != nil {
		return err
	}
	report.print(os.Stdout)
	if n := report.unexplained(); n > 0 {
		return fmt.Errorf("%d differences", n)
	}
	return nil
}
