package podman

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"foundry/pkg/environment"
)

// BenchmarkProvision is a request whose answer is known: with the real mirror, and with one on
// this host.
func BenchmarkProvision(b *testing.B) {
	e, err := Open(b.Context(), testCache(b))
	if err != nil {
		b.Fatal(err)
	}
	release := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write([]byte("Suite: x\n"))
	})
	local := httptest.NewServer(release)
	defer local.Close()
	request := environment.Request{Base: testBase, Architecture: environment.HostArchitecture()}
	image, err := e.Provision(b.Context(), request, nil)
	if err != nil {
		b.Fatal(err)
	}
	near := request
	near.Base.Mirror = local.URL
	p, err := e.plan(b.Context(), near)
	if err != nil {
		b.Fatal(err)
	}
	if err := e.index.Save(answers, p.key, image); err != nil {
		b.Fatal(err)
	}
	for name, r := range map[string]environment.Request{"Mirror": request, "Local": near} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := e.Provision(b.Context(), r, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRun is an instance that does nothing.
func BenchmarkRun(b *testing.B) {
	e, err := Open(b.Context(), testCache(b))
	if err != nil {
		b.Fatal(err)
	}
	image, err := e.Provision(b.Context(), environment.Request{Base: testBase, Architecture: environment.HostArchitecture()}, nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if status, err := e.Run(b.Context(), environment.Run{Name: "bench", Image: image, Script: "true"}); status != 0 || err != nil {
			b.Fatal(status, err)
		}
	}
}
