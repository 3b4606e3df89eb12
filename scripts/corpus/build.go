package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"foundry/pkg/artifact"
	"foundry/pkg/message"
)

// result is what became of one package.
type result struct {
	hard
	version     string
	binaries    []string // names of the built packages
	identical   int      // of them, to the byte
	differences []string
	foundry     time.Duration // from the source package to the build
	sbuild      time.Duration
}

// compare builds a source package on both sides.
func (c *corpus) compare(ctx context.Context, p hard) (result, error) {
	r := result{hard: p}
	dsc, err := c.source(ctx, p)
	if err != nil {
		r.differences = []string{"its source package cannot be had: " + err.Error()}
		return r, ctx.Err()
	}
	theirs, took, err := c.bySbuild(ctx, dsc)
	if err != nil {
		r.differences = []string{"sbuild did not build it: " + err.Error()}
		return r, ctx.Err()
	}
	r.sbuild = took
	ours := filepath.Join(c.rig.Dir, "ours", strings.TrimSuffix(filepath.Base(dsc), ".dsc"))
	problem, err := c.byFoundry(ctx, dsc, ours, &r)
	if err != nil {
		return r, err
	}
	if problem != "" {
		r.differences = []string{"foundry did not build it: " + problem}
		return r, nil
	}
	defer os.RemoveAll(ours)
	a, err := readBuild(ctx, theirs)
	if err != nil {
		return r, fmt.Errorf("read what sbuild has built: %w", err)
	}
	b, err := readBuild(ctx, ours)
	if err != nil {
		return r, fmt.Errorf("read what foundry has built: %w", err)
	}
	r.version = b.changes.Get("Version")
	r.binaries, r.identical = b.names(), same(a, b)
	r.differences = append(r.differences, differences(a, b)...)
	return r, nil
}

// bySbuild returns the folder of what sbuild makes of the source package, and how long it took,
// also where that was in an earlier call.
func (c *corpus) bySbuild(ctx context.Context, dsc string) (dir string, took time.Duration, err error) {
	dir = filepath.Join(c.keep, "built", strings.TrimSuffix(filepath.Base(dsc), ".dsc"))
	if seconds, err := os.ReadFile(filepath.Join(dir, "seconds")); err == nil {
		n, err := strconv.ParseFloat(strings.TrimSpace(string(seconds)), 64)
		if err != nil {
			return "", 0, fmt.Errorf("read %s/seconds: %w", dir, err)
		}
		return dir, time.Duration(n * float64(time.Second)), nil
	}
	if !c.sbuild.HasChroot() {
		if err := c.sbuild.MakeChroot(ctx); err != nil {
			return "", 0, err
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", 0, fmt.Errorf("remove what is half made: %w", err)
	}
	begun := time.Now()
	if err := c.sbuild.Build(ctx, dsc, dir); err != nil {
		return "", 0, err
	}
	took = time.Since(begun)
	text := strconv.FormatFloat(took.Seconds(), 'f', 2, 64)
	if err := os.WriteFile(filepath.Join(dir, "seconds"), []byte(text+"\n"), 0o644); err != nil {
		return "", 0, fmt.Errorf("keep time of sbuild: %w", err)
	}
	return dir, took, nil
}

// byFoundry lets foundry build the source package and fetches the result into dir. problem says why
// there is none.
func (c *corpus) byFoundry(ctx context.Context, dsc, dir string, r *result) (problem string, err error) {
	report, err := c.foundry.Upload(ctx, dsc, c.patience)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return err.Error(), nil
	}
	if report.State != "published" {
		problem = "it is " + report.State
	}
	var build *message.Build
	for _, s := range report.Stages {
		switch s.Topic {
		case message.Provisions, message.Builds:
			r.foundry += time.Duration(s.Seconds * float64(time.Second))
		}
		if s.Topic == message.Builds {
			build = new(message.Build)
			if err := json.Unmarshal(s.Data, build); err != nil {
				return "", fmt.Errorf("read answer of foundry: %w", err)
			}
		}
	}
	if build == nil {
		return firstOf(problem, "no build"), nil
	}
	if problem != "" {
		r.differences = append(r.differences, problem)
	}
	return "", c.fetch(ctx, build, dir)
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// fetch brings the files of a build.
func (c *corpus) fetch(ctx context.Context, build *message.Build, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	var problems []error
	for _, f := range build.Files {
		_, err := artifact.FetchFile(ctx, c.store, f, dir)
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// names are those of the packages, each with the architecture that it is for.
func (b *build) names() (names []string) {
	for _, f := range b.files {
		if strings.HasSuffix(f, ".deb") || strings.HasSuffix(f, ".udeb") {
			names = append(names, f)
		}
	}
	return names
}
