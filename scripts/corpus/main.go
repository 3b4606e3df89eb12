// Command corpus builds source packages of Debian twice, with foundry and with sbuild in a throw-away
// user namespace, in the same release from the same mirror, and tells every difference: in the set
// of binary packages, in any control field, in the files that they hold with type, mode, owner and
// link, in the .changes and the .buildinfo.
//
// Its list has packages that are small and hard; others are given by name, or by the path of a .dsc:
//
//	go run ./scripts/corpus
//	go run ./scripts/corpus -keep /var/tmp/corpus -packages hello,./mine_1.0.dsc
//
// With -keep the sources, the base systems and what sbuild has built stay for the next call. What may
// differ, and why, is told in compare.go.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"foundry/pkg/artifact"
	"foundry/pkg/artifact/folder"
	"foundry/scripts/internal/debsource"
	"foundry/scripts/internal/rig"
)

// corpus is one call of the program.
type corpus struct {
	codename, mirror string
	programs         string // folder of the built programs
	keep             string // folder of what stays
	cache            string // of foundry; empty for one in keep
	patience         time.Duration

	rig     *rig.Rig
	apt     *debsource.Apt // nil until a package is not a file
	sbuild  *rig.Sbuild
	foundry *rig.Foundry
	store   artifact.Store // of foundry
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	c := &corpus{}
	var names, parent, table string
	flag.StringVar(&names, "packages", "", "source packages or paths of .dsc files, separated by commas (default: the whole list)")
	flag.StringVar(&c.codename, "codename", "bookworm", "Debian release to build in")
	flag.StringVar(&c.mirror, "mirror", "http://deb.debian.org/debian", "Debian mirror")
	flag.StringVar(&c.programs, "programs", "bin", "folder of the built programs")
	flag.StringVar(&c.keep, "keep", "", "folder for what stays for the next call, readable by all (default: nothing stays)")
	flag.StringVar(&parent, "dir", "/var/tmp", "folder for the scratch folder: on a disk, with 5 GB free")
	flag.StringVar(&table, "table", "", "also write the table into this file")
	flag.DurationVar(&c.patience, "timeout", 30*time.Minute, "how long foundry may take for a package")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		return errors.New("nothing may follow the flags")
	}
	packages := list
	if names != "" {
		packages = choose(strings.Split(names, ","))
	}
	results, err := c.compareAll(ctx, parent, packages)
	printTable(os.Stdout, results)
	if table != "" && len(results) > 0 {
		err = errors.Join(err, writeTable(table, results))
	}
	if err != nil {
		return err
	}
	if n := different(results); n > 0 {
		return fmt.Errorf("%d of %d packages differ", n, len(results))
	}
	return nil
}

// compareAll sets both sides up and builds the packages one after the other. What was found until an
// error is returned with it.
func (c *corpus) compareAll(ctx context.Context, parent string, packages []hard) (results []result, err error) {
	if c.rig, err = rig.New(parent); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			fmt.Fprintf(os.Stderr, "corpus: what was run is in %s\n", c.rig.Log.Name())
			return
		}
		err = c.rig.Remove()
	}()
	if err := c.prepare(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.foundry.Stop()) }()
	for n, p := range packages {
		fmt.Fprintf(os.Stderr, "corpus: %s (%d of %d)\n", p.name, n+1, len(packages))
		r, err := c.compare(ctx, p)
		if err != nil {
			return results, fmt.Errorf("%s: %w", p.name, err)
		}
		for _, d := range r.differences {
			fmt.Fprintf(os.Stderr, "corpus: %s: %s\n", p.name, d)
		}
		results = append(results, r)
	}
	return results, nil
}

// prepare sets both sides up.
func (c *corpus) prepare(ctx context.Context) (err error) {
	if c.programs, err = filepath.Abs(c.programs); err != nil {
		return fmt.Errorf("find programs: %w", err)
	}
	if c.keep == "" {
		c.keep = filepath.Join(c.rig.Dir, "keep")
	}
	if c.keep, err = filepath.Abs(c.keep); err != nil {
		return fmt.Errorf("find folder: %w", err)
	}
	for _, dir := range []string{c.keep, filepath.Join(c.keep, "built")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
	}
	if c.cache == "" {
		c.cache = filepath.Join(c.keep, "cache")
	}
	if c.sbuild, err = c.rig.NewSbuild(filepath.Join(c.keep, "sbuild"), c.codename, c.mirror); err != nil {
		return err
	}
	dir := filepath.Join(c.rig.Dir, "f")
	store := filepath.Join(dir, "store")
	if c.store, err = folder.Open(store); err != nil {
		return err
	}
	c.foundry, err = c.rig.StartFoundry(ctx, rig.FoundryOptions{
		Dir: dir, Cache: c.cache, Store: "folder:" + store,
		Programs: c.programs, Codename: c.codename, Mirror: c.mirror,
	})
	return err
}

// source returns the path of a package's .dsc, fetched unless it is a file already.
func (c *corpus) source(ctx context.Context, p hard) (string, error) {
	if strings.HasSuffix(p.name, ".dsc") {
		return filepath.Abs(p.name)
	}
	if c.apt == nil {
		apt, err := debsource.New(ctx, c.rig, filepath.Join(c.keep, "apt"), c.codename, c.mirror)
		if err != nil {
			return "", err
		}
		c.apt = apt
	}
	return c.apt.Fetch(ctx, p.name)
}
