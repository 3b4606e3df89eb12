package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"foundry/pkg/environment/podman/host"
)

// label marks a container with the process that started it.
const label = "foundry.owner"

// AptVolume begins the names of the volumes that keep what apt has downloaded.
const AptVolume = "foundry-apt-"

// How old a volume that no container uses is when it is removed: one that is younger may belong to
// a container that is being made.
const (
	staleVolume    = time.Hour
	staleAptVolume = 60 * 24 * time.Hour
)

// ownLabel says which process this is, in a way that no later process shares.
func ownLabel() (string, error) {
	boot, err := host.BootID()
	if err != nil {
		return "", err
	}
	start, err := host.StartTime(os.Getpid())
	if err != nil {
		return "", fmt.Errorf("read own start time: %w", err)
	}
	return fmt.Sprintf("%s=%s/%d/%d", label, boot, os.Getpid(), start), nil
}

// dead tells whether the process that a label names has ended. What is not understood is not dead.
func dead(owner string) bool {
	fields := strings.Split(owner, "/")
	if len(fields) != 3 {
		return false
	}
	boot, err := host.BootID()
	if err != nil {
		return false
	}
	if fields[0] != boot {
		return true
	}
	pid, err := strconv.Atoi(fields[1])
	if err != nil {
		return false
	}
	start, err := host.StartTime(pid)
	if errors.Is(err, os.ErrNotExist) {
		return true
	}
	return err == nil && strconv.FormatUint(start, 10) != fields[2]
}

// Sweep is that of environment.Runtime.
func (p *Podman) Sweep(ctx context.Context) error {
	out, err := p.Call(ctx, "ps", "--all", "--filter=label="+label, "--format=json")
	if err != nil {
		return err
	}
	var containers []struct {
		ID     string
		Labels map[string]string
	}
	if err := json.Unmarshal(out, &containers); err != nil {
		return fmt.Errorf("read podman's list of containers: %w", err)
	}
	var problems []error
	for _, c := range containers {
		if dead(c.Labels[label]) {
			problems = append(problems, p.Remove(ctx, c.ID))
		}
	}
	problems = append(problems, p.sweepVolumes(ctx))
	return errors.Join(problems...)
}

// sweepVolumes removes what is left where podman was killed between making a volume and the
// container for it, or between removing the two.
func (p *Podman) sweepVolumes(ctx context.Context) error {
	volumes, err := p.listVolumes(ctx)
	if err != nil {
		return err
	}
	for _, v := range volumes {
		limit := staleVolume
		if strings.HasPrefix(v.Name, AptVolume) {
			limit = staleAptVolume
		}
		if time.Since(v.Made) < limit {
			continue
		}
		if _, err := p.Call(ctx, "volume", "rm", v.Name); err != nil && ctx.Err() != nil {
			return err
		}
	}
	return nil
}
