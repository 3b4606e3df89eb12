package openkey

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"foundry/pkg/bot"
	"foundry/pkg/trust"
)

// notice is how long before a key expires that is told, each day: time to make another, and for clients
// to learn of it.
const notice = 30 * 24 * time.Hour

// Watch tells each day, in the log and in --list, of keys of the signer that have expired or soon will,
// until ctx ends.
func (k Kind) Watch(ctx context.Context, b *bot.Bot, signer trust.Signer) {
	tick := time.NewTicker(24 * time.Hour)
	defer tick.Stop()
	for {
		k.look(ctx, b, signer)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (k Kind) look(ctx context.Context, b *bot.Bot, signer trust.Signer) {
	terms, err := trust.Terms(ctx, signer)
	if err != nil {
		if ctx.Err() == nil {
			k.tell(b, b.Log.Error(), fmt.Errorf("try %s: %w", k.Name, err))
		}
		return
	}
	now := time.Now()
	for _, t := range terms {
		switch {
		case t.Expired(now):
			k.tell(b, b.Log.Error(), fmt.Errorf("%s: %w: nothing is signed with it", k.Name, &trust.ExpiredError{Term: t}))
		case t.Expired(now.Add(notice)):
			k.tell(b, b.Log.Warn(), &soonError{k.Name, t, now})
		}
	}
}

// tell shows err, with its hint, in the log and in --list.
func (k Kind) tell(b *bot.Bot, event *zerolog.Event, err error) {
	b.NoteError(err)
	if hint := bot.HintOf(err); hint != "" {
		event = event.Str("hint", hint)
	}
	event.Err(err).Msg("a key needs attention")
}

// soonError says that a key has little time left.
type soonError struct {
	name string
	trust.Term
	now time.Time
}

func (e *soonError) Error() string {
	key := e.Fingerprint
	if e.Subkey != "" {
		key = fmt.Sprintf("%s (its subkey %s)", key, e.Subkey)
	}
	return fmt.Sprintf("%s %s expires in %d days, on %s", e.name, key, int(e.Expires.Sub(e.now).Hours()/24), e.Expires.UTC().Format(time.DateOnly))
}
