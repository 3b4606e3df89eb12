package container

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"foundry/pkg/environment"
	"foundry/pkg/environment/podman/host"
	"foundry/pkg/environment/podman/index"
)

// abilities is what instances can have on this host.
type abilities struct {
	Runtime string   `json:"runtime"` // "crun" or "runc"
	Process []string `json:"process"` // options that set the limits of processes
	Memory  bool     `json:"memory"`  // the limits that control groups enforce
	CPUs    bool     `json:"cpus"`
	PIDs    bool     `json:"pids"`
}

// abilities finds out what works by trying it with the given image, once for each start of the
// system.
func (p *Podman) abilities(ctx context.Context, image string) (*abilities, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.probe != nil {
		return p.probe, nil
	}
	key, err := p.probeKey()
	if err != nil {
		return nil, err
	}
	unlock, err := p.index.Lock(ctx, "probe")
	if err != nil {
		return nil, err
	}
	defer unlock()
	known := new(abilities)
	if p.index.Load(".", key, known) && known.Runtime != "" {
		p.probe = known
		return known, nil
	}
	found, err := p.try(ctx, image)
	if err != nil {
		return nil, err
	}
	if err := p.index.Save(".", key, found); err != nil {
		return nil, err
	}
	p.probe = found
	return found, nil
}

// probeKey names this start of the system, this user and this podman.
func (p *Podman) probeKey() (string, error) {
	boot, err := host.BootID()
	if err != nil {
		return "", err
	}
	info, err := os.Stat(p.binary)
	if err != nil {
		return "", fmt.Errorf("look at podman: %w", err)
	}
	limits, err := processLimits(maxLimit)
	if err != nil {
		return "", err
	}
	return "abilities-" + index.Digest(boot, fmt.Sprint(os.Getuid()), info.ModTime().String(), strings.Join(limits, " "))[:16], nil
}

// try finds the first OCI runtime that starts an instance, then the limits that it enforces.
func (p *Podman) try(ctx context.Context, image string) (*abilities, error) {
	var first error
	for _, runtime := range []string{"crun", "runc"} {
		if _, err := exec.LookPath(runtime); err != nil {
			continue
		}
		for _, most := range []uint64{maxLimit, modestLimit} {
			limits, err := processLimits(most)
			if err != nil {
				return nil, err
			}
			found := &abilities{Runtime: runtime, Process: limits}
			_, err = p.tryRun(ctx, image, found)
			if err == nil {
				return found, p.tryLimits(ctx, image, found)
			}
			if ctx.Err() != nil {
				return nil, err
			}
			if first == nil {
				first = err
			}
		}
	}
	if first == nil {
		return nil, &host.SetupError{Problem: "no OCI runtime is installed", Fix: "apt-get install runc"}
	}
	return nil, fmt.Errorf("start a container: %w", first)
}

// The hard limits of open files and processes that are tried: what podman itself sets by default,
// and what any host allows.
const (
	maxLimit    = 1 << 20
	modestLimit = 4000
)

// processLimits are the highest limits that this process may hand on, at most the given one: to
// raise them, as podman does by default, needs a privilege that not every root has. The soft limit
// of open files has the usual value, since programs that close all of a large number are slow.
func processLimits(most uint64) ([]string, error) {
	var files, processes unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return nil, fmt.Errorf("read limit of open files: %w", err)
	}
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &processes); err != nil {
		return nil, fmt.Errorf("read limit of processes: %w", err)
	}
	data, err := os.ReadFile("/proc/sys/kernel/pid_max")
	if err != nil {
		return nil, fmt.Errorf("read limit of processes: %w", err)
	}
	pids, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("read limit of processes: %w", err)
	}
	hardFiles, hardProcesses := min(files.Max, most), min(processes.Max, most, pids)
	return []string{
		fmt.Sprintf("--ulimit=nofile=%d:%d", min(1024, hardFiles), hardFiles),
		fmt.Sprintf("--ulimit=nproc=%d:%d", hardProcesses, hardProcesses),
	}, nil
}

func (p *Podman) tryLimits(ctx context.Context, image string, found *abilities) error {
	for _, limit := range []struct {
		option  string
		enabled *bool
	}{{"--memory=256m", &found.Memory}, {"--cpus=0.9", &found.CPUs}, {"--pids-limit=100", &found.PIDs}} {
		warning, err := p.tryRun(ctx, image, found, limit.option)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// Podman says so where it ignores a limit.
		*limit.enabled = err == nil && !strings.Contains(warning, "not supported")
	}
	return nil
}

// tryRun runs /bin/true the way scripts are run, and returns what podman warned of.
func (p *Podman) tryRun(ctx context.Context, image string, able *abilities, options ...string) (string, error) {
	name := unique("probe")
	args, err := p.commonArguments(name, able, false)
	if err != nil {
		return "", err
	}
	args = append(append([]string{"--rm", "--read-only"}, args...), options...)
	args = append(args, TrimID(image), "/bin/sh", "-c", plainWrapper, "true")
	i, err := p.start(name, args, io.Discard)
	if err != nil {
		return "", err
	}
	defer i.Close()
	podmanErr, _ := i.Wait(ctx)
	if podmanErr != nil {
		return "", podmanError(ctx, "run", podmanErr, i.stderr)
	}
	return i.stderr.String(), nil
}

// limits are the options for those limits that the host enforces; it says in the log which it
// does not.
func (a *abilities) limits(want environment.Limits, log io.Writer) []string {
	var args []string
	add := func(wanted, able bool, option, what string) {
		switch {
		case !wanted:
		case able:
			args = append(args, option)
		default:
			fmt.Fprintf(log, "note: this host cannot limit %s of a container\n", what)
		}
	}
	add(want.Memory > 0, a.Memory, fmt.Sprintf("--memory=%d", want.Memory), "the memory")
	add(want.CPUs > 0, a.CPUs, fmt.Sprintf("--cpus=%g", want.CPUs), "the processor time")
	if want.PIDs > 0 {
		// Where the kernel does not count processes for a container it still does for a user: the last
		// option of a name counts, so this is set after what all instances have.
		most := uint64(want.PIDs)
		var own unix.Rlimit
		if unix.Getrlimit(unix.RLIMIT_NPROC, &own) == nil {
			most = min(most, own.Max)
		}
		option := fmt.Sprintf("--ulimit=nproc=%d:%d", most, most)
		if a.PIDs {
			option = fmt.Sprintf("--pids-limit=%d", want.PIDs)
		}
		args = append(args, option)
	}
	return args
}
