package main

import (
	"context"
	"fmt"
	"maps"
	"time"

	"foundry/bots/internal/delivery"
	"foundry/bots/internal/published"
	"foundry/bots/internal/repository"
	"foundry/pkg/message"
	"foundry/pkg/publish"
)

// record writes down which versions the repository has, so that a lower one is refused before it is built.
// It goes on without: the repository refuses it as well, later.
func (d *dist) record(ctx context.Context) {
	begun := time.Now()
	count, err := d.recordAll(ctx)
	if err != nil {
		d.Log.Warn().Err(err).Msg("versions were not recorded")
		return
	}
	d.Log.Debug().Int("sources", count).Dur("took_ms", time.Since(begun)).Msg("versions are recorded")
}

// recordAll also takes from the record what people have removed without a distbot, or as one was killed.
func (d *dist) recordAll(ctx context.Context) (count int, err error) {
	changed, err := repository.ReadUnrecorded(d.Settings.State, d.name)
	if err != nil {
		return 0, err
	}
	for _, codename := range d.codenames {
		sources, err := d.repo.Sources(codename)
		if err != nil {
			return count, err
		}
		count += len(sources)
		all := map[string]string{}
		maps.Copy(all, sources)
		for _, c := range changed {
			if c.Codename == codename {
				all[c.Source] = sources[c.Source] // "" for one that is there no more
			}
		}
		if err := published.Sync(ctx, d.Values, d.name, codename, all); err != nil {
			return count, fmt.Errorf("codename %s: %w", codename, err)
		}
	}
	return count, repository.ForgetUnrecorded(d.Settings.State, d.name)
}

// note records what was published.
func (d *dist) note(ctx context.Context, upload publish.Upload) error {
	var content message.Digest
	if upload.Dsc != "" {
		text, err := delivery.ReadText(upload.Dsc)
		if err != nil {
			return err
		}
		if content, err = published.Content(text); err != nil {
			return err
		}
	}
	return published.Note(ctx, d.Values, d.name, upload.Package, content)
}
