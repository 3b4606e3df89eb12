package oci

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
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

// trimID is the id or digest without its algorithm.
func trimID(id string) string { return strings.TrimPrefix(id, "sha256:") }
