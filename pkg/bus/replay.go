package bus

import (
	"sync"
	"time"

	"foundry/pkg/message"
)

// replays remembers the control messages that were opened. Those are not kept by the bus, which
// for all others sees to it that an id is there once; and to be told twice to stop means more
// than to be told once.
type replays struct {
	mu   sync.Mutex
	seen map[message.ID]time.Time
}

// first tells whether id is heard for the first time. It is remembered for as long as its age
// would allow it to be acted on.
func (r *replays) first(id message.ID, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for old, heard := range r.seen {
		if now.Sub(heard) > controlAge+clockSkew {
			delete(r.seen, old)
		}
	}
	if _, again := r.seen[id]; again {
		return false
	}
	if r.seen == nil {
		r.seen = make(map[message.ID]time.Time)
	}
	r.seen[id] = now
	return true
}
