package rig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"foundry/pkg/message"
)

// FoundryOptions say where a foundry is and what it builds for.
type FoundryOptions struct {
	Dir      string // made; its state and configuration are there
	Cache    string // empty for one in Dir
	Store    string // of artifacts, as --store has it; empty for the bus's own
	Programs string // folder of the built programs
	Codename string
	Mirror   string
}

// Foundry is a foundry of the real programs with folders of its own. It watches no repository.
type Foundry struct {
	FoundryOptions
	rig   *Rig
	up    *exec.Cmd
	ended chan error // of up
}

const (
	startPatience = 2 * time.Minute
	stopPatience  = time.Minute
	bots          = 5 // that the configuration has
)

// StartFoundry makes a foundry and runs it until Stop.
func (r *Rig) StartFoundry(ctx context.Context, o FoundryOptions) (*Foundry, error) {
	if o.Cache == "" {
		o.Cache = filepath.Join(o.Dir, "cache")
	}
	f := &Foundry{FoundryOptions: o, rig: r}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	// Without a repository there is no watchbot: commits and packages are submitted, so that the time
	// has a beginning.
	_, err := f.Command(ctx, "init", "--force", "--state", f.State(), "--cache", o.Cache,
		"--codename", o.Codename, "--mirror", o.Mirror, "--name", "bench", "--serve", "", "--allow-unsigned")
	if err != nil {
		return nil, err
	}
	f.up = exec.Command(filepath.Join(o.Programs, "foundry"), "up", "--config", f.config())
	f.up.Env = append(os.Environ(), f.environment()...)
	f.up.Stdout, f.up.Stderr = r.Log, r.Log
	f.up.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := f.up.Start(); err != nil {
		return nil, fmt.Errorf("start foundry: %w", err)
	}
	f.ended = make(chan error, 1)
	go func(up *exec.Cmd) { f.ended <- up.Wait() }(f.up)
	if err := f.await(ctx, bots); err != nil {
		return nil, errors.Join(err, f.Stop())
	}
	return f, nil
}

// State is the state folder.
func (f *Foundry) State() string { return filepath.Join(f.Dir, "state") }

func (f *Foundry) config() string { return filepath.Join(f.Dir, "foundry.toml") }

// Command runs one command of the herder and returns its answer.
func (f *Foundry) Command(ctx context.Context, args ...string) (string, error) {
	args = append(args, "--config", f.config())
	return f.rig.Output(ctx, Command{Name: filepath.Join(f.Programs, "foundry"), Args: args, Env: f.environment()})
}

func (f *Foundry) environment() []string { return []string{"FOUNDRY_STORE=" + f.Store} }

// await waits until so many bots say that they are there.
func (f *Foundry) await(ctx context.Context, bots int) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		out, err := f.Command(ctx, "list", "--json")
		var there []json.RawMessage
		if err == nil {
			if err := json.Unmarshal([]byte(out), &there); err != nil {
				return fmt.Errorf("read answer of foundry list: %w", err)
			}
		}
		if len(there) >= bots {
			return nil
		}
		select {
		case err := <-f.ended:
			f.up = nil
			return fmt.Errorf("start foundry: it has ended: %v", err)
		case <-ctx.Done():
			return fmt.Errorf("wait for bots: %d of %d are there: %w", len(there), bots, errors.Join(ctx.Err(), err))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Report is what foundry says of a transaction with --json.
type Report struct {
	Context string
	State   string
	Seconds float64
	Stages  []Stage
}

// Stage is one message of a transaction.
type Stage struct {
	Topic   message.Topic
	Time    time.Time
	Seconds float64 // since the message that it answers
	Data    json.RawMessage
}

// ParseReport reads the answer of foundry submit, upload or show with --json.
func ParseReport(answer string) (*Report, error) {
	if i := strings.IndexByte(answer, '{'); i > 0 {
		answer = answer[i:]
	}
	report := new(Report)
	if err := json.Unmarshal([]byte(answer), report); err != nil {
		return nil, fmt.Errorf("read answer of foundry: %w", err)
	}
	return report, nil
}

// Upload gives the foundry a source package and waits until it is published or has failed.
func (f *Foundry) Upload(ctx context.Context, dsc string, timeout time.Duration) (*Report, error) {
	out, err := f.Command(ctx, "upload", dsc, "--allow-unsigned", "--codename", f.Codename,
		"--wait", "--json", "--timeout", timeout.String())
	if err != nil {
		return nil, err
	}
	return ParseReport(out)
}

// Retry builds the source package of an upload again and returns the report of that once it is built,
// whatever becomes of it then.
func (f *Foundry) Retry(ctx context.Context, transaction string) (*Report, error) {
	out, err := f.Command(ctx, "retry", transaction, "--json")
	if err != nil {
		return nil, err
	}
	announced, err := ParseReport(out)
	if err != nil {
		return nil, err
	}
	for {
		out, err := f.Command(ctx, "show", announced.Context, "--json")
		if err != nil {
			return nil, err
		}
		report, err := ParseReport(out)
		if err != nil {
			return nil, err
		}
		switch {
		case report.Stage(message.Builds) != nil:
			return report, nil
		case report.Stage(message.Failures) != nil:
			return nil, fmt.Errorf("build again: it has failed, see %s", f.rig.Log.Name())
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Stage is the first message on the given topic, or nil.
func (r *Report) Stage(topic message.Topic) *Stage {
	for i := range r.Stages {
		if r.Stages[i].Topic == topic {
			return &r.Stages[i]
		}
	}
	return nil
}

// StartBuildbot runs one more buildbot of the foundry's endpoint, as somebody would by hand, until
// the returned function is called.
func (f *Foundry) StartBuildbot(ctx context.Context) (stop func() error, err error) {
	bot := exec.Command(filepath.Join(f.Programs, "buildbot"), "--state", f.State(), "--cache", f.Cache,
		"--endpoint", "pub/buildbot_"+Architecture())
	bot.Stdout, bot.Stderr = f.rig.Log, f.rig.Log
	bot.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := bot.Start(); err != nil {
		return nil, fmt.Errorf("start buildbot: %w", err)
	}
	stop = func() error {
		if err := bot.Process.Signal(syscall.SIGTERM); err != nil {
			return fmt.Errorf("stop buildbot: %w", err)
		}
		if err := bot.Wait(); err != nil {
			return fmt.Errorf("stop buildbot: %w", err)
		}
		return nil
	}
	if err := f.await(ctx, bots+1); err != nil {
		return nil, errors.Join(err, stop())
	}
	return stop, nil
}

// Stop ends the foundry; again it does nothing.
func (f *Foundry) Stop() error {
	if f.up == nil {
		return nil
	}
	up := f.up
	f.up = nil
	if err := up.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop foundry: %w", err)
	}
	kill := time.AfterFunc(stopPatience, func() { _ = up.Process.Kill() })
	defer kill.Stop()
	if err := <-f.ended; err != nil {
		return fmt.Errorf("stop foundry: %w", err)
	}
	return nil
}
