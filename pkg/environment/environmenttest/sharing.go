package environmenttest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/artifact"
	"foundry/pkg/environment"
)

func testSharing(t *testing.T, h Harness) {
	if testing.Short() {
		t.Skip("takes long")
	}
	image := h.provision(t, h.request("patchutils"))
	store := h.Store(t)
	shared, err := h.Adapter.Share(t.Context(), image, store)
	if err != nil {
		t.Fatalf("Share: %v", err)
	}
	if shared.Manifest == nil || len(shared.Blobs) == 0 || shared.ID != image.ID {
		t.Fatalf("shared %+v", shared)
	}
	t.Run("Again", func(t *testing.T) {
		again, err := h.Adapter.Share(t.Context(), image, store)
		if err != nil || !cmp.Equal(shared, again) {
			t.Errorf("%v: %v", err, cmp.Diff(shared, again))
		}
	})
	t.Run("Here", func(t *testing.T) {
		if err := h.Adapter.Fetch(t.Context(), image, h.Store(t)); err != nil {
			t.Errorf("Fetch of an image that is here: %v", err)
		}
	})
	other := h.Other(t)
	t.Run("NotShared", func(t *testing.T) {
		if err := other.Fetch(t.Context(), image, store); !errors.Is(err, environment.ErrNoImage) {
			t.Errorf("error %v, want ErrNoImage", err)
		}
	})
	t.Run("Lost", func(t *testing.T) {
		if err := other.Fetch(t.Context(), shared, h.Store(t)); !errors.Is(err, environment.ErrNoImage) {
			t.Errorf("error %v, want ErrNoImage", err)
		}
	})
	t.Run("OtherImage", func(t *testing.T) {
		forged := shared
		forged.ID = "sha256:" + image.Key
		if err := other.Fetch(t.Context(), forged, store); err == nil {
			t.Error("an image under the id of another is taken")
		}
	})
	t.Run("SwappedLayers", func(t *testing.T) {
		forged := shared
		forged.Blobs = append([]artifact.Reference(nil), shared.Blobs...)
		last := len(forged.Blobs) - 1
		if last < 2 {
			t.Fatalf("blobs %v", forged.Blobs)
		}
		forged.Blobs[last-1].Name, forged.Blobs[last].Name = forged.Blobs[last].Name, forged.Blobs[last-1].Name
		if err := other.Fetch(t.Context(), forged, store); err == nil {
			t.Error("layers with other contents are taken")
		}
	})
	t.Run("Elsewhere", func(t *testing.T) {
		if err := other.Fetch(t.Context(), shared, store); err != nil {
			t.Fatalf("Fetch: %v", err)
		}
		there := h
		there.Adapter = other
		if !there.installed(t, shared, "patchutils") {
			t.Error("the image that was fetched lacks a package")
		}
		out, _ := there.sh(t, shared, "stat -c '%U %a' /etc/shadow /usr/bin/passwd; id -un build")
		want, _ := h.sh(t, image, "stat -c '%U %a' /etc/shadow /usr/bin/passwd; id -un build")
		if out != want {
			t.Errorf("owners and modes %q, want %q", out, want)
		}
		if err := other.Fetch(t.Context(), shared, h.Store(t)); err != nil {
			t.Errorf("second Fetch: %v", err)
		}
	})
}
