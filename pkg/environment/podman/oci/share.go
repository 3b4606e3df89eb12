package oci

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"foundry/pkg/artifact"
	"foundry/pkg/message"
)

// Share is that of environment.Provisioner. Layers are compressed and stored once, whichever
// images have them.
func (x *Exchange) Share(ctx context.Context, image message.Image, store artifact.Store) (message.Image, error) {
	shared, err := x.share(ctx, image, store)
	if err != nil {
		return message.Image{}, fmt.Errorf("share environment %s: %w", image.Key, err)
	}
	return shared, nil
}

func (x *Exchange) share(ctx context.Context, image message.Image, store artifact.Store) (message.Image, error) {
	unlock, err := x.index.Lock(ctx, "share-"+trimID(image.ID))
	if err != nil {
		return message.Image{}, err
	}
	defer unlock()
	var known message.Image
	if x.index.Load("shared", trimID(image.ID), &known) && known.Manifest != nil {
		there, err := hasAll(ctx, store, append(known.Blobs, *known.Manifest))
		if err != nil {
			return message.Image{}, err
		}
		if there {
			image.Manifest, image.Blobs = known.Manifest, known.Blobs
			return image, nil
		}
	}
	dir, err := x.storage.MakeTemp("share-")
	if err != nil {
		return message.Image{}, err
	}
	defer os.RemoveAll(dir)
	if err := x.storage.Push(ctx, image.ID, dir); err != nil {
		return message.Image{}, err
	}
	path := filepath.Join(dir, manifestName)
	data, err := os.ReadFile(path)
	if err != nil {
		return message.Image{}, fmt.Errorf("read image manifest: %w", err)
	}
	m, err := parseManifest(data)
	if err != nil {
		return message.Image{}, err
	}
	if image.Blobs, err = x.putParts(ctx, m, dir, image.ID, store); err != nil {
		return message.Image{}, err
	}
	ref, err := artifact.PutFile(ctx, store, path)
	if err != nil {
		return message.Image{}, err
	}
	image.Manifest = &ref
	return image, x.index.Save("shared", trimID(image.ID), image)
}

func hasAll(ctx context.Context, store artifact.Store, refs []message.Artifact) (bool, error) {
	for _, ref := range refs {
		if there, err := store.Has(ctx, ref.SHA256); !there || err != nil {
			return false, err
		}
	}
	return true, nil
}

// putParts stores configuration and layers of an image that podman has written to dir.
func (x *Exchange) putParts(ctx context.Context, m *manifest, dir, id string, store artifact.Store) ([]message.Artifact, error) {
	config := filepath.Join(dir, m.Config.hex())
	if err := os.Rename(config, config+configExt); err != nil {
		return nil, fmt.Errorf("read image configuration: %w", err)
	}
	ref, err := artifact.PutFile(ctx, store, config+configExt)
	if err != nil {
		return nil, err
	}
	blobs := []message.Artifact{ref}
	for _, layer := range m.Layers {
		if ref, err = x.putLayer(ctx, layer, dir, store); err != nil {
			return nil, err
		}
		if err := x.index.Save("layers", layer.hex(), localLayer{Image: id}); err != nil {
			return nil, err
		}
		blobs = append(blobs, ref)
	}
	return blobs, nil
}

// A localLayer says in which image of this host a layer is.
type localLayer struct {
	Image string `json:"image"`
}

// putLayer stores one layer, compressed, unless the store has it.
func (x *Exchange) putLayer(ctx context.Context, layer descriptor, dir string, store artifact.Store) (message.Artifact, error) {
	var known message.Artifact
	if x.index.Load("blobs", layer.hex(), &known) {
		if there, err := store.Has(ctx, known.SHA256); there || err != nil {
			return known, err
		}
	}
	path := filepath.Join(dir, layer.hex())
	if err := compress(ctx, path, path+layerExt); err != nil {
		return message.Artifact{}, fmt.Errorf("compress layer: %w", err)
	}
	ref, err := artifact.PutFile(ctx, store, path+layerExt)
	if err != nil {
		return message.Artifact{}, err
	}
	return ref, x.index.Save("blobs", layer.hex(), ref)
}

func compress(ctx context.Context, from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	zip, err := zstd.NewWriter(out)
	if err != nil {
		return err
	}
	if _, err := io.Copy(zip, artifact.WithContext(ctx, in)); err != nil {
		zip.Close()
		return err
	}
	if err := zip.Close(); err != nil {
		return err
	}
	return out.Close()
}
