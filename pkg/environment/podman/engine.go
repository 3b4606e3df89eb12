package podman

import (
	"context"
	"fmt"
	"path/filepath"

	"foundry/pkg/artifact"
	"foundry/pkg/environment"
	"foundry/pkg/environment/podman/container"
	"foundry/pkg/environment/podman/host"
	"foundry/pkg/environment/podman/index"
	"foundry/pkg/environment/podman/mirror"
	"foundry/pkg/environment/podman/oci"
	"foundry/pkg/message"
)

// An Engine makes environments and runs instances of them. It may be used concurrently, and several
// processes of one user may use the same cache folder.
type Engine struct {
	podman  *container.Podman
	index   *index.Folder // what is known of images
	images  *oci.Exchange
	mirrors *mirror.Client
	changed chan struct{} // there may be something for Tend to do
}

var (
	_ environment.Provisioner = (*Engine)(nil)
	_ environment.Runtime     = (*Engine)(nil)
)

// A SetupError says what is wrong with this host, and with Hint what mends it.
type SetupError = host.SetupError

// Check tells in a moment whether Open has what it needs of this host: podman, and for an ordinary
// user the right to more ids. What is missing is a *SetupError.
func Check(ctx context.Context) error { return host.Check(ctx) }

// CheckArchitecture tells in a moment whether programs of an architecture run on this host,
// themselves or through qemu-user. What is missing is a *SetupError.
func CheckArchitecture(arch string) error {
	return host.CheckArchitecture(environment.HostArchitecture(), arch)
}

// The kinds of values in the index.
const (
	answers  = "answers"  // images, by key of a request
	images   = "images"   // images, by key
	bases    = "bases"    // base images, by key
	wishes   = "wishes"   // base images to be made anew, by key
	used     = "used"     // when an image was used, by id, and what apt has downloaded
	promised = "promised" // when an image was the answer to a request, by id
	upToDate = "current"  // when a base image was seen to be up to date with Release files, by currentKey
	ran      = "ran"      // when an instance of an image was started, by id
)

// Open prepares the folder cache for use and checks that podman is there and can be used by this
// user; what is missing is a *SetupError.
func Open(ctx context.Context, cache string) (*Engine, error) {
	cache, err := filepath.Abs(cache)
	if err != nil {
		return nil, fmt.Errorf("open cache folder: %w", err)
	}
	e := &Engine{changed: make(chan struct{}, 1)}
	kinds := append(oci.Kinds(), answers, images, mentions, nears, bases, mirror.Kind, wishes, used, promised, upToDate, ran)
	if e.index, err = index.Open(filepath.Join(cache, "environments"), kinds...); err != nil {
		return nil, err
	}
	if e.podman, err = container.Open(ctx, filepath.Join(cache, "containers"), e.index); err != nil {
		return nil, err
	}
	e.mirrors = mirror.New(e.index)
	e.images = oci.New(e.podman, e.index)
	return e, nil
}

// Sweep implements environment.Runtime.
func (e *Engine) Sweep(ctx context.Context) error { return e.podman.Sweep(ctx) }

// Share implements environment.Provisioner.
func (e *Engine) Share(ctx context.Context, image message.Image, store artifact.Store) (message.Image, error) {
	shared, err := e.images.Share(ctx, image, store)
	if err != nil {
		return shared, err
	}
	// Whoever needs it can fetch it, so it need not be kept for them.
	return shared, e.mark(ran, image.ID)
}

// Fetch implements environment.Runtime. Layers that this host has in another image are not
// fetched.
func (e *Engine) Fetch(ctx context.Context, image message.Image, store artifact.Store) error {
	err := e.images.Fetch(ctx, image, store)
	if err == nil {
		err = e.mark(used, image.ID)
	}
	e.wake()
	return err
}
