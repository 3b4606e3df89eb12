package openkey

import (
	"context"
	"errors"
	"fmt"

	"foundry/pkg/bot"
	"foundry/pkg/trust"
)

// OpenAll opens the keys that specs name, as Open does, tries each, and returns a signer of all: what is
// signed has a signature of each, as during the change from one key to the next. Without specs it is the
// key of the state folder. A key that has expired is left out and told of, unless all have.
func (k Kind) OpenAll(ctx context.Context, b *bot.Bot, specs []string) (trust.Signer, error) {
	if len(specs) == 0 {
		specs = []string{""}
	}
	var signers []trust.Signer
	var expired []error
	names := map[string]string{}
	for _, spec := range specs {
		signer, _, err := k.Open(ctx, b, spec)
		if err == nil {
			err = k.Try(ctx, signer)
		}
		switch {
		case errors.As(err, new(*trust.ExpiredError)):
			expired = append(expired, err)
			continue
		case err != nil:
			return nil, err
		}
		if other, twice := names[signer.Fingerprint()]; twice {
			return nil, bot.Usage(fmt.Sprintf("--gpg-key %q: the same key as --gpg-key %q", spec, other), "name each key once")
		}
		names[signer.Fingerprint()] = spec
		signers = append(signers, signer)
	}
	if len(signers) == 0 {
		return nil, errors.Join(expired...)
	}
	for _, err := range expired {
		k.tell(b, b.Log.Error(), fmt.Errorf("%w: nothing is signed with it", err))
	}
	return trust.Together(signers...), nil
}
