// Package rig sets the two sides up that scripts compare: a foundry of the real programs, and sbuild
// in the mode that Debian's own builders use, both in folders of their own that go when a script ends.
package rig

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// A Rig is a scratch folder with a log of all that was run.
type Rig struct {
	Dir string   // short, for podman takes no run-time folder whose path is longer than 50 characters
	Log *os.File // Dir/log
}

// New makes a scratch folder below parent, which must be on a disk.
func New(parent string) (*Rig, error) {
	dir, err := os.MkdirTemp(parent, "fb-")
	if err != nil {
		return nil, fmt.Errorf("make scratch folder: %w", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make scratch folder: %w", err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, fmt.Errorf("make log: %w", err)
	}
	return &Rig{Dir: dir, Log: log}, nil
}

// Architecture is this machine's, as Debian calls it.
func Architecture() string {
	switch runtime.GOARCH {
	case "386":
		return "i386"
	case "arm":
		return "armhf"
	}
	return runtime.GOARCH
}

// Remove removes the scratch folder. What rootless containers have left there belongs to ids that
// are this user's only within a user namespace, and podman keeps a process that holds one.
func (r *Rig) Remove() error {
	r.Log.Close()
	if os.Getuid() != 0 {
		if err := r.endPodman(); err != nil {
			return err
		}
		// what is left then is this user's own, or an error that the next call tells
		_ = exec.Command("unshare", "--user", "--map-root-user", "--map-auto", "rm", "-rf", r.Dir).Run()
	}
	if err := os.RemoveAll(r.Dir); err != nil {
		return fmt.Errorf("remove scratch folder: %w", err)
	}
	return nil
}

// endPodman ends the processes that rootless podman has left behind.
func (r *Rig) endPodman() error {
	files, err := filepath.Glob(filepath.Join(r.Dir, "f*/cache/containers/run/libpod/pause.pid"))
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
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("end podman: %w", err)
		}
	}
	return nil
}
