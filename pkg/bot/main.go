package bot

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"foundry/pkg/bus"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

// Main runs the program that d defines with the given arguments and returns its exit status.
func Main(d Definition, connect Connector, args []string) int {
	p := &program{d: d, connect: connect, out: os.Stdout, err: os.Stderr}
	return Report(p.err, d.Name, p.command(args).ExecuteContext(context.Background()))
}

// program is one call of a bot's program.
type program struct {
	d       Definition
	connect Connector
	s       Settings
	out     io.Writer
	err     io.Writer
}

func (p *program) command(args []string) *cobra.Command {
	cmd := &cobra.Command{
		Use: p.d.Name, Short: p.d.Short, Long: p.d.Long, Example: p.d.Example, Version: Version,
		SilenceErrors: true, SilenceUsage: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return Usage(fmt.Sprintf("unexpected argument %q", args[0]), "see "+p.d.Name+" --help")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return p.run(cmd) },
	}
	cmd.SetArgs(args)
	cmd.SetOut(p.out)
	cmd.SetErr(p.err)
	p.s.declare(cmd.Flags(), p.d)
	if p.d.Flags != nil {
		p.d.Flags(cmd.Flags())
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return FlagError(cmd, err) })
	return cmd
}

// FlagError turns what cobra says about a flag into a Usage error that names the nearest one.
func FlagError(cmd *cobra.Command, err error) error {
	hint := "see " + cmd.CommandPath() + " --help"
	var name string
	if n, _ := fmt.Sscanf(err.Error(), "unknown flag: --%s", &name); n == 1 {
		hint = Nearest(name, flagNames(cmd.Flags()))
	}
	return Usage(err.Error(), hint)
}

func (p *program) run(cmd *cobra.Command) error {
	if err := p.configure(cmd); err != nil {
		return err
	}
	log := NewLog(p.err, p.s.JSON, p.s.Verbose).With().Str("bot", p.d.Name).Logger()
	switch {
	case p.s.List:
		return p.list(cmd.Context(), log)
	case p.s.Stop != "":
		return p.stop(cmd.Context(), log)
	}
	if p.d.Check != nil {
		if err := p.d.Check(); err != nil {
			return err
		}
	}
	if p.s.Check {
		return nil
	}
	return p.live(cmd.Context(), log)
}

// configure fills the flags that were not given from environment and file, and checks them.
func (p *program) configure(cmd *cobra.Command) error {
	fs := cmd.Flags()
	if p.s.Config == "" {
		p.s.Config = os.Getenv("FOUNDRY_CONFIG")
	}
	var (
		config *Config
		entry  Entry
		err    error
	)
	if p.s.Config != "" {
		if config, err = ReadConfig(p.s.Config); err != nil {
			return err
		}
		if !p.s.List && p.s.Stop == "" {
			if entry, err = config.Entry(p.d.Name, p.s.Entry, p.s.Endpoint); err != nil {
				return err
			}
		}
	}
	if err := apply(fs, p.d.Name, os.Getenv, config, entry); err != nil {
		return err
	}
	return p.s.complete(p.d)
}

// live connects the bot and runs it until it is stopped.
func (p *program) live(ctx context.Context, log zerolog.Logger) error {
	if err := PrepareState(p.s.State); err != nil {
		return err
	}
	sealer, err := NewSealer(p.s.State, p.d.Name, p.d.speaksOn(message.Topic(p.s.Publish)))
	if err != nil {
		return err
	}
	b, err := p.bot(log, sealer)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer b.signals(cancel)()
	if b.Ports, err = Connect(ctx, &p.s, p.d.Name, b.Self.Instance, b.Log, p.connect); err != nil {
		return err
	}
	defer b.Bus.Close()
	leave, err := b.join(ctx)
	if err != nil {
		return err
	}
	defer leave()
	b.Log.Info().Int("pid", os.Getpid()).Str("endpoint", p.s.Endpoint).Str("watch", p.s.Watch).
		Str("publish_to", p.s.Publish).Msg("started")
	err = p.d.Run(ctx, b)
	if ctx.Err() != nil {
		b.Log.Warn().Msg("left at once")
		return nil
	}
	if err == nil {
		b.Log.Info().Msg("stopped")
	}
	return err
}

// speaksOn lists the topics that a bot publishing on the given one needs to be believed on.
func (d Definition) speaksOn(publish message.Topic) []message.Topic {
	return []message.Topic{publish, message.Failures, message.Rejects, message.ControlTopic}
}

func (p *program) bot(log zerolog.Logger, sealer *bus.Sealer) (*Bot, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("find host name: %w", err)
	}
	b := &Bot{
		Self: message.Bot{
			Name: p.d.Name, Instance: NewInstance(p.d.Name), Host: host,
			Endpoint: p.s.Endpoint, Version: Version,
		},
		Sealer: sealer, Settings: p.s, stopping: make(chan struct{}),
	}
	if p.d.Arch != nil {
		b.arch = p.d.Arch()
	}
	b.Log = log.With().Str("id", b.Self.Instance).Logger()
	b.state = bus.State{
		Instance: b.Self.Instance, Bot: p.d.Name, PID: os.Getpid(), Host: host,
		Endpoint: p.s.Endpoint, State: "idle", Since: time.Now().UTC(),
		Watches: message.Topic(p.s.Watch), Arch: b.arch, Version: Version,
	}
	return b, nil
}

// NewInstance makes the id of one run of a program, "buildbot-3f2a91c0".
func NewInstance(program string) string {
	var random [4]byte
	rand.Read(random[:]) // never fails, see its documentation
	return program + "-" + hex.EncodeToString(random[:])
}

// signals makes the first signal stop the bot and the second call leave. The returned function
// ends that.
func (b *Bot) signals(leave func()) (end func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case s := <-signals:
				select {
				case <-b.stopping:
					b.Log.Warn().Str("signal", s.String()).Msg("leaving at once")
					leave()
				default:
					b.Log.Info().Str("signal", s.String()).Msg("finishing")
					b.Stop()
				}
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}

// join makes the bot findable until the returned function is called.
func (b *Bot) join(ctx context.Context) (leave func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	if err := b.Herd.Join(ctx, b.Self.Instance, b.State, b.control); err != nil {
		cancel()
		return nil, fmt.Errorf("join the herd: %w", err)
	}
	return cancel, nil
}

// control obeys a control message.
func (b *Bot) control(raw bus.Raw) error {
	_, body, err := b.Sealer.Open(raw)
	if err != nil {
		b.Log.Warn().Err(err).Msg("control message not believed")
		return err
	}
	c, ok := body.(*message.Control)
	if !ok || c.Instance != b.Self.Instance || c.Action != message.ActionStop {
		return fmt.Errorf("not for %s", b.Self.Instance)
	}
	b.Log.Info().Str("signer", raw.Signer).Msg("told to stop")
	b.Stop()
	return nil
}

// Connect connects the program to the bus and store that s names.
func Connect(ctx context.Context, s *Settings, program, instance string, log zerolog.Logger, connect Connector) (Ports, error) {
	url, err := s.BusURL()
	if err != nil {
		return Ports{}, err
	}
	return connect(ctx, Connection{URL: url, NKeyFile: s.nkeyFile(program), Name: instance, Store: s.Store, Log: log})
}

// NewSealer opens the message key of the program, made where there is none, and the keyrings of
// the state folder. The public key of a new key is put into the keyrings of the given topics, for
// whoever may write the state folder decides who is believed.
func NewSealer(state, program string, topics []message.Topic) (*bus.Sealer, error) {
	key, created, err := trust.LoadOrCreate(KeyFile(state, program), program)
	if err != nil {
		return nil, fmt.Errorf("open message key of %s: %w", program, err)
	}
	if created {
		for _, topic := range topics {
			if err := trust.Allow(TrustDir(state), string(topic), key); err != nil {
				return nil, fmt.Errorf("let %s speak on %s: %w", program, topic, err)
			}
		}
	}
	keyrings, err := trust.OpenTopics(TrustDir(state))
	if err != nil {
		return nil, fmt.Errorf("open keyrings: %w", err)
	}
	return &bus.Sealer{Key: key, Topics: keyrings}, nil
}

// NewLog makes the log of a program: text where w is a terminal, JSON where it is not or asked for.
func NewLog(w io.Writer, asJSON bool, verbose int) zerolog.Logger {
	level := zerolog.InfoLevel
	switch {
	case verbose == 1:
		level = zerolog.DebugLevel
	case verbose > 1:
		level = zerolog.TraceLevel
	}
	if f, ok := w.(*os.File); ok && !asJSON && term.IsTerminal(int(f.Fd())) {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly}
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger()
}
