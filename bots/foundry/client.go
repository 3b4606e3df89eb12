package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"foundry/bots/foundry/transaction"
	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/message"
)

// client is one call of the program: the flags that its commands share and what they speak
// through.
type client struct {
	bot.Settings
	connect   bot.Connector
	config    *bot.Config // nil where there is no file
	out, errs io.Writer
}

// session is a client that is connected.
type session struct {
	bot.Ports
	self   message.Bot
	sealer *bus.Sealer
}

// configure reads the configuration file, if any, and fills in the flags that were not given.
func (c *client) configure(cmd *cobra.Command) error {
	if c.Config == "" {
		c.Config = os.Getenv("FOUNDRY_CONFIG")
	}
	if c.Config == "" {
		if _, err := os.Stat("foundry.toml"); err == nil {
			c.Config = "foundry.toml"
		}
	}
	if c.Config != "" && cmd.Name() != "init" {
		config, err := bot.ReadConfig(c.Config)
		if err != nil {
			return err
		}
		c.config = config
	}
	if err := bot.Apply(cmd.Flags(), "foundry", c.config); err != nil {
		return err
	}
	return c.absolute()
}

// absolute makes the folders independent of the current one.
func (c *client) absolute() error {
	for _, dir := range []*string{&c.State, &c.Cache} {
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return fmt.Errorf("find folder %s: %w", *dir, err)
		}
		*dir = abs
	}
	return nil
}

// log is the log of the commands that write one.
func (c *client) log() zerolog.Logger {
	return bot.NewLog(c.errs, c.JSON, c.Verbose).With().Str("bot", "foundry").Logger()
}

// open connects to the bus of the state folder.
func (c *client) open(ctx context.Context) (*session, error) {
	if _, err := os.Stat(c.State); errors.Is(err, fs.ErrNotExist) {
		return nil, bot.Hint(fmt.Errorf("no state folder %s", c.State),
			`make one with "foundry init", or name another with --state FOLDER or --config FILE`)
	}
	if err := bot.PrepareState(c.State); err != nil {
		return nil, err
	}
	sealer, err := bot.NewSealer(c.State, "foundry", speaksOn())
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("find host name: %w", err)
	}
	self := message.Bot{
		Name: "foundry", Instance: bot.NewInstance("foundry"), Host: host,
		Endpoint: "pub/foundry", Version: bot.Version,
	}
	ports, err := bot.Connect(ctx, &c.Settings, "foundry", self.Instance, c.log(), c.connect)
	if err != nil {
		return nil, err
	}
	return &session{Ports: ports, self: self, sealer: sealer}, nil
}

// openTransaction connects to the foundry and reads what is kept of a transaction. The session is to be closed.
func (c *client) openTransaction(ctx context.Context, name string) (*session, *transaction.Transaction, error) {
	s, err := c.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	t, err := s.transactions().Load(ctx, name)
	if err != nil {
		s.close()
		return nil, nil, err
	}
	return s, t, nil
}

// transactions reads from what the session is connected to.
func (s *session) transactions() *transaction.Reader {
	return &transaction.Reader{Bus: s.Bus, Herd: s.Herd, Sealer: s.sealer}
}

// speaksOn lists the topics on which the herder is believed.
func speaksOn() []message.Topic {
	return []message.Topic{message.Commits, message.Sources, message.Failures, message.Rejects, message.ControlTopic}
}

// close gives the connection up.
func (s *session) close() { _ = s.Bus.Close() }

// publish seals and publishes m; fresh is false when it was there already.
func (s *session) publish(ctx context.Context, m *message.Message) (fresh bool, err error) {
	raw, err := s.sealer.Seal(m)
	if err != nil {
		return false, err
	}
	err = s.Bus.Publish(ctx, raw)
	if errors.Is(err, bus.ErrDuplicate) {
		return false, nil
	}
	return err == nil, err
}

// path joins elem to the state folder.
func (c *client) path(elem ...string) string {
	return filepath.Join(append([]string{c.State}, elem...)...)
}
