package main

import (
	"context"
	"errors"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"foundry/pkg/bot"
)

// child is one bot that "foundry up" runs.
type child struct {
	name string // "buildbot", with a number where there are several
	path string
	args []string
}

// Delays between the starts of a bot that dies: the first, the longest, and how long a bot must
// have lived for its next delay to be the first again.
const (
	firstDelay   = time.Second
	longestDelay = time.Minute
	healthy      = time.Minute
)

// supervisor runs children and starts them again when they die.
type supervisor struct {
	log  zerolog.Logger
	logs *relay

	mu      sync.Mutex
	running map[*exec.Cmd]struct{}
	ending  chan struct{} // closed by stop
	once    sync.Once
}

func newSupervisor(log zerolog.Logger, logs *relay) *supervisor {
	return &supervisor{log: log, logs: logs, running: map[*exec.Cmd]struct{}{}, ending: make(chan struct{})}
}

// run runs the children until stop has been called and all have ended.
func (s *supervisor) run(children []child) {
	var all sync.WaitGroup
	for _, c := range children {
		all.Go(func() {
			// The kernel ends a child when the thread that started it ends, so the thread has to
			// stay as long as the child does.
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			s.keep(c)
		})
	}
	all.Wait()
}

// keep runs one child again and again, until it ends by itself with success or all are stopped.
func (s *supervisor) keep(c child) {
	log := s.log.With().Str("child", c.name).Logger()
	delay := firstDelay
	for {
		begun := time.Now()
		err := s.start(c)
		switch {
		case s.stopping():
			return
		case err == nil:
			log.Info().Msg("child was stopped")
			return
		}
		if time.Since(begun) > healthy {
			delay = firstDelay
		}
		log.Warn().Err(err).Dur("again_in_ms", delay).Msg("child died")
		select {
		case <-s.ending:
			return
		case <-time.After(delay):
		}
		delay = min(2*delay, longestDelay)
	}
}

// start runs a child once and waits for its end.
func (s *supervisor) start(c child) error {
	cmd := exec.Command(c.path, c.args...)
	output := s.logs.open()
	defer output.close()
	cmd.Stdout, cmd.Stderr = output, output
	// A group of its own, so that a signal from the terminal reaches the child once, from here;
	// and no child outlives its herder, however that ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	s.mu.Lock()
	if s.stopping() {
		s.mu.Unlock()
		return nil
	}
	if err := cmd.Start(); err != nil {
		s.mu.Unlock()
		return err
	}
	s.running[cmd] = struct{}{}
	s.mu.Unlock()
	err := cmd.Wait()
	s.mu.Lock()
	delete(s.running, cmd)
	s.mu.Unlock()
	return err
}

func (s *supervisor) stopping() bool {
	select {
	case <-s.ending:
		return true
	default:
		return false
	}
}

// stop makes the children finish their work; called again, it makes them leave at once.
func (s *supervisor) stop() {
	s.once.Do(func() { close(s.ending) })
	s.signal(syscall.SIGTERM)
}

func (s *supervisor) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for cmd := range s.running {
		_ = cmd.Process.Signal(sig) // one that has just ended needs none
	}
}

// checkChildren lets every child check its flags and configuration, and returns what the first that is
// not content says.
func checkChildren(ctx context.Context, children []child) error {
	for _, c := range children {
		out, err := exec.CommandContext(ctx, c.path, append(c.args, "--check")...).CombinedOutput()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return bot.Said(string(out), exit.ExitCode())
		}
		if err != nil {
			return bot.Hint(err, "build all programs with make build; they belong into one folder")
		}
	}
	return nil
}
