package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"foundry/bots/foundry/transaction"

	"github.com/spf13/cobra"

	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/environment"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

// demoMarker is the file that tells a folder that a demo made from any other.
const demoMarker = ".foundry-demo"

func (c *client) demoCommand() *cobra.Command {
	var release, mirror string
	cmd := &cobra.Command{
		Use: "demo", Short: "Show the whole way from git push to apt-get install",
		Long: `Demo makes a foundry in a fresh state folder and runs all of it: bus, six bots, a git repository with a small package.
It signs and pushes a commit, shows the stages, installs the package with apt in a clean Debian container, runs it,
and walks back from the installed package to the commit. It needs podman and a Debian mirror. The first run makes a
base system, which takes a minute or two; later ones reuse it.`,
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("state") && os.Getenv("FOUNDRY_STATE") == "" {
				c.State = bot.DefaultState() + "-demo"
			}
			c.Bus, c.BusNKey, c.Store = "", "", "" // all of its own, whatever the environment says
			return c.demo(cmd.Context(), release, mirror)
		},
	}
	cmd.Flags().StringVar(&release, "release", "bookworm", "Debian release to build in and install on")
	cmd.Flags().StringVar(&mirror, "mirror", "http://deb.debian.org/debian", "Debian mirror")
	return cmd
}

// demo is one run of the command.
type demo struct {
	*client
	release, mirror string
	serve           string // address of the apt repository
	git             *demoGit
	begun           time.Time
}

func (c *client) demo(ctx context.Context, release, mirror string) error {
	d := &demo{client: c, release: release, mirror: mirror, begun: time.Now()}
	if err := d.prepare(ctx); err != nil {
		return err
	}
	logFile, err := os.Create(c.path("demo.log"))
	if err != nil {
		return fmt.Errorf("make log of the demo: %w", err)
	}
	defer logFile.Close()
	bots := *c
	bots.errs, bots.JSON = logFile, true
	signals := make(chan os.Signal, 4)
	up := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		f := &foundry{client: &bots, log: bots.log(), ready: func() { close(up) }}
		ended <- f.run(signals)
	}()
	select {
	case err := <-ended:
		return err
	case <-up:
	}
	d.say("six bots and a bus are up; their log is in %s", logFile.Name())
	err = d.play(ctx)
	if ctx.Err() != nil {
		signals <- syscall.SIGTERM // twice: leave at once
	}
	signals <- syscall.SIGTERM
	if stopErr := <-ended; err == nil {
		err = stopErr
	}
	if err != nil {
		return bot.Hint(err, or(bot.HintOf(err), "the bots' log is in "+logFile.Name()))
	}
	d.next()
	return nil
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, "%s\n", bot.Printable(fmt.Sprintf(format, args...)))
}

// prepare makes a fresh state folder, configuration, keys and git repository.
func (d *demo) prepare(ctx context.Context) error {
	if err := freshFolder(d.State); err != nil {
		return err
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	d.serve = address
	if d.git, err = makeDemoGit(ctx, d.path("git-demo")); err != nil {
		return err
	}
	path := d.path("foundry.toml")
	err = initialize(path, plan{
		State: d.State, Cache: d.Cache, Repositories: []string{d.git.bare + "#" + demoBranch},
		Codename: d.release, Release: d.release, Mirror: d.mirror, Arch: environment.HostArchitecture(),
		Name: "demo", Description: "Demonstration of foundry", Serve: d.serve, Interval: "1s",
	}, false)
	if err != nil {
		return err
	}
	if d.config, err = bot.ReadConfig(path); err != nil {
		return err
	}
	d.say("state folder %s: configuration, keys, keyrings", d.State)
	return nil
}

// freshFolder makes dir anew; one that is there must be that of an earlier demo.
func freshFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look at state folder: %w", err)
	}
	if len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(dir, demoMarker)); err != nil {
			return bot.Hint(fmt.Errorf("state folder %s is not empty, and not that of a demo", dir), "give another with --state FOLDER")
		}
		if unlock, err := (&foundry{client: &client{Settings: bot.Settings{State: dir}}}).lock(); err != nil {
			return err
		} else {
			defer unlock()
		}
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove state of an earlier demo: %w", err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make state folder: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, demoMarker), nil, 0o644); err != nil {
		return fmt.Errorf("make state folder: %w", err)
	}
	return nil
}

// freeAddress is an address of the loopback interface that nobody listens at.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// play is what the demo shows while the foundry runs.
func (d *demo) play(ctx context.Context) error {
	s, err := d.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	key, err := d.committer(ctx)
	if err != nil {
		return err
	}
	hash, err := d.git.commit(ctx, key, "Say hello")
	if err != nil {
		return err
	}
	d.say("commit %.10s of foundry-hello, signed by %s", hash, key.Fingerprint())
	if err := d.git.push(ctx); err != nil {
		return err
	}
	d.say("pushed to %s#%s; the stages, with their durations:", d.git.bare, demoBranch)
	name, err := s.announcement(ctx, hash)
	if err != nil {
		return fmt.Errorf("wait for the announcement of %s: %w", hash, err)
	}
	t, err := s.followShown(ctx, name, newProgress(d.out))
	if err != nil {
		return err
	}
	t.Conclude(d.out)
	if t.State() != transaction.Published {
		return fmt.Errorf("%s was not published", name)
	}
	deb, err := d.install(ctx)
	if err != nil {
		return err
	}
	return d.prove(ctx, s, deb)
}

// committer makes the key that signs the demo's commits and lets it.
func (d *demo) committer(ctx context.Context) (trust.Signer, error) {
	path := d.path("keys", "committer.asc")
	key, _, err := trust.LoadOrCreate(path, "Foundry Demo")
	if err != nil {
		return nil, fmt.Errorf("make key of the committer: %w", err)
	}
	if err := trust.Allow(bot.TrustDir(d.State), "committers", key); err != nil {
		return nil, fmt.Errorf("trust key of the committer: %w", err)
	}
	return trust.OpenSigner(ctx, path)
}

// announcement waits for the message that announces a commit and returns its context.
func (s *session) announcement(ctx context.Context, hash string) (name string, err error) {
	err = s.Bus.Tail(ctx, bus.Filter{Topics: []message.Topic{message.Commits}, Follow: true}, func(raw bus.Raw) error {
		m, body, err := s.sealer.Open(raw)
		if err != nil {
			return nil
		}
		if c, ok := body.(*message.Commit); ok && c.Ref == hash {
			name = m.Context
			return transaction.ErrEnded
		}
		return nil
	})
	if errors.Is(err, transaction.ErrEnded) {
		return name, nil
	}
	return "", errors.Join(err, ctx.Err())
}

// prefixer writes each line with a prefix.
type prefixer struct {
	w      io.Writer
	prefix string
	middle bool // of a line
}

func (p *prefixer) Write(text []byte) (int, error) {
	for _, r := range bot.Printable(string(text)) {
		if !p.middle {
			fmt.Fprint(p.w, p.prefix)
			p.middle = true
		}
		fmt.Fprint(p.w, string(r))
		if r == '\n' {
			p.middle = false
		}
	}
	return len(text), nil
}
