package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"foundry/scripts/bench/repository"
)

// repositoryRuns is the least number of single packages that each side publishes.
const repositoryRuns = 5

// repository measures publishing.
func (b *bench) repository(ctx context.Context, r *results) (err error) {
	cache := b.cache
	if cache == "" {
		if cache, err = os.UserCacheDir(); err != nil {
			return fmt.Errorf("find cache folder: %w", err)
		}
		cache = filepath.Join(cache, "foundry-bench")
	}
	r.publishing.Results, err = repository.Measure(ctx, repository.Options{
		Rig: b.rig, Small: repository.Small, Large: repository.Large, Programs: b.programs, Cache: cache, Runs: max(b.runs, repositoryRuns), Say: b.say,
	})
	return err
}
