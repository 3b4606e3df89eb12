// Package openkey opens the keys that signbot and distbot sign with for others than bots: the
// package key and the repository key. Such a key is in a file of the state folder, made on first
// start, or wherever --gpg-key says.
package openkey

import (
	"context"
	"fmt"

	"foundry/pkg/bot"
	"foundry/pkg/trust"
)

// A Kind is one of the keys that are not a bot's own.
type Kind struct {
	Name string // for people: "package key"
	File string // below keys in the state folder
	User string // user id of one that is made
}

// Open opens the key that spec names: a file, or what gpg knows it by. Without a spec it is the one
// of the state folder, and where that has none it is made, and returned as made too.
func (k Kind) Open(ctx context.Context, b *bot.Bot, spec string) (signer trust.Signer, made *trust.Key, err error) {
	if spec == "" {
		spec = b.Path("keys", k.File)
		key, created, err := trust.LoadOrCreate(spec, k.User)
		if err != nil {
			return nil, nil, k.explain(err)
		}
		if created {
			b.Log.Info().Str("file", spec).Str("key", key.Fingerprint()).Msg(k.Name + " made")
			made = key
		}
	}
	signer, err = trust.OpenSigner(ctx, spec)
	if err != nil {
		return nil, nil, k.explain(err)
	}
	return signer, made, nil
}

func (k Kind) explain(err error) error {
	return bot.Hint(fmt.Errorf("open %s: %w", k.Name, err),
		`give a key file or the fingerprint of a key that "gpg --list-secret-keys" shows with --gpg-key`)
}

// Try signs something, so that an expired key or a card that is not there shows now and not with
// the first build.
func (k Kind) Try(ctx context.Context, signer trust.Signer) error {
	if _, err := signer.Detach(ctx, []byte("trial\n")); err != nil {
		return bot.Hint(fmt.Errorf("try %s: %w", k.Name, err), "renew the key, or give another with --gpg-key")
	}
	return nil
}
