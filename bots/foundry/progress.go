package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"foundry/bots/foundry/transaction"

	"golang.org/x/term"

	"foundry/pkg/bot"
)

// plainInterval is how often it is told what runs now where there is no terminal.
const plainInterval = 15 * time.Second

// progress shows the stages of a transaction as they end, and what runs now: on a terminal all the
// time, elsewhere in a line now and then.
type progress struct {
	out  io.Writer
	live bool // the last line is rewritten

	mu      sync.Mutex
	running []transaction.Step
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
func (p *progress) update(t *transaction.Transaction, e transaction.Entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	fmt.Fprintln(p.out, t.Line(e))
	p.running = t.Waiting()
	if p.live {
		p.draw()
	}
}

// waiting returns the steps that are shown to run.
func (p *progress) waiting() []transaction.Step {
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
		parts = append(parts, s.String()+" "+transaction.Seconds(now.Sub(s.Since)))
	}
	p.erase()
	if !p.live {
		fmt.Fprintf(p.out, "  … %s\n", strings.Join(parts, ", "))
		return
	}
	fmt.Fprintf(p.out, "  %c %s", frames[now.UnixMilli()/100%int64(len(frames))], strings.Join(parts, ", "))
	p.drawn = true
}
