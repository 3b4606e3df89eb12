package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"foundry/scripts/internal/rig"
)

// hop is the time of a signed message from its publisher until it is acknowledged.
type hop struct {
	p50, p99 time.Duration
}

// hop runs the benchmark of the bus, on a server that writes every message to disk.
func (b *bench) hop(ctx context.Context, r *results) error {
	b.say("hop of a signed message")
	out, err := b.rig.Output(ctx, rig.Command{Name: "go", Args: []string{"test", "-run=^$", "-bench=Hop", "-benchtime=2000x", "./pkg/bus/jetstream"}})
	if err != nil {
		return err
	}
	r.hop, err = parseHop(out)
	return err
}

// parseHop finds the percentiles among the metrics of go test: "0.312 p50-ms".
func parseHop(out string) (h hop, err error) {
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "Benchmark") {
			continue
		}
		fields := strings.Fields(line)
		for i := 1; i < len(fields); i++ {
			name, unit, ok := strings.Cut(fields[i], "-")
			if !ok || name != "p50" && name != "p99" {
				continue
			}
			d, err := metric(fields[i-1], unit)
			if err != nil {
				return hop{}, fmt.Errorf("read benchmark %q: %w", strings.TrimSpace(line), err)
			}
			if name == "p50" {
				h.p50 = d
			} else {
				h.p99 = d
			}
		}
	}
	if h.p50 == 0 || h.p99 == 0 {
		return hop{}, fmt.Errorf("read benchmark: no p50 and p99 in %q", out)
	}
	return h, nil
}

func metric(value, unit string) (time.Duration, error) {
	number, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return 0, err
	}
	switch strings.TrimSuffix(unit, "/op") {
	case "ns":
		return time.Duration(number), nil
	case "us", "µs":
		return time.Duration(number * 1e3), nil
	case "ms":
		return time.Duration(number * 1e6), nil
	}
	return 0, fmt.Errorf("unknown unit %q", unit)
}
