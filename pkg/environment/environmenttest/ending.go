package environmenttest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foundry/pkg/environment"
	"foundry/pkg/message"
)

// stubborn is a script whose processes do not end when they are asked to. It says "ready".
const stubborn = `trap '' TERM INT HUP
` + asBuild + `sh -c 'trap "" TERM INT HUP; (while :; do sleep 1000; done) & echo ready; while :; do sleep 1000; done'`

// soon is how long the end of an instance may take.
const soon = 20 * time.Second

func testEnding(t *testing.T, h Harness, image message.Image) {
	t.Run("Timeout", func(t *testing.T) {
		var log buffer
		begun := time.Now()
		_, err := h.Adapter.Run(t.Context(), environment.Run{
			Name: "late", Image: image, Script: stubborn, Log: &log, Limits: environment.Limits{Time: 3 * time.Second},
		})
		if !errors.Is(err, environment.ErrTimeout) {
			t.Errorf("error %v, want ErrTimeout", err)
		}
		if took := time.Since(begun); took > 3*time.Second+soon {
			t.Errorf("ended after %s", took)
		}
		if log.String() != "ready\n" {
			t.Errorf("log %q", log.String())
		}
	})
	t.Run("Cancel", func(t *testing.T) {
		// The second has the name of the first, as a job that is tried again does.
		for range 2 {
			ctx, cancel := cancelled(t)
			var log buffer
			ready := log.seen("ready\n")
			ended := make(chan error, 1)
			go func() {
				_, err := h.Adapter.Run(ctx, environment.Run{Name: "again", Image: image, Script: stubborn, Log: &log})
				ended <- err
			}()
			within(t, ready, "script runs")
			cancel()
			begun := time.Now()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want context.Canceled", err)
			}
			if took := time.Since(begun); took > soon {
				t.Errorf("ended after %s", took)
			}
		}
	})
	t.Run("CancelledBefore", func(t *testing.T) {
		ctx, cancel := cancelled(t)
		cancel()
		_, err := h.Adapter.Run(ctx, environment.Run{Name: "never", Image: image, Script: "sleep 1000"})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want context.Canceled", err)
		}
	})
	t.Run("LeftBehind", func(t *testing.T) {
		out := t.TempDir()
		_, status := h.run(t, environment.Run{Image: image, Outputs: out, Script: `
			(trap '' TERM INT HUP; while :; do date +%N >/out/alive; done) &
			` + asBuild + `sh -c '(trap "" TERM INT HUP; sleep 1000) &'
			exit 4`})
		if status != 4 {
			t.Errorf("status %d, want 4", status)
		}
		path := filepath.Join(out, "alive")
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		h.sh(t, image, "true") // takes longer than the loop, if that still ran
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a process has outlived its instance: %v", err)
		}
	})
	t.Run("LogRefused", func(t *testing.T) {
		full := errors.New("disk is full")
		_, err := h.Adapter.Run(t.Context(), environment.Run{
			Name: "endless", Image: image, Script: "yes", Limits: environment.Limits{Time: time.Minute},
			Log: writer(func([]byte) (int, error) { return 0, full }),
		})
		if !errors.Is(err, full) {
			t.Errorf("error %v, want that of the log", err)
		}
	})
	t.Run("Sweep", func(t *testing.T) {
		ctx, cancel := cancelled(t)
		defer cancel()
		var log buffer
		ready := log.seen("ready\n")
		ended := make(chan error, 1)
		go func() {
			_, err := h.Adapter.Run(ctx, environment.Run{Name: "kept", Image: image, Script: "echo ready; sleep 5; echo still here", Log: &log})
			ended <- err
		}()
		within(t, ready, "script runs")
		if err := h.Adapter.Sweep(t.Context()); err != nil {
			t.Errorf("Sweep: %v", err)
		}
		if err := <-ended; err != nil || !strings.Contains(log.String(), "still here") {
			t.Errorf("sweeping has ended an instance of a living process: %v", err)
		}
	})
}

func testRefused(t *testing.T, h Harness, image message.Image) {
	unknown := image
	unknown.ID = "sha256:" + strings.Repeat("0", 64)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		run  environment.Run
		want error
	}{
		{"UnknownImage", environment.Run{Name: "a", Image: unknown, Script: "true"}, environment.ErrNoImage},
		{"NoImage", environment.Run{Name: "a", Script: "true"}, environment.ErrNoImage},
		{"NoName", environment.Run{Image: image, Script: "true"}, nil},
		{"BadName", environment.Run{Name: "a b", Image: image, Script: "true"}, nil},
		{"OptionName", environment.Run{Name: "a=b", Image: image, Script: "true"}, nil},
		{"BadVariable", environment.Run{Name: "a", Image: image, Script: "true", Env: []string{"--help"}}, nil},
		{"LongScript", environment.Run{Name: "a", Image: image, Script: strings.Repeat("#", 1<<20)}, nil},
		{"ZeroByte", environment.Run{Name: "a", Image: image, Script: "true\x00"}, nil},
		{"NoFolder", environment.Run{Name: "a", Image: image, Script: "true", Inputs: file + "/none"}, nil},
		{"FileForFolder", environment.Run{Name: "a", Image: image, Script: "true", Inputs: file}, nil},
		{"OddFolder", environment.Run{Name: "a", Image: image, Script: "true", Inputs: oddFolder(t)}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := h.Adapter.Run(t.Context(), test.run)
			if err == nil || (test.want != nil && !errors.Is(err, test.want)) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}

func oddFolder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a,readonly=false")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
