// Package oci carries images between the storage of a host and the artifact store: manifest,
// configuration and layers as the OCI image specification has them, each by its digest, layers
// compressed and stored once.
package oci

import (
	"context"

	"foundry/pkg/environment/podman/index"
)

// A Storage holds the images of this host. It may be used concurrently.
type Storage interface {
	HasImage(id string) bool
	// MakeTemp makes a folder for passing use.
	MakeTemp(pattern string) (dir string, err error)
	// Push writes an image to dir the way podman's "dir:" transport has it.
	Push(ctx context.Context, id, dir string) error
	// Pull reads an image from such a folder, in which layers that the storage has may be missing.
	Pull(ctx context.Context, dir, name string) (id string, err error)
}

// An Exchange shares and fetches images. It may be used concurrently.
type Exchange struct {
	storage Storage
	index   *index.Folder
}

// Kinds are those of the values that an Exchange remembers in its index.
func Kinds() []string { return []string{"blobs", "layers", "shared"} }

// New makes an Exchange that remembers in folder what the artifact store has.
func New(storage Storage, folder *index.Folder) *Exchange { return &Exchange{storage, folder} }
