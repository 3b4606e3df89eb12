package sourcepackage

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
)

// toolError is the failure of a program that was run on the package.
type toolError struct {
	name string // of the program
	last string // the line that says most
	err  error
}

func (e *toolError) Error() string {
	if e.last != "" {
		return e.name + ": " + e.last
	}
	return fmt.Sprintf("%s: %v", e.name, e.err)
}

func (e *toolError) Unwrap() error { return e.err }

// passing tells that the program is missing or the host out of space, which says nothing about what it
// was run on.
func (e *toolError) passing() bool { return e.Hint() != "" }

// Hint says what to do where the host is at fault, else "".
func (e *toolError) Hint() string {
	switch {
	case errors.Is(e.err, exec.ErrNotFound):
		return "apt-get install " + debianPackage(e.name)
	case outOfSpace.MatchString(e.last):
		return "make room in the state folder, or start with --state on a larger disk"
	}
	return ""
}

// debianPackage is the package that a program is in.
func debianPackage(program string) string {
	switch program {
	case "dpkg-source":
		return "dpkg-dev"
	case "xz", "lzma":
		return "xz-utils"
	}
	return program
}

var outOfSpace = regexp.MustCompile(`(?i)no space left on device|disk quota exceeded|cannot allocate memory`)

// tellingLine keeps the last line that tells of an error, or the last line of all.
type tellingLine struct {
	line        []byte
	last, error string
}

func (l *tellingLine) Write(p []byte) (int, error) {
	for _, c := range p {
		switch {
		case c == '\n':
			l.end()
		case len(l.line) < 500:
			l.line = append(l.line, c)
		}
	}
	return len(p), nil
}

func (l *tellingLine) end() {
	if line := strings.TrimSpace(string(l.line)); line != "" {
		l.last = line
		if strings.Contains(line, "error:") || outOfSpace.MatchString(line) {
			l.error = line
		}
	}
	l.line = l.line[:0]
}

func (l *tellingLine) String() string {
	l.end()
	if l.error != "" {
		_, after, found := strings.Cut(l.error, "error: ")
		if found {
			return after
		}
		return l.error
	}
	return l.last
}
