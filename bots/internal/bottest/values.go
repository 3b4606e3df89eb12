package bottest

import (
	"context"
	"slices"
	"sync"

	"foundry/pkg/bus"
)

// Values is a bus.Values in memory, for tests of a bot's work without a bus. The zero Values is empty.
type Values struct {
	mu     sync.Mutex
	values map[string][]byte
	count  map[string]uint64 // revision
}

var _ bus.Values = (*Values)(nil)

// Get returns a value and its revision.
func (v *Values) Get(_ context.Context, key string) ([]byte, uint64, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.count[key] == 0 {
		return nil, 0, bus.ErrNotFound
	}
	return slices.Clone(v.values[key]), v.count[key], nil
}

// Put writes a value that still is at the given revision.
func (v *Values) Put(_ context.Context, key string, value []byte, revision uint64) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.count[key] != revision {
		return bus.ErrConflict
	}
	if v.values == nil {
		v.values, v.count = map[string][]byte{}, map[string]uint64{}
	}
	v.values[key], v.count[key] = slices.Clone(value), revision+1
	return nil
}
