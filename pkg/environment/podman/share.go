package podman

import (
	"context"
	"errors"

	"foundry/pkg/artifact"
	"foundry/pkg/environment"
	"foundry/pkg/message"
)

// Share implements environment.Provisioner.
func (e *Engine) Share(ctx context.Context, image message.Image, store artifact.Store) (message.Image, error) {
	return image, errors.New("share image: not possible")
}

// Fetch implements environment.Runtime.
func (e *Engine) Fetch(ctx context.Context, image message.Image, store artifact.Store) error {
	if e.hasImage(image.ID) {
		return nil
	}
	return environment.ErrNoImage
}
