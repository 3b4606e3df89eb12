// Package environmenttest is the contract suite of the ports in package environment. An adapter
// calls Run from a test; it takes a few minutes the first time, when base systems are made, and
// needs the network.
package environmenttest

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"foundry/pkg/artifact"
	"foundry/pkg/environment"
	"foundry/pkg/message"
)

// An Adapter is what is tested.
type Adapter interface {
	environment.Provisioner
	environment.Runtime
}

// A Harness says how to test.
type Harness struct {
	Adapter Adapter
	Other   func(t *testing.T) Adapter        // one that has no images, as on another host
	Store   func(t *testing.T) artifact.Store // an empty artifact store
	Base    environment.Base                  // Debian 12 or later
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	plain := h.provision(t, h.request(""))
	t.Run("Runtime", func(t *testing.T) { testRuntime(t, h, plain) })
	t.Run("Ending", func(t *testing.T) { testEnding(t, h, plain) })
	t.Run("Refused", func(t *testing.T) { testRefused(t, h, plain) })
	t.Run("Provisioner", func(t *testing.T) { testProvisioner(t, h) })
	t.Run("Repositories", func(t *testing.T) { testRepositories(t, h) })
	t.Run("Sharing", func(t *testing.T) { testSharing(t, h) })
}

// request is one for the given build dependencies.
func (h Harness) request(depends string) environment.Request {
	return environment.Request{Base: h.Base, Architecture: environment.HostArchitecture(), Depends: depends}
}

func (h Harness) provision(t *testing.T, r environment.Request) message.Image {
	t.Helper()
	var log buffer
	image, err := h.Adapter.Provision(t.Context(), r, &log)
	if err != nil {
		t.Fatalf("Provision(%q): %v\n%s", r.Depends, err, log.String())
	}
	return image
}

// sh runs a script and returns its output.
func (h Harness) sh(t *testing.T, image message.Image, script string) (output string, status int) {
	t.Helper()
	return h.run(t, environment.Run{Image: image, Script: script})
}

func (h Harness) run(t *testing.T, r environment.Run) (output string, status int) {
	t.Helper()
	var log buffer
	if r.Name == "" {
		r.Name = "contract"
	}
	if r.Log == nil {
		r.Log = &log
	}
	if r.Limits.Time == 0 {
		r.Limits.Time = 2 * time.Minute
	}
	status, err := h.Adapter.Run(t.Context(), r)
	if err != nil {
		t.Fatalf("Run: %v\n%s", err, log.String())
	}
	return log.String(), status
}

// buffer is a log that can be read while it is written.
type buffer struct {
	mu   sync.Mutex
	data bytes.Buffer
	wait map[string]chan struct{}
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.data.Write(p)
	for text, seen := range b.wait {
		if strings.Contains(b.data.String(), text) {
			close(seen)
			delete(b.wait, text)
		}
	}
	return len(p), nil
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.String()
}

// Seen is closed once text has been written.
func (b *buffer) seen(text string) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := make(chan struct{})
	if strings.Contains(b.data.String(), text) {
		close(seen)
		return seen
	}
	if b.wait == nil {
		b.wait = make(map[string]chan struct{})
	}
	b.wait[text] = seen
	return seen
}

// within fails the test when seen is not closed soon.
func within(t *testing.T, seen <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-seen:
	case <-time.After(time.Minute):
		t.Fatalf("%s: not within a minute", what)
	}
}

func cancelled(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(t.Context())
}
