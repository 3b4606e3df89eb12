package bot

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"foundry/pkg/message"
)

// The exit statuses of all programs.
const (
	ExitOK      = 0
	ExitFailure = 1
	ExitUsage   = 2
)

// Failure says that a package, or a rule it breaks, is at fault, so that trying again changes
// nothing. It is published and its message acknowledged.
type Failure struct {
	Class  string // message.ClassPackage or message.ClassPolicy
	Reason string
	Hint   string
	Log    *message.Artifact
	Tail   []string // last lines of the log

	Outputs []message.Output // what there is of the files that the package's policy asks to keep
}

func (f *Failure) Error() string { return f.Reason }

type usageError struct{ error }

// Usage is the error of a command that was called wrongly; the program exits with status 2.
func Usage(problem, hint string) error {
	return Hint(usageError{errors.New(problem)}, hint)
}

type hintError struct {
	error
	hint string
}

func (e hintError) Unwrap() error  { return e.error }
func (e hintError) Hint() string   { return e.hint }
func (e usageError) Unwrap() error { return e.error }

// Hint adds to err a line that tells a person what to do, unless what err wraps carries one already:
// who is nearer to the trouble knows better. What Hint itself has returned gets the new hint in place
// of the old one, for a caller who has learned more.
func Hint(err error, hint string) error {
	if err == nil || hint == "" {
		return err
	}
	if h, ok := err.(hintError); ok {
		return hintError{h.error, hint}
	}
	if HintOf(err) != "" {
		return err
	}
	return hintError{err, hint}
}

// HintOf returns the first hint that is not empty of those that err and what it wraps carry, or "".
// Any error that has a method Hint() string counts.
func HintOf(err error) string {
	if h, ok := err.(interface{ Hint() string }); ok {
		if hint := h.Hint(); hint != "" {
			return hint
		}
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return HintOf(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			if hint := HintOf(one); hint != "" {
				return hint
			}
		}
	}
	return ""
}

// Report writes err to w as a person should see it and returns the exit status.
func Report(w io.Writer, program string, err error) int {
	if err == nil {
		return ExitOK
	}
	var exit exitError
	if errors.As(err, &exit) {
		return int(exit)
	}
	var said saidError
	if errors.As(err, &said) {
		fmt.Fprintln(w, Printable(said.text))
		return said.status
	}
	fmt.Fprintf(w, "%s: %s\n", program, Printable(err.Error()))
	if hint := HintOf(err); hint != "" {
		fmt.Fprintf(w, "hint: %s\n", Printable(hint))
	}
	var usage usageError
	if errors.As(err, &usage) {
		return ExitUsage
	}
	return ExitFailure
}

// exitError is an exit status whose reason has been shown already.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// Exit is the error of a command that has shown already why it ends with the given status.
func Exit(status int) error { return exitError(status) }

// saidError is what another program has said already in the form of Report.
type saidError struct {
	text   string
	status int
}

func (e saidError) Error() string { return e.text }

// Said is the error of a command that passes on what another program has said of its own error,
// and its exit status.
func Said(text string, status int) error { return saidError{strings.TrimRight(text, "\n"), status} }

// Printable keeps what a package or peer has put into a message from steering the terminal.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
