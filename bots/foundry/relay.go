package main

import (
	"bytes"
	"io"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"
)

// relay passes on what several children write, whole lines at a time; on a terminal it turns their
// JSON into text.
type relay struct {
	mu  sync.Mutex
	out io.Writer
}

// newRelay relays to w.
func newRelay(w io.Writer, asJSON bool) *relay {
	if f, ok := w.(*os.File); ok && !asJSON && term.IsTerminal(int(f.Fd())) {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly}
	}
	return &relay{out: w}
}

// stream is what one child writes.
type stream struct {
	relay *relay
	line  []byte
}

// open returns the writer for one child; it may be written by one goroutine at a time.
func (r *relay) open() *stream { return &stream{relay: r} }

// maxLine bounds what is kept of a line that does not end.
const maxLine = 64 << 10

// Write passes whole lines on.
func (s *stream) Write(p []byte) (int, error) {
	s.line = append(s.line, p...)
	for {
		end := bytes.IndexByte(s.line, '\n')
		if end < 0 {
			if len(s.line) > maxLine {
				s.relay.write(append(s.line, '\n'))
				s.line = nil
			}
			return len(p), nil
		}
		s.relay.write(s.line[:end+1])
		s.line = s.line[end+1:]
	}
}

// close passes on what is left of a last line.
func (s *stream) close() {
	if len(s.line) > 0 {
		s.relay.write(append(s.line, '\n'))
	}
}

func (r *relay) write(line []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.out.Write(line); err != nil {
		// Not JSON: a child that could not even begin says why in plain text.
		if c, ok := r.out.(zerolog.ConsoleWriter); ok {
			_, _ = c.Out.Write(line)
		}
	}
}
