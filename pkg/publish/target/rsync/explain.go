package rsync

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// hinted is an error with what to do about it.
type hinted struct {
	error
	hint string
}

func (e *hinted) Hint() string  { return e.hint }
func (e *hinted) Unwrap() error { return e.error }

// exitError is what rsync has ended with (rsync(1), "EXIT VALUES").
type exitError struct {
	code int
	text string // what it said last
}

func (e *exitError) Error() string {
	return fmt.Sprintf("rsync ended with status %d: %s", e.code, e.text)
}

// absent tells whether the folder is not there.
func (e *exitError) absent() bool {
	return e.code == 23 && strings.Contains(e.text, "No such file or directory")
}

// Hint says what to do about it.
func (e *exitError) Hint() string {
	switch {
	case strings.Contains(e.text, "Permission denied (publickey"), strings.Contains(e.text, "@ERROR: auth failed"):
		return "let the other side know this side's key or password; ssh asks nobody here"
	case strings.Contains(e.text, "Host key verification failed"):
		return "add the host's key to known_hosts: ssh-keyscan HOST"
	case strings.Contains(e.text, "No space left"):
		return "make room on the other side; nothing is lost"
	case strings.Contains(e.text, "Permission denied"), strings.Contains(e.text, "read-only"), strings.Contains(e.text, "read only"):
		return "let the user of the other side write to the folder"
	case strings.Contains(e.text, "Unknown module"):
		return "name a module of the daemon's rsyncd.conf"
	case e.code == 10, e.code == 30, e.code == 35, e.code == 255, e.code == 12:
		return "see whether the host can be reached; it is tried again"
	}
	return "see rsync(1) for what the status means"
}

// explain makes the error of a run.
func explain(err error, said string) error {
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		return fmt.Errorf("run rsync: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(said), "\n")
	// The last line only names the place in rsync's source.
	if n := len(lines); n > 1 && strings.HasPrefix(lines[n-1], "rsync error:") {
		lines = lines[:n-1]
	}
	return &exitError{ended.ExitCode(), strings.Join(lines[max(0, len(lines)-2):], "; ")}
}
