package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"foundry/bots/internal/upload"
	"foundry/pkg/bot"
)

// checkIncoming looks whether the incoming folders are there.
func (o *options) checkIncoming() error {
	for _, dir := range o.incoming {
		info, err := os.Stat(dir)
		switch {
		case err != nil:
			return bot.Usage(fmt.Sprintf("--incoming: %v", err), "make the folder, and let those who upload write into it: install -d -m 2775 -g GROUP "+dir)
		case !info.IsDir():
			return bot.Usage(fmt.Sprintf("--incoming %s: not a folder", dir), "name the folder that dput puts its files into")
		}
	}
	if o.interval <= 0 {
		return bot.Usage("--incoming-interval: must be above zero", "such as 1s")
	}
	return nil
}

// folders are the incoming folders, with what takes the uploads.
func (o *options) folders(b *bot.Bot) (all []*upload.Folder) {
	var codenames []string
	for _, codename := range o.routes.All() {
		codenames = append(codenames, string(codename))
	}
	desk := &upload.Desk{
		Uploaders: o.uploaders, Downgrade: o.downgrade, Codenames: codenames, Pools: upload.Pools(b.Settings.State),
		Build: upload.Build{IndepArchitecture: o.indep, Profiles: o.profiles, Options: o.buildOptions, Timeout: o.buildTimeout},
		Self:  b.Self, Store: b.Store, Bus: b.Bus, Values: b.Values, Sealer: b.Sealer, Publish: b.Publish,
	}
	if desk.Uploaders == "" {
		desk.Uploaders = b.Path("trust", "uploaders.asc")
	}
	for _, dir := range o.incoming {
		all = append(all, &upload.Folder{Dir: dir, Desk: desk, Log: b.Log.With().Str("incoming", dir).Logger(), Now: time.Now})
	}
	return all
}

// receive scans the incoming folders until the bot is stopped or ctx ends.
func (o *options) receive(ctx context.Context, b *bot.Bot) {
	var all sync.WaitGroup
	for _, folder := range o.folders(b) {
		all.Go(func() {
			ticker := time.NewTicker(o.interval)
			defer ticker.Stop()
			told := "" // not each second again
			for {
				err := folder.Scan(ctx)
				switch {
				case err == nil:
					told = ""
				case !errors.Is(err, context.Canceled) && err.Error() != told:
					told = err.Error()
					b.NoteError(fmt.Errorf("incoming folder %s: %w", folder.Dir, err))
					folder.Log.Warn().Err(err).Str("hint", bot.HintOf(err)).Msg("trouble with uploads, will be tried again")
				}
				select {
				case <-ctx.Done():
					return
				case <-b.Stopping():
					return
				case <-ticker.C:
				}
			}
		})
	}
	all.Wait()
}
