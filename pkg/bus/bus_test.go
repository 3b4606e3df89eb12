package bus_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"foundry/pkg/bus"
)

func TestRetryDelayGrowsAndIsBounded(t *testing.T) {
	want := map[int]time.Duration{-1: 5 * time.Second, 1: 5 * time.Second, 2: 15 * time.Second, 3: 45 * time.Second, 4: 135 * time.Second}
	for n, d := range want {
		if got := bus.RetryDelay(n); got != d {
			t.Errorf("RetryDelay(%d) = %s, want %s", n, got, d)
		}
	}
	if got := bus.RetryDelay(1 << 40); got > 15*time.Minute {
		t.Errorf("delay of %s", got)
	}
}

func TestRetryErrorHoldsItsCause(t *testing.T) {
	cause := errors.New("no space left")
	err := fmt.Errorf("store: %w", &bus.RetryError{After: time.Minute, Err: cause})
	if !errors.Is(err, cause) || err.Error() != "store: no space left" {
		t.Errorf("got %v", err)
	}
}
