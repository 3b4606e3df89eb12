package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"time"

	"github.com/spf13/pflag"

	"foundry/bots/internal/repository"
	"foundry/pkg/bot"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

// options are distbot's own flags, beside those that describe the repository.
type options struct {
	serve      string
	lockstep   time.Duration
	keepFailed time.Duration
}

// maxLockstep is the longest time that builds may wait for others, far from that after which the bus
// forgets them.
const maxLockstep = message.MaxAge / 2

func (o *options) declare(fs *pflag.FlagSet) {
	fs.StringVar(&o.serve, "serve", "", "`address` at which to serve the repository over http, such as :8080 or [::1]:8080 (default: not at all)")
	fs.DurationVar(&o.lockstep, "lockstep", 0, "publish all architectures of a source package together, and wait at most so `long` for those that have neither come nor failed (default: publish each when it comes)")
	fs.DurationVar(&o.keepFailed, "keep-failed", 14*24*time.Hour, "how long builds that were refused stay in failed/NAME in the state folder; 0 for not at all")
}

func (o *options) check() error {
	if o.lockstep < 0 || o.lockstep > maxLockstep {
		return bot.Usage(fmt.Sprintf("--lockstep %s: not between 0 and %s", o.lockstep, maxLockstep), "give how long the slowest architecture may take, as in 12h")
	}
	if o.keepFailed < 0 {
		return bot.Usage(fmt.Sprintf("--keep-failed %s: less than nothing", o.keepFailed), "give a duration such as 336h, or 0 to keep nothing")
	}
	if o.serve != "" {
		if _, _, err := net.SplitHostPort(o.serve); err != nil {
			return bot.Usage(fmt.Sprintf("--serve %q: not an address", o.serve), "give host and port, as in 0.0.0.0:8080 or [::]:8080")
		}
	}
	return nil
}

// open opens the keys, and makes the repository known that is to be opened.
func (o *options) open(ctx context.Context, b *bot.Bot, s *repository.Settings) (*dist, error) {
	if err := s.Resolve(b.Settings.State); err != nil {
		return nil, err
	}
	d := &dist{
		Bot: b, settings: s, name: s.Name, output: s.Output, address: o.serve, trust: s.PackageKeys, keys: trust.NewKeyringFile(s.PackageKeys), room: newRoom(),
		every: s.ValidFor / 8, within: s.ValidFor / 2, architectures: s.Arches, hold: o.lockstep,
	}
	if o.keepFailed > 0 {
		d.failed = &failed{dir: b.Path("failed", s.Name), age: o.keepFailed, bytes: maxFailed, store: b.Store, log: b.Log}
	}
	if err := d.checkTrust(); err != nil {
		return nil, err
	}
	var err error
	if d.options, err = s.Options(ctx, b); err != nil {
		return nil, err
	}
	for _, suite := range d.options.Suites {
		d.codenames = append(d.codenames, suite.Codename)
	}
	return d, nil
}

// checkTrust tells at start what would else show with the first build. The keyring may come later,
// when a signbot of the same state folder makes its key.
func (d *dist) checkTrust() error {
	ring, err := trust.ReadKeyring(d.trust)
	if errors.Is(err, fs.ErrNotExist) {
		d.Log.Warn().Str("file", d.trust).Msg("no package key is trusted yet")
		return nil
	}
	if err != nil {
		return bot.Hint(fmt.Errorf("read trusted package keys: %w", err), "name a file of OpenPGP public keys with --trust-packages")
	}
	d.Log.Debug().Strs("keys", ring.Fingerprints()).Msg("package keys are trusted")
	return nil
}
