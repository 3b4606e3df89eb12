package oci

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"foundry/pkg/artifact"
	"foundry/pkg/environment"
	"foundry/pkg/environment/podman/index"
	"foundry/pkg/message"
)

// Fetch is that of environment.Runtime. Layers that this host has in another image are not
// fetched.
func (x *Exchange) Fetch(ctx context.Context, image message.Image, store artifact.Store) error {
	if x.storage.HasImage(image.ID) {
		return nil
	}
	if image.Manifest == nil {
		return fmt.Errorf("find environment %s: %w", image.Key, environment.ErrNoImage)
	}
	unlock, err := x.index.Lock(ctx, "fetch-"+index.Digest(image.ID))
	if err != nil {
		return err
	}
	defer unlock()
	if x.storage.HasImage(image.ID) {
		return nil
	}
	err = x.fetch(ctx, image, store)
	if errors.Is(err, artifact.ErrNotFound) {
		return fmt.Errorf("fetch environment %s: %w: %w", image.Key, environment.ErrNoImage, err)
	}
	if err != nil {
		return fmt.Errorf("fetch environment %s: %w", image.Key, err)
	}
	return nil
}

func (x *Exchange) fetch(ctx context.Context, image message.Image, store artifact.Store) error {
	dir, err := x.storage.MakeTemp("fetch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	m, err := fetchManifest(ctx, image, store, dir)
	if err != nil {
		return err
	}
	for _, layer := range m.Layers {
		var local localLayer
		if x.index.Load("layers", layer.hex(), &local) && x.storage.HasImage(local.Image) {
			continue
		}
		if err := fetchLayer(ctx, image, layer, store, dir); err != nil {
			return err
		}
	}
	id, err := x.storage.Pull(ctx, dir, "localhost/foundry/env:"+trimID(image.ID))
	if err != nil {
		return err
	}
	if trimID(id) != trimID(image.ID) {
		return fmt.Errorf("image is %s instead of %s", id, image.ID)
	}
	for _, layer := range m.Layers {
		if err := x.index.Save("layers", layer.hex(), localLayer{Image: id}); err != nil {
			return err
		}
	}
	return nil
}

// fetchManifest writes manifest and configuration the way podman's "dir:" transport has them.
func fetchManifest(ctx context.Context, image message.Image, store artifact.Store, dir string) (*manifest, error) {
	if image.Manifest.Size > maxManifest {
		return nil, fmt.Errorf("image manifest of %d bytes is larger than %d", image.Manifest.Size, maxManifest)
	}
	ref := *image.Manifest
	ref.Name = manifestName
	path, err := artifact.FetchFile(ctx, store, ref, dir)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read image manifest: %w", err)
	}
	m, err := parseManifest(data)
	if err != nil {
		return nil, err
	}
	if m.Config.hex() != trimID(image.ID) {
		return nil, fmt.Errorf("image manifest is of %.80s, not of %s", m.Config.Digest, image.ID)
	}
	config, err := part(image, m.Config, configExt)
	if err != nil {
		return nil, err
	}
	if config.Size > maxManifest {
		return nil, fmt.Errorf("image configuration of %d bytes is larger than %d", config.Size, maxManifest)
	}
	config.Name = m.Config.hex()
	if _, err := artifact.FetchFile(ctx, store, config, dir); err != nil {
		return nil, err
	}
	return m, os.WriteFile(filepath.Join(dir, "version"), []byte("Directory Transport Version: 1.1\n"), 0o600)
}

// part finds a part of the image among its artifacts.
func part(image message.Image, d descriptor, ext string) (message.Artifact, error) {
	for _, blob := range image.Blobs {
		if blob.Name == d.hex()+ext {
			return blob, nil
		}
	}
	return message.Artifact{}, fmt.Errorf("find part %s of image: %w", d.hex(), artifact.ErrNotFound)
}

// fetchLayer writes one layer, not compressed, and checks it against the manifest.
func fetchLayer(ctx context.Context, image message.Image, layer descriptor, store artifact.Store, dir string) error {
	ref, err := part(image, layer, layerExt)
	if err != nil {
		return err
	}
	path, err := artifact.FetchFile(ctx, store, ref, dir)
	if err != nil {
		return err
	}
	defer os.Remove(path)
	in, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read layer: %w", err)
	}
	defer in.Close()
	plain, err := zstd.NewReader(artifact.WithContext(ctx, in), zstd.WithDecoderMaxMemory(256<<20))
	if err != nil {
		return fmt.Errorf("read layer: %w", err)
	}
	defer plain.Close()
	out, err := os.OpenFile(filepath.Join(dir, layer.hex()), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil // two layers of an image may be the same
	}
	if err != nil {
		return fmt.Errorf("write layer: %w", err)
	}
	defer out.Close()
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(out, sum), io.LimitReader(plain, layer.Size+1))
	if err != nil {
		return fmt.Errorf("unpack layer: %w", err)
	}
	if size != layer.Size || hex.EncodeToString(sum.Sum(nil)) != layer.hex() {
		return fmt.Errorf("layer %s: %w", layer.hex(), artifact.ErrCorrupt)
	}
	return out.Close()
}
