package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// maxLogLine is where a line of a log is broken in two, in bytes.
const maxLogLine = 64 << 10

// logPrinter writes pieces of logs line by line, with a heading whenever another step speaks.
type logPrinter struct {
	out     io.Writer
	raw     bool // bytes as they come, no headings
	json    bool
	current stepLog
	order   []stepLog          // of partial
	partial map[stepLog][]byte // the beginning of a line
}

// write takes a piece of a step's log; at is zero where its time is not known.
func (p *logPrinter) write(l stepLog, at time.Time, text []byte) error {
	if p.raw && !p.json {
		_, err := p.out.Write(text)
		return err
	}
	rest, known := p.partial[l]
	if !known {
		p.order = append(p.order, l)
	}
	rest = append(rest, text...)
	for {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		if !whole && len(rest) < maxLogLine {
			break
		}
		if !whole {
			line, after = rest[:maxLogLine], rest[maxLogLine:]
		}
		if err := p.line(l, at, line); err != nil {
			return err
		}
		rest = after
	}
	p.partial[l] = bytes.Clone(rest)
	return nil
}

// end writes what no newline has ended.
func (p *logPrinter) end() error {
	for _, l := range p.order {
		if rest := p.partial[l]; len(rest) > 0 {
			if err := p.line(l, time.Time{}, rest); err != nil {
				return err
			}
		}
		delete(p.partial, l)
	}
	p.order = nil
	return nil
}

// logLine is one line of a log as JSON.
type logLine struct {
	Step string    `json:"step"`
	Key  string    `json:"key,omitempty"`
	Time time.Time `json:"time,omitzero"`
	Line string    `json:"line"`
}

func (p *logPrinter) line(l stepLog, at time.Time, line []byte) error {
	text := plainLine(line)
	if p.raw {
		text = strings.ToValidUTF8(string(line), "\uFFFD")
	}
	if p.json {
		encoder := json.NewEncoder(p.out)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(logLine{l.step, strings.Trim(l.key, "_"), at, text})
	}
	if p.current != l {
		p.current = l
		if _, err := fmt.Fprintf(p.out, "── %s ──\n", l); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(p.out, text)
	return err
}

// escapes matches what steers a terminal (ECMA-48, 5.4 to 5.6): control sequences, strings up to their
// end, and other escapes.
var escapes = regexp.MustCompile(`\x1b(\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(\x07|\x1b\\)?|[ -/]*[0-~])`)

// plainLine takes out what would steer a terminal. A carriage return, with which programs write
// one line over another, begins a new one, so that nothing is hidden.
func plainLine(line []byte) string {
	text := escapes.ReplaceAllString(strings.ToValidUTF8(strings.TrimRight(string(line), "\r"), "\uFFFD"), "")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\r':
			return '\n'
		case r == '\t' || unicode.IsPrint(r):
			return r
		}
		return -1
	}, text)
}
