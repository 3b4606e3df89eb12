package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// command is a program to run.
type command struct {
	name string
	args []string
	dir  string
	env  []string // beside the bench's own
	as   *syscall.Credential
}

// output runs c and returns what it prints; that and its messages are in the log too.
func (b *bench) output(ctx context.Context, c command) (string, error) {
	fmt.Fprintf(b.log, "\n# %s %s\n", c.name, strings.Join(c.args, " "))
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, c.name, c.args...)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), c.env...)
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, b.log), io.MultiWriter(&errs, b.log)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.as, Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	begun := time.Now()
	err := cmd.Run()
	fmt.Fprintf(b.log, "# took %s\n", time.Since(begun).Round(time.Millisecond))
	if err != nil {
		lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
		return "", fmt.Errorf("run %s: %w: %s", filepath.Base(c.name), err, lines[len(lines)-1])
	}
	return out.String(), nil
}

// run runs c for its effect.
func (b *bench) run(ctx context.Context, c command) error {
	_, err := b.output(ctx, c)
	return err
}

// clean removes the scratch folder. What rootless containers have left there belongs to ids that
// are this user's only within a user namespace, and podman keeps a process that holds one.
func (b *bench) clean() error {
	if os.Getuid() != 0 {
		if err := b.endPodman(); err != nil {
			return err
		}
		// what is left then is this user's own, or an error that the next call tells
		_ = exec.Command("unshare", "--user", "--map-root-user", "--map-auto", "rm", "-rf", b.dir).Run()
	}
	if err := os.RemoveAll(b.dir); err != nil {
		return fmt.Errorf("remove scratch folder: %w", err)
	}
	return nil
}

// endPodman ends the processes that rootless podman has left behind.
func (b *bench) endPodman() error {
	files, err := filepath.Glob(filepath.Join(b.dir, "f*/cache/containers/run/libpod/pause.pid"))
	if err != nil {
		return fmt.Errorf("end podman: %w", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("end podman: %w", err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil || pid <= 1 {
			return fmt.Errorf("end podman: %s holds no process id", file)
		}
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && err != syscall.ESRCH {
			return fmt.Errorf("end podman: %w", err)
		}
	}
	return nil
}
