package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// memory is what the first build of a source package has left of the files that may not change.
type memory struct {
	Source  message.Digest            `json:"source"`  // of the .dsc
	Wishes  []string                  `json:"wishes"`  // for another choice of files nothing can be told
	Outputs map[string]message.Digest `json:"outputs"` // by path
}

// unchanged tells whether the files that may not change are what an earlier build of this source
// package in this architecture has left, and remembers them where there was none.
func (w *work) unchanged(ctx context.Context, kept []message.Output) error {
	now := memory{Source: w.p.Files[0].SHA256, Wishes: w.p.Outputs, Outputs: map[string]message.Digest{}}
	for _, o := range kept {
		if !o.MayChange {
			now.Outputs[o.Path] = o.File.SHA256
		}
	}
	if len(now.Outputs) == 0 {
		return nil
	}
	key := strings.Join([]string{"outputs", w.p.Codename, w.Arch, w.p.Source, w.p.Version}, "/")
	for {
		value, revision, err := w.job.Values.Get(ctx, key)
		if err != nil && !errors.Is(err, bus.ErrNotFound) {
			return fmt.Errorf("look up earlier outputs: %w", err)
		}
		var before memory
		if err == nil && json.Unmarshal(value, &before) == nil && before.Source == now.Source && slices.Equal(before.Wishes, now.Wishes) {
			return before.compare(now)
		}
		value, err = json.Marshal(now)
		if err != nil {
			return fmt.Errorf("remember outputs: %w", err)
		}
		err = w.job.Values.Put(ctx, key, value, revision)
		if !errors.Is(err, bus.ErrConflict) { // else another build of the same was faster
			return err
		}
	}
}

// compare names a file that is not the same in both.
func (m memory) compare(now memory) error {
	for _, path := range slices.Sorted(maps.Keys(m.Outputs)) {
		switch digest, found := now.Outputs[path]; {
		case !found:
			return bad("outputs: %q is not there, though an earlier build of this version left it", path)
		case digest != m.Outputs[path]:
			return bad("outputs: %q is not the same as an earlier build of this version left", path)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(now.Outputs)) {
		if _, found := m.Outputs[path]; !found {
			return bad("outputs: %q is new, an earlier build of this version did not leave it", path)
		}
	}
	return nil
}
