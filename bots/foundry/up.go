package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/bus/jetstream"
)

func (c *client) upCommand() *cobra.Command {
	return &cobra.Command{
		Use: "up", Short: "Run a whole foundry in the foreground",
		Long: `Up runs the bus, unless the configuration names an external one, and every bot of the configuration as a process of its
own; one that dies is started again. The first interrupt lets the bots finish their work, the second makes them
leave at once: whatever is unfinished goes on after the next start.`,
		Example: "  foundry init --repository https://example.org/hello.git#stable\n  foundry up --config foundry.toml",
		Args:    exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			if c.config == nil {
				return bot.Hint(errors.New("no configuration file"), `make one with "foundry init", or name it with --config FILE`)
			}
			log := c.log()
			signals := make(chan os.Signal, 4)
			signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
			defer signal.Stop(signals)
			f := &foundry{client: c, log: log, ready: func() { log.Info().Msg("foundry is up") }}
			return f.run(signals)
		},
	}
}

// foundry is a bus and its bots on one machine.
type foundry struct {
	*client
	log   zerolog.Logger
	ready func() // called when the bus answers and the bots have been started
}

// run runs until the first of signals, or the end of every bot and then a signal.
func (f *foundry) run(signals <-chan os.Signal) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	users, err := prepareKeys(f.State)
	if err != nil {
		return err
	}
	unlock, err := f.lock()
	if err != nil {
		return err
	}
	defer unlock()
	children, err := f.children()
	if err != nil {
		return err
	}
	if err := checkChildren(ctx, children); err != nil {
		return err
	}
	closeBus, err := f.bus(users)
	if err != nil {
		return err
	}
	defer closeBus()
	s, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	undertaker := make(chan struct{})
	go func() {
		defer close(undertaker)
		f.bury(ctx, s)
	}()
	defer func() { cancel(); <-undertaker }()
	f.supervise(children, signals)
	return nil
}

// supervise runs the children until they have been stopped by signals.
func (f *foundry) supervise(children []child, signals <-chan os.Signal) {
	s := newSupervisor(f.log, newRelay(f.errs, f.JSON))
	ended := make(chan struct{})
	go func() {
		s.run(children)
		close(ended)
	}()
	f.ready()
	stops := 0
	for {
		select {
		case <-signals:
			stops++
			f.log.Info().Int("stop", stops).Msg("stopping; once more to leave at once")
			s.stop()
		case <-ended:
			if stops > 0 {
				return
			}
			f.log.Info().Msg("all bots have been stopped; the bus goes on until a signal")
			ended = nil
		}
		if stops > 0 && ended == nil {
			return
		}
	}
}

// lock makes sure that one foundry at a time runs on the state folder.
func (f *foundry) lock() (unlock func(), err error) {
	if err := os.MkdirAll(f.path("run"), 0o755); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	file, err := os.OpenFile(f.path("run", "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock state folder: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		pid, _ := os.ReadFile(file.Name())
		file.Close()
		return nil, bot.Hint(fmt.Errorf("a foundry runs on %s already (process %s)", f.State, pid), "stop it first, or give another folder with --state FOLDER")
	}
	if err := errors.Join(file.Truncate(0), writeAt(file, strconv.Itoa(os.Getpid()))); err != nil {
		file.Close()
		return nil, fmt.Errorf("lock state folder: %w", err)
	}
	return func() { file.Close() }, nil
}

func writeAt(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}

// children are the bots of the configuration.
func (f *foundry) children() (children []child, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	config, err := filepath.Abs(f.config.Path)
	if err != nil {
		return nil, fmt.Errorf("find configuration: %w", err)
	}
	for _, program := range bot.Programs() {
		for i := range f.config.Bots[program] {
			args := []string{
				"--config=" + config, "--entry=" + strconv.Itoa(i), "--state=" + f.State, "--cache=" + f.Cache,
				"--bus=" + f.Bus, // empty: the one that the file run/bus names
			}
			for range f.Verbose {
				args = append(args, "--verbose")
			}
			children = append(children, child{
				name: fmt.Sprintf("%s %d", program, i+1), path: filepath.Join(filepath.Dir(self), program),
				args: append(args, "--json"),
			})
		}
	}
	if len(children) == 0 {
		return nil, bot.Usage(f.config.Path+": no bots", "write a table for each, such as [[buildbot]]")
	}
	return children, nil
}

// bus starts the embedded bus, unless there is an external one, and writes its URL where the other
// programs of this state folder find it.
func (f *foundry) bus(users []jetstream.User) (closeBus func(), err error) {
	if f.Bus != "" {
		return func() {}, nil
	}
	host, port, err := f.listen()
	if err != nil {
		return nil, err
	}
	server, err := jetstream.StartServer(jetstream.ServerOptions{Dir: f.path("bus"), Host: host, Port: port, Users: users, Log: f.log})
	if err != nil {
		return nil, err
	}
	file := bot.BusFile(f.State)
	if err := os.WriteFile(file+".new", []byte(server.URL()+"\n"), 0o644); err != nil {
		server.Shutdown()
		return nil, fmt.Errorf("write URL of the bus: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		server.Shutdown()
		return nil, fmt.Errorf("write URL of the bus: %w", err)
	}
	f.log.Info().Str("url", server.URL()).Msg("bus is up")
	return func() {
		_ = os.Remove(file) // one that stays is told apart by nobody answering
		server.Shutdown()
	}, nil
}

// listen is the address of the embedded bus.
func (f *foundry) listen() (host string, port int, err error) {
	if f.config.BusListen == "" {
		return "127.0.0.1", 0, nil
	}
	host, service, err := net.SplitHostPort(f.config.BusListen)
	if err == nil {
		port, err = strconv.Atoi(service)
	}
	if err != nil || port < 0 || port > 65535 {
		return "", 0, bot.Usage(fmt.Sprintf("%s: [bus] listen %q is not an address", f.config.Path, f.config.BusListen), "write HOST:PORT, as in 127.0.0.1:4222")
	}
	return host, port, nil
}

// giver is a bus that tells which messages were given up: tried as often as may be, mostly because
// the bot died each time.
type giver interface {
	GivenUp(ctx context.Context, f func(consumer string, raw bus.Raw) error) error
}
