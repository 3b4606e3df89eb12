package trace

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"foundry/pkg/bot"
	"foundry/pkg/message"
)

// Chain is what is known of a package, from the file back to the commit.
type Chain struct {
	Target  string            `json:"target"`
	Package message.Published `json:"package"`
	Whole   bool              `json:"whole"` // every check held
	Links   []*Link           `json:"links"`
}

// Link is one station of a chain.
type Link struct {
	Name    string       `json:"link"`
	About   string       `json:"about"`
	Message *LinkMessage `json:"message,omitempty"` // nil for what is no message
	Key     string       `json:"key,omitempty"`     // fingerprint of the key that signed the thing itself
	Checks  []Finding    `json:"checks"`
}

// LinkMessage is the message of a link.
type LinkMessage struct {
	ID     message.ID    `json:"id"`
	Topic  message.Topic `json:"topic"`
	Time   time.Time     `json:"time"`
	Bot    message.Bot   `json:"bot"`
	Signer string        `json:"signer"` // fingerprint of the message key
}

// Finding is one thing that was looked at.
type Finding struct {
	What    string `json:"what"`
	Result  string `json:"result"`            // one of the results below
	Problem string `json:"problem,omitempty"` // why it failed or was left out
	Hint    string `json:"hint,omitempty"`
}

// The results of a check.
const (
	resultHolds   = "holds"
	resultFails   = "fails"
	resultLeftOut = "left out"
)

// check notes what was looked at; a nil err means that it holds.
func (l *Link) check(what string, err error) {
	c := Finding{What: what, Result: resultHolds}
	if err != nil {
		c.Result, c.Problem, c.Hint = resultFails, err.Error(), bot.HintOf(err)
	}
	l.Checks = append(l.Checks, c)
}

// leaveOut notes what could not be looked at without that being wrong.
func (l *Link) leaveOut(what, why string) {
	l.Checks = append(l.Checks, Finding{What: what, Result: resultLeftOut, Problem: why})
}

// Mark sums a link up.
func (l *Link) Mark() string {
	switch {
	case slices.ContainsFunc(l.Checks, func(c Finding) bool { return c.Result == resultFails }):
		return "✗"
	case !slices.ContainsFunc(l.Checks, func(c Finding) bool { return c.Result == resultHolds }):
		return "–"
	}
	return "✓"
}

// lastLink is the name of the link that a whole chain ends with, unless that is uploadLink.
const lastLink = "git"

// holds tells whether the chain goes to its end and nothing in it fails.
func (ch *Chain) holds() bool {
	if len(ch.Links) == 0 {
		return false
	}
	if last := ch.Links[len(ch.Links)-1].Name; last != lastLink && last != uploadLink {
		return false
	}
	return !slices.ContainsFunc(ch.Links, func(l *Link) bool { return l.Mark() == "✗" })
}

// print writes a line for each link and below it what does not hold.
func (ch *Chain) Print(w io.Writer, verbose bool) {
	for _, l := range ch.Links {
		fmt.Fprintln(w, bot.Printable(l.line()))
		for _, c := range l.Checks {
			l.printCheck(w, c, verbose)
		}
	}
	fmt.Fprintf(w, "%s: %s\n", bot.Printable(ch.Target), ch.verdict())
}

// verdict says in a few words whether the chain holds, and what that does not cover.
func (ch *Chain) verdict() string {
	if !ch.holds() {
		return "the chain is broken"
	}
	var leftOut []string
	for _, l := range ch.Links {
		if l.Mark() == "–" {
			leftOut = append(leftOut, l.Name)
		}
	}
	if leftOut == nil {
		return "every link holds"
	}
	return "every link that was looked at holds; left out: " + strings.Join(leftOut, ", ")
}

func (l *Link) line() string {
	parts := []string{fmt.Sprintf("%s %-10s  %s", l.Mark(), l.Name, l.About)}
	if m := l.Message; m != nil {
		parts = append(parts, fmt.Sprintf("%s on %s at %s, message key %s", m.Bot.Name, m.Bot.Host, m.Time.Format("2006-01-02 15:04:05Z"), m.Signer))
	}
	if l.Key != "" {
		parts = append(parts, "signed by "+l.Key)
	}
	return strings.Join(parts, "; ")
}

// printCheck writes a check that does not hold, and with verbose any.
func (l *Link) printCheck(w io.Writer, c Finding, verbose bool) {
	switch c.Result {
	case resultHolds:
		if verbose {
			fmt.Fprintf(w, "    ✓ %s\n", bot.Printable(c.What))
		}
	case resultLeftOut:
		fmt.Fprintf(w, "    – %s: %s\n", bot.Printable(c.What), bot.Printable(c.Problem))
	default:
		fmt.Fprintf(w, "    ✗ %s: %s\n", bot.Printable(c.What), bot.Printable(c.Problem))
		if c.Hint != "" {
			fmt.Fprintf(w, "      hint: %s\n", bot.Printable(c.Hint))
		}
	}
}
