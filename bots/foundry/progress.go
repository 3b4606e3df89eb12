package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"foundry/pkg/bot"
	"foundry/pkg/message"
)

// progress shows the stages of a transaction as they end and, on a terminal, what runs now.
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
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		p.live = true
		p.stopped.Add(1)
		go p.tick()
	}
	return p
}

func (p *progress) tick() {
	defer p.stopped.Done()
	ticker := time.NewTicker(100 * time.Millisecond)
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
	p.draw()
}

func (p *progress) erase() {
	if p.drawn {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.drawn = false
	}
}

// draw writes what runs now over the last line.
func (p *progress) draw() {
	if !p.live || len(p.running) == 0 {
		return
	}
	frames := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
	now := time.Now()
	parts := make([]string, 0, len(p.running))
	for _, s := range p.running {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s %s", s.bot, s.architecture))+" "+seconds(now.Sub(s.since)))
	}
	p.erase()
	fmt.Fprintf(p.out, "  %c %s", frames[now.UnixMilli()/100%int64(len(frames))], strings.Join(parts, ", "))
	p.drawn = true
}

// stageLine is one stage that has ended: duration, topic, what it is about and by whom.
func stageLine(t *transaction, e entry) string {
	mark := "✓"
	if e.message.Type == message.TypeFailure {
		mark = "✗"
	}
	return bot.Printable(fmt.Sprintf("  %s %8s  %-10s  %s  (%s)", mark, seconds(t.took(e)), e.message.Topic, summary(e.body), e.message.Bot.Instance))
}

// summary says in a few words what a message is about.
func summary(body message.Body) string {
	about := message.About(body)
	what := strings.Join(nonEmpty(about.Source, about.Version, about.Codename, about.Architecture), " ")
	switch b := body.(type) {
	case *message.Commit:
		return fmt.Sprintf("%s#%s %.10s %s", b.Repository, b.Branch, b.Ref, b.Subject)
	case *message.Provision:
		if b.Outcome == message.Skipped {
			return what + " skipped: " + b.Reason
		}
		return what + " image " + fmt.Sprintf("%.12s", b.Image.Key)
	case *message.Failure:
		if what == "" {
			what = message.RepositoryName(b.Repository)
		}
		return fmt.Sprintf("%s %s (%s): %s", what, b.Stage, b.Class, b.Reason)
	case *message.Dist:
		return what + " in " + b.Archive
	case *message.Reject:
		return "rejected: " + b.Reason
	}
	return what
}

func nonEmpty(words ...string) (some []string) {
	for _, w := range words {
		if w != "" {
			some = append(some, w)
		}
	}
	return some
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", max(d, 0).Seconds()) }
