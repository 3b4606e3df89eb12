package rig

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Command is a program to run.
type Command struct {
	Name string
	Args []string
	Dir  string
	Env  []string            // beside the caller's own
	As   *syscall.Credential // nil for the caller
}

// Output runs c and returns what it prints; that and its messages are in the log too. What it has
// started ends with it when ctx does.
func (r *Rig) Output(ctx context.Context, c Command) (string, error) {
	fmt.Fprintf(r.Log, "\n# %s %s\n", c.Name, strings.Join(c.Args, " "))
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, c.Name, c.Args...)
	cmd.Dir, cmd.Env = c.Dir, append(os.Environ(), c.Env...)
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, r.Log), io.MultiWriter(&errs, r.Log)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.As, Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	begun := time.Now()
	err := cmd.Run()
	fmt.Fprintf(r.Log, "# took %s\n", time.Since(begun).Round(time.Millisecond))
	if err != nil {
		lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
		return "", fmt.Errorf("run %s: %w: %s", filepath.Base(c.Name), err, lines[len(lines)-1])
	}
	return out.String(), nil
}

// Run runs c for its effect.
func (r *Rig) Run(ctx context.Context, c Command) error {
	_, err := r.Output(ctx, c)
	return err
}
