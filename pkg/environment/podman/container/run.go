package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"foundry/pkg/environment"
)

// maxScript is the size of the largest script. The kernel takes 128 KiB for one argument.
const maxScript = 100 << 10

// searchPath is the PATH of every script.
const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Run is that of environment.Runtime.
func (p *Podman) Run(ctx context.Context, run environment.Run) (int, error) {
	if err := checkRun(run); err != nil {
		return 0, err
	}
	log := run.Log
	if log == nil {
		log = io.Discard
	}
	able, err := p.abilities(ctx, run.Image.ID)
	if err != nil {
		return 0, err
	}
	name := unique(run.Name)
	args, err := p.runArguments(name, able, run, log)
	if err != nil {
		return 0, err
	}
	limited, cancel := ctx, context.CancelFunc(func() {})
	if run.Limits.Time > 0 {
		limited, cancel = context.WithTimeout(ctx, run.Limits.Time)
	}
	defer cancel()
	i, err := p.start(name, args, log)
	if err != nil {
		return 0, err
	}
	defer i.Close()
	podmanErr, logErr := i.Wait(limited)
	switch {
	case ctx.Err() != nil:
		return 0, fmt.Errorf("run %s: %w", run.Name, ctx.Err())
	case limited.Err() != nil:
		return 0, fmt.Errorf("run %s: %w of %s", run.Name, environment.ErrTimeout, run.Limits.Time)
	case logErr != nil:
		return 0, fmt.Errorf("write log of %s: %w", run.Name, logErr)
	}
	return i.status(ctx, podmanErr)
}

// status is the script's exit status, as process 1 has announced it or, where that was killed
// before it could, as podman tells it.
func (i *Instance) status(ctx context.Context, podmanErr error) (int, error) {
	for {
		event, err := i.Event()
		if err != nil {
			break
		}
		if status, found := strings.CutPrefix(event, "exit "); found {
			return strconv.Atoi(status)
		}
	}
	var exit *exec.ExitError
	// 125 to 127 are podman's own.
	if errors.As(podmanErr, &exit) && exit.ExitCode() > 128 {
		return exit.ExitCode(), nil
	}
	if podmanErr == nil {
		podmanErr = errors.New("it ended without a status")
	}
	return 0, podmanError(ctx, "run", podmanErr, i.stderr)
}

func checkRun(run environment.Run) error {
	if !namePattern.MatchString(run.Name) {
		return fmt.Errorf("run %q: a name has letters, digits, %q and %q only", run.Name, "_", "-")
	}
	if run.Image.ID == "" {
		return fmt.Errorf("run %s: %w", run.Name, environment.ErrNoImage)
	}
	if len(run.Script) > maxScript {
		return fmt.Errorf("run %s: script of %d bytes is larger than %d", run.Name, len(run.Script), maxScript)
	}
	if strings.Contains(run.Script, "\x00") {
		return fmt.Errorf("run %s: script has a zero byte", run.Name)
	}
	for _, variable := range run.Env {
		if !variablePattern.MatchString(variable) || strings.Contains(variable, "\x00") {
			return fmt.Errorf("run %s: %q is not NAME=value", run.Name, variable)
		}
	}
	return nil
}

var (
	namePattern     = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
	variablePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)
)

// runArguments are the arguments of podman run for a throw-away instance.
func (p *Podman) runArguments(name string, able *abilities, run environment.Run, log io.Writer) ([]string, error) {
	args := []string{"--rm", "--read-only", "--read-only-tmpfs=false"}
	if run.Writable {
		args = []string{"--rm", "--cap-add=FSETID,SETFCAP,SYS_CHROOT"} // as packages need them
	}
	args = append(args,
		// Volumes are on disk, where a large build has room, and vanish with the instance.
		"--volume=/build", "--volume=/tmp", "--volume=/var/tmp",
		"--tmpfs=/run:rw,nosuid,nodev,mode=755",
		"--tmpfs=/dev/shm:rw,exec,nosuid,nodev,mode=1777,size=50%", // programs that translate others run from it
		// What a script needs that takes files over and becomes another user; the build has none.
		"--cap-drop=all", "--cap-add=CHOWN,DAC_OVERRIDE,FOWNER,KILL,SETGID,SETUID",
	)
	common, err := p.commonArguments(name, able, run.Network)
	if err != nil {
		return nil, err
	}
	args = append(args, common...)
	if !run.Writable {
		args = append(args, "--security-opt=seccomp="+filepath.Join(p.storage, "seccomp.json"))
	}
	args = append(args, able.limits(run.Limits, log)...)
	for _, m := range []struct {
		folder, target string
		writable       bool
	}{{run.Inputs, "/in", false}, {run.Outputs, "/out", true}} {
		if m.folder == "" {
			continue
		}
		option, err := mountFolder(m.folder, m.target, m.writable)
		if err != nil {
			return nil, err
		}
		args = append(args, option)
	}
	args = append(args, TrimID(run.Image.ID), "/usr/bin/env", "-i", searchPath, "LC_ALL=C.UTF-8", "TZ=UTC")
	args = append(args, run.Env...)
	return append(args, "/bin/sh", "-c", plainWrapper, run.Script), nil
}

// commonArguments are those that throw-away instances share with those that become images.
func (p *Podman) commonArguments(name string, able *abilities, network bool) ([]string, error) {
	owner, err := ownLabel()
	if err != nil {
		return nil, err
	}
	args := []string{
		"--name=" + name, "--label=" + owner, "--runtime=" + able.Runtime, "--pull=never",
		"--sig-proxy=false", "--log-driver=none", "--no-hosts", "--hostname=foundry",
		"--unsetenv-all", "--umask=0022", "--workdir=/",
		"--security-opt=no-new-privileges", "--security-opt=label=disable",
	}
	args = append(args, able.Process...)
	hosts, resolv := filepath.Join(p.storage, "hosts"), filepath.Join(p.storage, "resolv.conf")
	if network {
		args = append(args, "--network=host")
		hosts, resolv = "/etc/hosts", ""
	} else {
		args = append(args, "--network=none")
	}
	for _, m := range [][2]string{{hosts, "/etc/hosts"}, {resolv, "/etc/resolv.conf"}} {
		if m[0] == "" {
			continue
		}
		option, err := Mount(m[0], m[1], false)
		if err != nil {
			return nil, err
		}
		args = append(args, option)
	}
	return args, nil
}

func mountFolder(folder, target string, writable bool) (string, error) {
	path, err := filepath.Abs(folder)
	if err != nil {
		return "", fmt.Errorf("mount %s: %w", folder, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("mount %s: %w", target, err)
	}
	if !info.IsDir() {
		return "", fmt.Errorf("mount %s: %s is not a folder", target, path)
	}
	if writable {
		if err := os.Chmod(path, 0o700); err != nil {
			return "", fmt.Errorf("mount %s: %w", target, err)
		}
	}
	return Mount(path, target, writable)
}

// TrimID makes an image id fit for the command line of every podman version.
func TrimID(id string) string { return strings.TrimPrefix(id, "sha256:") }
