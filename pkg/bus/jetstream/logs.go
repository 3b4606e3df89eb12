package jetstream

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"foundry/pkg/bus"
	"foundry/pkg/message"
)

const (
	logBatch   = 32 << 10               // bytes sent at once
	logDelay   = 100 * time.Millisecond // that text is gathered for
	logBacklog = 1 << 20                // bytes that wait for a slow bus; more is dropped
	logAckWait = 10 * time.Second
	logPending = 64 // batches under way of one log
)

// Writer returns the log of one step. Text is gathered for a moment and sent in the background;
// Write never waits for the bus.
func (c *Conn) Writer(context, step, key string) bus.LogWriter {
	w := &logWriter{
		c:       c,
		subject: strings.Join([]string{subjectLogs, message.SafeKey(context), message.SafeKey(step), message.SafeKey(key)}, "."),
		wake:    make(chan struct{}, 1),
		end:     make(chan struct{}),
		done:    make(chan struct{}),
	}
	go w.run()
	return w
}

// logWriter gathers text and sends it from one goroutine.
type logWriter struct {
	c       *Conn
	subject string
	wake    chan struct{} // a whole batch is there
	end     chan struct{} // closed by Close
	done    chan struct{} // closed when all is sent

	mu      sync.Mutex
	text    []byte
	dropped int64 // bytes since the last that were sent
	lost    int64 // bytes in all
	closed  bool
}

// Write takes p. It returns an error only after Close.
func (w *logWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, fmt.Errorf("write log %s: closed", w.subject)
	}
	if len(w.text)+len(p) > logBacklog {
		w.dropped += int64(len(p))
		w.lost += int64(len(p))
		return len(p), nil
	}
	w.text = append(w.text, p...)
	if len(w.text) >= logBatch {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	return len(p), nil
}

// Close sends what is gathered. It waits for the bus a few seconds at most.
func (w *logWriter) Close() error {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.end)
	}
	w.mu.Unlock()
	<-w.done
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lost > 0 {
		w.c.log.Warn().Str("subject", w.subject).Int64("bytes", w.lost).Msg("dropped log text, the bus was too slow")
		w.lost = 0
	}
	return nil
}

// run sends a batch whenever one is full or has waited long enough, and waits for the server's
// answers in groups, so that a slow bus is noticed and order is kept.
func (w *logWriter) run() {
	defer close(w.done)
	ticker := time.NewTicker(logDelay)
	defer ticker.Stop()
	var pending []sentBatch
	for ended := false; !ended; {
		select {
		case <-w.wake:
		case <-ticker.C:
		case <-w.end:
			ended = true
		}
		for {
			batch := w.batch()
			if len(batch) == 0 {
				break
			}
			pending = w.send(pending, batch)
			if len(pending) >= logPending {
				pending = w.await(pending[:1], pending[1:])
			}
		}
		pending = w.settled(pending)
	}
	w.await(pending, nil)
}

// sentBatch is a batch whose answer has not been seen.
type sentBatch struct {
	ack  jetstream.PubAckFuture
	size int
}

// batch takes the next piece of text, after a note of what was dropped before it.
func (w *logWriter) batch() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.text), logBatch)
	batch := append([]byte(nil), w.text[:n]...)
	w.text = w.text[:copy(w.text, w.text[n:])]
	if len(w.text) == 0 && w.dropped > 0 {
		batch = fmt.Appendf(batch, "\n[%d bytes of log dropped, the bus was too slow]\n", w.dropped)
		w.dropped = 0
	}
	return batch
}

func (w *logWriter) send(pending []sentBatch, batch []byte) []sentBatch {
	ack, err := w.c.logs.PublishMsgAsync(&nats.Msg{Subject: w.subject, Data: batch})
	if err != nil {
		w.drop(len(batch))
		return pending
	}
	return append(pending, sentBatch{ack, len(batch)})
}

func (w *logWriter) drop(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dropped += int64(n)
	w.lost += int64(n)
}

// settled removes what the server has answered.
func (w *logWriter) settled(pending []sentBatch) []sentBatch {
	for len(pending) > 0 {
		select {
		case <-pending[0].ack.Ok():
		case <-pending[0].ack.Err():
			w.drop(pending[0].size)
		default:
			return pending
		}
		pending = pending[1:]
	}
	return pending
}

// await waits for the answers of some batches and returns the others.
func (w *logWriter) await(some, others []sentBatch) []sentBatch {
	for _, sent := range some {
		select {
		case <-sent.ack.Ok():
		case <-sent.ack.Err(): // also after logAckWait
			w.drop(sent.size)
		}
	}
	return others
}

// Read calls f with what is kept of a transaction's logs.
func (c *Conn) Read(ctx context.Context, context string, follow bool, f func(bus.LogChunk) error) error {
	config := readConfig{
		stream: streamLog, follow: follow,
		filters: []string{subjectLogs + "." + message.SafeKey(context) + ".>"},
	}
	return c.read(ctx, config, func(msg *nats.Msg, meta *nats.MsgMetadata) error {
		tokens := strings.Split(msg.Subject, ".")
		if len(tokens) != 5 {
			return nil // nobody of ours wrote it
		}
		return f(bus.LogChunk{Step: tokens[3], Key: tokens[4], Time: meta.Timestamp, Text: msg.Data})
	})
}
