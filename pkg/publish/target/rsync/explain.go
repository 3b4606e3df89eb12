package rsync

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// hinted is an error with what to do about it.
type hinted struct {
	error
	hint string
}

func (e *hinted) Hint() string  { return e.hint }
func (e *hinted) Unwrap() error { return e.error }

// Statuses of rsync (rsync(1), "EXIT VALUES").
const (
	partial  = 23 // some files were not transferred
	vanished = 24 // some files are not at the source
)

// exitError is what rsync has ended with.
type exitError struct {
	code int
	text string // all that it said
}

func (e *exitError) Error() string {
	lines := strings.Split(strings.TrimSpace(e.text), "\n")
	// Lines that begin so only sum up.
	if some := slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return strings.HasPrefix(line, "rsync error:") }); len(some) > 0 {
		lines = some
	}
	return fmt.Sprintf("rsync ended with status %d: %s", e.code, strings.Join(lines[:min(len(lines), 2)], "; "))
}

// absent tells whether the folder is not there.
func (e *exitError) absent() bool {
	return e.code == partial && strings.Contains(e.text, "No such file or directory")
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
	return &exitError{ended.ExitCode(), said}
}
