package environmenttest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foundry/pkg/environment"
	"foundry/pkg/message"
)

// installed asks an environment for a package's state.
func (h Harness) installed(t *testing.T, image message.Image, name string) bool {
	t.Helper()
	out, _ := h.sh(t, image, "dpkg-query -W -f '${db:Status-Status}' "+name+" 2>/dev/null || true")
	return out == "installed"
}

func testProvisioner(t *testing.T, h Harness) {
	t.Run("Install", func(t *testing.T) {
		image := h.provision(t, h.request("dh-exec, patchutils (>= 0.1)"))
		if !h.installed(t, image, "patchutils") || !h.installed(t, image, "dh-exec") || !h.installed(t, image, "build-essential") {
			t.Error("build dependencies are not installed")
		}
		if len(image.Key) != 64 || len(image.Base) != 64 || image.ID == "" {
			t.Errorf("image %+v", image)
		}
		named := false
		for _, p := range image.Packages {
			named = named || strings.HasPrefix(p, "patchutils=")
		}
		if !named {
			t.Errorf("packages %v do not name patchutils", image.Packages)
		}
	})
	t.Run("Reuse", func(t *testing.T) {
		first := h.provision(t, h.request("patchutils, dh-exec"))
		begun := time.Now()
		if again := h.provision(t, h.request("patchutils, dh-exec")); !cmp.Equal(first, again) {
			t.Errorf("the same request: %v", cmp.Diff(first, again))
		}
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("an answer that is known took %s", took)
		}
		// Spelled in another way, but with the same packages.
		if other := h.provision(t, h.request("dh-exec (>= 0.1), patchutils")); other.ID != first.ID {
			t.Errorf("image %s with the same packages as %s", other.ID, first.ID)
		}
	})
	t.Run("Nothing", func(t *testing.T) {
		if image := h.provision(t, h.request("")); len(image.Packages) > 0 {
			t.Errorf("packages %v for no dependency", image.Packages)
		}
	})
	t.Run("Alternatives", func(t *testing.T) {
		image := h.provision(t, h.request("foundry-none | patchutils | dwdiff"))
		if !h.installed(t, image, "patchutils") || h.installed(t, image, "dwdiff") {
			t.Error("not the first alternative that can be installed")
		}
	})
	t.Run("Conflicts", func(t *testing.T) {
		r := h.request("dwdiff | patchutils")
		r.Conflicts = "dwdiff"
		image := h.provision(t, r)
		if h.installed(t, image, "dwdiff") || !h.installed(t, image, "patchutils") {
			t.Error("the conflict does not count")
		}
	})
	t.Run("Clean", func(t *testing.T) { testClean(t, h) })
	t.Run("Unsatisfiable", func(t *testing.T) { testUnsatisfiable(t, h) })
	t.Run("Trouble", func(t *testing.T) { testTrouble(t, h) })
	t.Run("Together", func(t *testing.T) {
		var wait sync.WaitGroup
		images := make([]message.Image, 3)
		for n := range images {
			wait.Go(func() { images[n] = h.provision(t, h.request("wdiff, patchutils")) })
		}
		wait.Wait()
		if images[0].ID != images[1].ID || images[0].ID != images[2].ID {
			t.Errorf("one request, images %s %s %s", images[0].ID, images[1].ID, images[2].ID)
		}
	})
}

// testClean looks for what apt, the host and the installation may leave in an image.
func testClean(t *testing.T, h Harness) {
	image := h.provision(t, h.request("patchutils"))
	out, _ := h.sh(t, image, `ls -A /var/lib/apt/lists /var/cache/apt/archives /etc/apt/sources.list.d 2>/dev/null | grep -v -e '^lock$' -e '^partial$' -e : || true
		grep -rli proxy /etc/apt /etc/environment 2>/dev/null || true
		find / -xdev -name '*.deb' -o -xdev -name 'keyring-*' -o -xdev -name '*.dpkg-*' | head
		cat /etc/resolv.conf
		/usr/sbin/policy-rc.d || echo policy $?`)
	if strings.TrimSpace(out) != "policy 101" {
		t.Errorf("left in the image: %s", out)
	}
}

func testUnsatisfiable(t *testing.T, h Harness) {
	tests := []struct {
		name      string
		depends   string
		conflicts string
		want      []string
		absent    bool // and no more than that
	}{
		{"None", "foundry-none", "", []string{"foundry-none"}, true},
		{"Version", "patchutils (>= 1000:1)", "", []string{"patchutils (>= 1000:1)"}, true},
		{"Alternatives", "foundry-none (>= 2) | foundry-neither, patchutils", "", []string{"foundry-none (>= 2) | foundry-neither"}, true},
		{"Several", "foundry-b, patchutils, foundry-a", "", []string{"foundry-a", "foundry-b"}, true},
		{"Conflict", "patchutils", "patchutils", []string{"patchutils"}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := h.request(test.depends)
			r.Conflicts = test.conflicts
			var log buffer
			_, err := h.Adapter.Provision(t.Context(), r, &log)
			var missing *environment.UnsatisfiableError
			if !errors.As(err, &missing) {
				t.Fatalf("error %v, want *UnsatisfiableError\n%s", err, log.String())
			}
			if diff := cmp.Diff(test.want, missing.Missing); diff != "" {
				t.Errorf("missing (-want +got)\n%s%s", diff, missing.Detail)
			}
			if key, err := h.Adapter.Key(t.Context(), r); err != nil || missing.Key != key {
				t.Errorf("key %q of the request, %v; the error says %q", key, err, missing.Key)
			}
			slices.Sort(missing.Absent)
			if test.absent != slices.Equal(missing.Absent, test.want) || !test.absent && missing.Absent != nil {
				t.Errorf("absent %q", missing.Absent)
			}
			if missing.Detail == "" || log.String() == "" {
				t.Errorf("detail %q, log %q", missing.Detail, log.String())
			}
		})
	}
}

// testTrouble has requests that fail without the package being at fault.
func testTrouble(t *testing.T, h Harness) {
	change := func(f func(*environment.Request)) environment.Request {
		r := h.request("patchutils")
		f(&r)
		return r
	}
	list := func(s environment.SourceList) environment.Request {
		return change(func(r *environment.Request) { r.Sources = []environment.SourceList{s} })
	}
	tests := []struct {
		name    string
		request environment.Request
		want    error
	}{
		{"NoMirror", change(func(r *environment.Request) { r.Base.Mirror = "http://127.0.0.1:1/debian" }), nil},
		{"NoRelease", change(func(r *environment.Request) { r.Base.Release = "foundry" }), environment.ErrNoRelease},
		{"NoSuite", list(environment.SourceList{URI: h.Base.Mirror, Suite: "foundry", Components: []string{"main"}}), environment.ErrNoRelease},
		{"NoFolder", list(environment.SourceList{URI: "file:/nonexistent/repo", Suite: "x", Components: []string{"main"}}), environment.ErrNoRelease},
		{"NoKeyring", list(environment.SourceList{URI: h.Base.Mirror, Suite: "sid", Components: []string{"main"}, Keyring: "/nonexistent"}), nil},
		{"NoComponents", list(environment.SourceList{URI: h.Base.Mirror, Suite: "sid"}), nil},
		{"OptionInSource", list(environment.SourceList{URI: h.Base.Mirror, Suite: "sid [trusted=yes]", Components: []string{"main"}}), nil},
		{"OtherScheme", list(environment.SourceList{URI: "copy:/srv", Suite: "sid", Components: []string{"main"}}), nil},
		{"Relative", list(environment.SourceList{URI: "file:srv", Suite: "sid", Components: []string{"main"}}), nil},
		{"BadRelease", change(func(r *environment.Request) { r.Base.Release = "--help" }), nil},
		{"BadArchitecture", change(func(r *environment.Request) { r.Architecture = "../x" }), nil},
		{"BadProfile", change(func(r *environment.Request) { r.Profiles = []string{`x"; }; DPkg::Pre-Invoke { "touch /tmp/x`} }), nil},
		{"ExtraField", change(func(r *environment.Request) { r.Depends = "patchutils\n\nPackage: x" }), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := h.Adapter.Provision(t.Context(), test.request, nil)
			var missing *environment.UnsatisfiableError
			if err == nil || errors.As(err, &missing) || (test.want != nil && !errors.Is(err, test.want)) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
	t.Run("Cancelled", func(t *testing.T) {
		ctx, cancel := cancelled(t)
		cancel()
		if _, err := h.Adapter.Provision(ctx, h.request("gettext"), nil); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want context.Canceled", err)
		}
	})
}
