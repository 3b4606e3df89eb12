package main

import (
	"strings"
	"time"

	"foundry/pkg/bot"
	"foundry/pkg/environment"
	"foundry/pkg/message"
)

// judge decides whether x waits in vain. It returns how long it may go on if nothing happens; nothing
// where that is decided.
func (w *waker) judge(x waiter, l *look, now time.Time) time.Duration {
	if l.verdict != nil {
		return 0
	}
	again := "foundry retry " + x.context
	if reason := w.ledger.circle(x, now); reason != "" {
		w.condemn(l, &bot.Failure{
			Class: message.ClassPackage, Reason: reason,
			Hint: "publish one of them that does without the others, or build it with a profile such as stage1; then: " + again,
		})
		return 0
	}
	left := x.since.Add(w.p.DependencyWait).Sub(now)
	if w.ledger.hope(x, now) {
		l.hopeless = time.Time{}
	} else if l.hopeless.IsZero() {
		l.hopeless = now
	}
	if !l.hopeless.IsZero() {
		left = min(left, l.hopeless.Add(w.p.DependencyGrace).Sub(now))
	}
	if left > 0 {
		return left
	}
	lacks := &environment.UnsatisfiableError{}
	for _, r := range x.waits {
		lacks.Missing = append(lacks.Missing, r.String())
	}
	w.condemn(l, &bot.Failure{
		Class: message.ClassPackage, Reason: lacks.Error(),
		Hint: "submit what brings " + strings.Join(lacks.Missing, ", ") + ", then: " + again,
	})
	return 0
}

func (w *waker) condemn(l *look, verdict *bot.Failure) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l.verdict, l.checked = verdict, time.Time{}
}

// sentence is what a package fails with if it still lacks something, or nil if it may go on waiting.
func (w *waker) sentence(id message.ID) *bot.Failure {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l := w.looks[id]; l != nil {
		return l.verdict
	}
	return nil
}
