package repo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"

	"foundry/bots/internal/repoctl"
	"foundry/bots/internal/repository"
	"foundry/pkg/bot"
	"foundry/pkg/publish"
)

// archive is a repository that a command works on.
type archive struct {
	publish.Archive
	about repoctl.About
	alone *repository.Repository // the same, opened by this process; nil where a distbot is running
}

// chosen returns the name of the repository that is meant.
func (e *Env) chosen() (string, error) {
	if e.name != "" {
		if !publish.ValidName(e.name) {
			return "", bot.Usage(fmt.Sprintf("--name %q: not a name", e.name), `use letters, digits, "-", "_" and "."`)
		}
		return e.name, nil
	}
	names, err := repository.Names(e.State)
	if err != nil {
		return "", err
	}
	if len(names) == 1 {
		return names[0], nil
	}
	if len(names) > 1 && !slices.Contains(names, defaultName) {
		return "", bot.Usage("the state folder has several repositories", bot.Nearest("", names)+"; say which with --name")
	}
	return defaultName, nil
}

const defaultName = "main"

// open reaches the repository: by way of a running distbot, or by opening it.
func (e *Env) open(ctx context.Context) (*archive, error) {
	name, err := e.chosen()
	if err != nil {
		return nil, err
	}
	client, err := e.dial(ctx, name)
	if !errors.Is(err, repoctl.ErrNotRunning) {
		return client, err
	}
	settings, err := repository.Load(e.State, name)
	if err != nil {
		return nil, err
	}
	if err := checkOwner(repository.Dir(e.State, name)); err != nil {
		return nil, err
	}
	b := e.bot()
	options, err := settings.Options(ctx, b)
	if err != nil {
		return nil, err
	}
	return e.first(ctx, name, repository.About(options), func(ctx context.Context) (*repository.Repository, error) {
		return settings.Open(ctx, b, options)
	})
}

// bot is one as far as opening a repository needs it. It logs what goes wrong.
func (e *Env) bot() *bot.Bot {
	log := bot.NewLog(e.Errs, e.JSON, e.Verbose)
	if e.Verbose == 0 {
		log = log.Level(zerolog.WarnLevel)
	}
	return &bot.Bot{Log: log, Settings: *e.Settings}
}

// checkOwner keeps root from leaving files in the repository that its distbot may not change.
func checkOwner(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("find repository: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(stat.Uid) == os.Geteuid() {
		return nil
	}
	owner := strconv.Itoa(int(stat.Uid))
	if u, err := user.LookupId(owner); err == nil {
		owner = u.Username
	}
	return bot.Hint(fmt.Errorf("no distbot is running, and %s belongs to the user %s", dir, owner), "run this as that user, or start distbot")
}

// first reaches the repository by the way that is there first: another process may have it open that listens
// soon, or closes it.
func (e *Env) first(ctx context.Context, name string, about repoctl.About, open func(context.Context) (*repository.Repository, error)) (*archive, error) {
	type outcome struct {
		repo *repository.Repository
		err  error
	}
	opening, cancel := context.WithCancel(ctx)
	defer cancel()
	opened := make(chan outcome, 1)
	go func() {
		repo, err := open(opening)
		opened <- outcome{repo, err}
	}()
	tick := time.NewTicker(redial)
	defer tick.Stop()
	for told := false; ; {
		select {
		case o := <-opened:
			if o.err != nil {
				return nil, o.err
			}
			return &archive{Archive: o.repo, about: about, alone: o.repo}, nil
		case <-tick.C:
		}
		client, err := e.dial(ctx, name)
		if err == nil {
			cancel()
			if o := <-opened; o.err == nil {
				err = o.repo.Close()
			}
			return client, err
		}
		if !told && e.terminal() {
			fmt.Fprintln(e.Errs, "another process has the repository open: waiting")
			told = true
		}
	}
}

// redial is how often the socket is tried while another process has the repository open.
const redial = 300 * time.Millisecond

// dial reaches a running distbot.
func (e *Env) dial(ctx context.Context, name string) (*archive, error) {
	client, err := repoctl.Dial(ctx, repoctl.Path(e.State, name))
	if err != nil {
		return nil, err
	}
	if e.terminal() {
		client.Waiting = func(since time.Duration) { fmt.Fprintf(e.Errs, "\rworking for %s …\033[K\r", since) }
	}
	return &archive{Archive: client, about: client.About}, nil
}

// terminal tells whether a person is at the other end of the input and of the messages.
func (e *Env) terminal() bool {
	return isTerminal(e.In) && isTerminal(e.Errs)
}

func isTerminal(stream any) bool {
	f, ok := stream.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}

// with calls f with the repository, and closes it.
func (e *Env) with(ctx context.Context, f func(a *archive) error) (err error) {
	a, err := e.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	return explain(f(a))
}

// explained brings what the repository says of itself up to date, where no distbot does.
func (a *archive) explained(ctx context.Context) error {
	if a.alone == nil {
		return nil
	}
	return a.alone.ExplainOnce(ctx)
}

// codename returns the codename that a person means, by itself or by its second name.
func (a *archive) codename(name string) (string, error) {
	if slices.Contains(a.about.Codenames, name) {
		return name, nil
	}
	known := slices.Clone(a.about.Codenames)
	for codename, suite := range a.about.Suites {
		if suite == name {
			return codename, nil
		}
		known = append(known, suite)
	}
	slices.Sort(known)
	return "", bot.Hint(fmt.Errorf("repository %s has no codename %q", a.about.Name, name), bot.Nearest(name, known))
}

// codenames returns the codename that is named, or all.
func (a *archive) codenames(args []string) ([]string, error) {
	if len(args) == 0 {
		return a.about.Codenames, nil
	}
	name, err := a.codename(args[0])
	return []string{name}, err
}

// explain adds the hint of a refusal, which is a part of it.
func explain(err error) error {
	var refused *publish.RefusedError
	if errors.As(err, &refused) {
		return bot.Hint(err, refused.Hint)
	}
	return err
}
