package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// imageID reads an image id from the last line of podman's output.
func imageID(out []byte) (string, error) {
	lines := strings.Fields(string(out))
	if len(lines) == 0 {
		return "", errors.New("podman told no image id")
	}
	id := TrimID(lines[len(lines)-1])
	if len(id) != 64 {
		return "", fmt.Errorf("podman told %q instead of an image id", id)
	}
	return "sha256:" + id, nil
}

// HasImage tells, without starting podman, whether an image is in the storage.
func (p *Podman) HasImage(id string) bool {
	for _, driver := range []string{"overlay", "vfs"} {
		if _, err := os.Stat(filepath.Join(p.storage, "storage", driver+"-images", TrimID(id), "manifest")); err == nil && id != "" {
			return true
		}
	}
	return false
}

// Push writes an image to the folder dir the way podman's "dir:" transport has it.
func (p *Podman) Push(ctx context.Context, id, dir string) error {
	_, err := p.Call(ctx, "push", "--quiet", "--format=oci", TrimID(id), "dir:"+dir)
	return err
}

// Pull reads an image from such a folder, in which layers that the storage has may be missing, gives
// it the name, and returns its id.
func (p *Podman) Pull(ctx context.Context, dir, name string) (id string, err error) {
	out, err := p.Call(ctx, "pull", "--quiet", "dir:"+dir)
	if err != nil {
		return "", err
	}
	if id, err = imageID(out); err != nil {
		return "", err
	}
	_, err = p.Call(ctx, "tag", TrimID(id), name)
	return id, err
}

// An Image is one that is in the storage.
type Image struct {
	ID     string // "sha256:…"
	Made   time.Time
	Layers []string // digests, the lowest first
	Size   int64    // bytes of all its layers
	Own    int64    // bytes of those that no image below it has
	Above  int      // how many images have layers on top of this one's
}

// Images lists what is in the storage, those with the fewest layers first.
func (p *Podman) Images(ctx context.Context) ([]Image, error) {
	out, err := p.Call(ctx, "images", "--all", "--quiet", "--no-trunc")
	if err != nil {
		return nil, err
	}
	ids := strings.Fields(string(out))
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) == 0 {
		return nil, nil
	}
	if out, err = p.Call(ctx, append([]string{"image", "inspect"}, ids...)...); err != nil {
		return nil, err
	}
	var told []struct {
		ID      string `json:"Id"`
		Created time.Time
		Size    int64
		RootFS  struct{ Layers []string }
	}
	if err := json.Unmarshal(out, &told); err != nil {
		return nil, fmt.Errorf("read podman's list of images: %w", err)
	}
	images := make([]Image, len(told))
	for n, t := range told {
		images[n] = Image{ID: "sha256:" + TrimID(t.ID), Made: t.Created, Layers: t.RootFS.Layers, Size: t.Size, Own: t.Size}
	}
	slices.SortFunc(images, func(a, b Image) int { return len(a.Layers) - len(b.Layers) })
	weigh(images)
	return images, nil
}

// Below tells whether all layers of i are the lower ones of another image.
func (i *Image) Below(other *Image) bool {
	return i.ID != other.ID && len(i.Layers) <= len(other.Layers) && slices.Equal(i.Layers, other.Layers[:len(i.Layers)])
}

// weigh tells which bytes belong to which image.
func weigh(images []Image) {
	for n := range images {
		upper := &images[n]
		for m := n - 1; m >= 0; m-- {
			lower := &images[m]
			if lower.Below(upper) {
				upper.Own = max(0, min(upper.Own, upper.Size-lower.Size))
				lower.Above++
			}
		}
	}
}

// RemoveImage removes an image that nothing uses.
func (p *Podman) RemoveImage(ctx context.Context, id string) error {
	_, err := p.Call(ctx, "rmi", "--no-prune", TrimID(id))
	return err
}

// imageArchitecture is the name that container images have for a Debian architecture.
func imageArchitecture(debian string) string {
	switch debian {
	case "i386":
		return "386"
	case "armhf", "armel":
		return "arm"
	case "ppc64el":
		return "ppc64le"
	case "mips64el":
		return "mips64le"
	case "loong64":
		return "loong64"
	}
	return debian
}
