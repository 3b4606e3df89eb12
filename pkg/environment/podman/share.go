package podman

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/klauspost/compress/zstd"

	"foundry/pkg/artifact"
	"foundry/pkg/message"
)

// The media types of an image whose layers are not compressed (OCI image specification).
const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar"
)

// The names that the parts of an image have in the artifact store: what manifest and configuration
// call them by digest, layers compressed.
const (
	manifestName = "manifest.json"
	configExt    = ".json"
	layerExt     = ".tar.zst"
)

// A manifest is an OCI image manifest.
type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

// A descriptor refers to a part of an image.
type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"` // "sha256:…"
	Size      int64  `json:"size"`
}

var digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// The limits of an image.
const (
	maxManifest = 1 << 20  // bytes
	maxLayers   = 200      //
	maxLayer    = 64 << 30 // bytes, not compressed
)

// parseManifest reads and checks a manifest. It has nothing that is not used here.
func parseManifest(data []byte) (*manifest, error) {
	m := new(manifest)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("read image manifest: %w", err)
	}
	switch {
	case m.SchemaVersion != 2 || m.MediaType != manifestType || m.Config.MediaType != configType:
		return nil, fmt.Errorf("read image manifest: %.80q is not the type of an image", m.MediaType)
	case len(m.Layers) == 0 || len(m.Layers) > maxLayers:
		return nil, fmt.Errorf("read image manifest: %d layers", len(m.Layers))
	}
	for _, d := range append([]descriptor{m.Config}, m.Layers...) {
		if !digestPattern.MatchString(d.Digest) || d.Size <= 0 || d.Size > maxLayer {
			return nil, fmt.Errorf("read image manifest: bad part %.80q of %d bytes", d.Digest, d.Size)
		}
	}
	for _, d := range m.Layers {
		if d.MediaType != layerType {
			return nil, fmt.Errorf("read image manifest: layer of type %.80q", d.MediaType)
		}
	}
	return m, nil
}

// hex is the digest without its algorithm.
func (d descriptor) hex() string { return trimID(d.Digest) }

// Share implements environment.Provisioner. Layers are compressed and stored once, whichever
// images have them.
func (e *Engine) Share(ctx context.Context, image message.Image, store artifact.Store) (message.Image, error) {
	shared, err := e.share(ctx, image, store)
	if err != nil {
		return message.Image{}, fmt.Errorf("share environment %s: %w", image.Key, err)
	}
	return shared, nil
}

func (e *Engine) share(ctx context.Context, image message.Image, store artifact.Store) (message.Image, error) {
	unlock, err := e.lock(ctx, "share-"+trimID(image.ID))
	if err != nil {
		return message.Image{}, err
	}
	defer unlock()
	var known message.Image
	if e.load("shared", trimID(image.ID), &known) && known.Manifest != nil {
		there, err := hasAll(ctx, store, append(known.Blobs, *known.Manifest))
		if err != nil {
			return message.Image{}, err
		}
		if there {
			image.Manifest, image.Blobs = known.Manifest, known.Blobs
			return image, nil
		}
	}
	dir, err := os.MkdirTemp(filepath.Join(e.storage, "tmp"), "share-")
	if err != nil {
		return message.Image{}, fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir)
	if _, err := e.podman(ctx, "push", "--quiet", "--format=oci", trimID(image.ID), "dir:"+dir); err != nil {
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
	if image.Blobs, err = e.putParts(ctx, m, dir, image.ID, store); err != nil {
		return message.Image{}, err
	}
	ref, err := artifact.PutFile(ctx, store, path)
	if err != nil {
		return message.Image{}, err
	}
	image.Manifest = &ref
	return image, e.save("shared", trimID(image.ID), image)
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
func (e *Engine) putParts(ctx context.Context, m *manifest, dir, id string, store artifact.Store) ([]message.Artifact, error) {
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
		if ref, err = e.putLayer(ctx, layer, dir, store); err != nil {
			return nil, err
		}
		if err := e.save("layers", layer.hex(), localLayer{Image: id}); err != nil {
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
func (e *Engine) putLayer(ctx context.Context, layer descriptor, dir string, store artifact.Store) (message.Artifact, error) {
	var known message.Artifact
	if e.load("blobs", layer.hex(), &known) {
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
	return ref, e.save("blobs", layer.hex(), ref)
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
