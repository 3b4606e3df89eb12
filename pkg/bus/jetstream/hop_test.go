package jetstream

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"foundry/pkg/bus"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

// BenchmarkHop measures what a message costs between two bots: sign, publish until it is on disk,
// receive, verify. The acknowledgment is in ns/op, since the one slot of the receiver is not free before
// the server has it, and overlaps the next signature in the percentiles.
func BenchmarkHop(b *testing.B) {
	server := newTestServer(b)
	sender, receiver := server.connect(b), server.connect(b)
	key, err := trust.Generate("bench")
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	if err := trust.Allow(dir, string(message.Commits), key); err != nil {
		b.Fatal(err)
	}
	topics, err := trust.OpenTopics(dir)
	if err != nil {
		b.Fatal(err)
	}
	sealer := &bus.Sealer{Key: key, Topics: topics}
	handled := make(chan error)
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- receiver.Consume(ctx, bus.Endpoint{Name: "bench", Topic: message.Commits, Jobs: 1}, func(_ context.Context, r bus.Raw) error {
			_, _, err := sealer.Open(r)
			handled <- err
			return nil
		})
	}()
	hop := func(n int) time.Duration {
		m, err := message.NewCommit(message.Bot{Name: "watchbot", Instance: "watchbot-1", Host: "host", Endpoint: "pub/watchbot", Version: "1.0.0"},
			&message.Commit{
				Origin: message.Origin{Repository: "https://example.org/hello.git", Branch: "main", Ref: fmt.Sprintf("%040x", n)},
				Author: "Jane Doe <jane@example.org>", Subject: "Fix all of it", Time: time.Now().UTC(),
			})
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		raw, err := sealer.Seal(m)
		if err != nil {
			b.Fatal(err)
		}
		if err := sender.Publish(b.Context(), raw); err != nil {
			b.Fatal(err)
		}
		if err := <-handled; err != nil {
			b.Fatal(err)
		}
		return time.Since(began)
	}
	hop(0)
	var took []time.Duration
	for b.Loop() {
		took = append(took, hop(len(took)+1))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}
