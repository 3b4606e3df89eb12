package main

import (
	"context"
	"time"

	"foundry/bots/internal/delivery"
	"foundry/bots/internal/published"
	"foundry/pkg/message"
	"foundry/pkg/publish"
)

// record writes down which versions the repository has, so that a lower one is refused before it is built.
// It goes on without: the repository refuses it as well, later.
func (d *dist) record(ctx context.Context) {
	begun, count := time.Now(), 0
	for _, codename := range d.codenames {
		sources, err := d.repo.Sources(codename)
		if err == nil {
			err = published.Sync(ctx, d.Values, d.name, codename, sources)
		}
		if err != nil {
			d.Log.Warn().Err(err).Str("suite", codename).Msg("versions were not recorded")
			return
		}
		count += len(sources)
	}
	d.Log.Debug().Int("sources", count).Dur("took_ms", time.Since(begun)).Msg("versions are recorded")
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
