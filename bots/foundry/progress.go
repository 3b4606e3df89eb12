package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"foundry/pkg/bot"
	"foundry/pkg/message"
)

// plainInterval is how often it is told what runs now where there is no terminal.
const plainInterval = 15 * time.Second

// progress shows the stages of a transaction as they end, and what runs now: on a terminal all the
// time, elsewhere in a line now and then.
type progress struct {
	out  io.Writer
	live bool // the last line is rewritten

	mu      sync.Mutex
	running []step
	drawn   bool
	stop    chan struct{}
	stopped sync.WaitGroup
}

// newProgress begins to show; close ends it.
func newProgress(out io.Writer) *progress {
	p := &progress{out: out, stop: make(chan struct{})}
	interval := plainInterval
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		p.live = true
		interval = 100 * time.Millisecond
	}
	p.stopped.Go(func() { p.tick(interval) })
	return p
}

func (p *progress) tick(interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-ticker.C:
			p.mu.Lock()
			p.draw()
			p.mu.Unlock()
		}
	}
}

// close ends the display.
func (p *progress) close() {
	close(p.stop)
	p.stopped.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
}

// update is what session.follow calls.
func (p *progress) update(t *transaction, e entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	fmt.Fprintln(p.out, stageLine(t, e))
	p.running = t.waiting()
	if p.live {
		p.draw()
	}
}

// waiting returns the steps that are shown to run.
func (p *progress) waiting() []step {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.running)
}

// note shows a line among the stages.
func (p *progress) note(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	fmt.Fprintln(p.out, bot.Printable(line))
}

func (p *progress) erase() {
	if p.drawn {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.drawn = false
	}
}

// draw writes what runs now; on a terminal over the last line.
func (p *progress) draw() {
	if len(p.running) == 0 {
		return
	}
	frames := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
	now := time.Now()
	parts := make([]string, 0, len(p.running))
	for _, s := range p.running {
		parts = append(parts, s.String()+" "+seconds(now.Sub(s.since)))
	}
	p.erase()
	if !p.live {
		fmt.Fprintf(p.out, "  … %s\n", strings.Join(parts, ", "))
		return
	}
	fmt.Fprintf(p.out, "  %c %s", frames[now.UnixMilli()/100%int64(len(frames))], strings.Join(parts, ", "))
	p.drawn = true
}

// String says who is to do the step, or what it waits for.
func (s step) String() string {
	if len(s.waitsFor) > 0 {
		return bot.Printable(strings.TrimSpace(s.architecture + " waiting for " + strings.Join(s.waitsFor, ", ")))
	}
	return strings.TrimSpace(s.bot + " " + s.architecture)
}

// stageLine is one stage that has ended: duration, topic, what it is about and by whom.
func stageLine(t *transaction, e entry) string {
	mark := "✓"
	if e.message.Type == message.TypeFailure || e.message.Type == message.TypeReject {
		mark = "✗"
	}
	if p, ok := e.body.(*message.Provision); ok && p.Outcome == message.Waiting {
		mark = "…"
	}
	return bot.Printable(fmt.Sprintf("  %s %8s  %-10s  %s  (%s)", mark, seconds(t.took(e)), e.message.Topic, message.Summary(e.body), e.message.Bot.Instance))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", max(d, 0).Seconds()) }
