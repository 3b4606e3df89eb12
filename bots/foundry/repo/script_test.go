package repo

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"foundry/bots/internal/repoctl"
	"foundry/bots/internal/repository"
	"foundry/pkg/bot"
	"foundry/pkg/message"
	"foundry/pkg/publish"
	"foundry/pkg/publish/publishtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"foundry": foundry})
}

// foundry is the herder with no other commands.
func foundry() {
	settings := new(bot.Settings)
	root := &cobra.Command{Use: "foundry", SilenceErrors: true, SilenceUsage: true, PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
		return bot.Apply(cmd.Flags(), "foundry", nil)
	}}
	settings.DeclareShared(root.PersistentFlags())
	root.SetFlagErrorFunc(bot.FlagError)
	root.AddCommand(Command(&Env{Settings: settings, In: os.Stdin, Out: os.Stdout, Errs: os.Stderr}))
	os.Exit(bot.Report(os.Stderr, "foundry", root.Execute()))
}

// TestScript runs the commands as a person types them, on real repositories.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("FOUNDRY_STATE", filepath.Join(env.WorkDir, "state"))
			env.Setenv("TZ", "UTC")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"repository": makeRepository,
			"include":    func(ts *testscript.TestScript, _ bool, args []string) { include(t, ts, args) },
			"serve":      serve,
		},
	})
}

// described is a bot as far as opening a repository needs one.
func described(ts *testscript.TestScript) *bot.Bot {
	return &bot.Bot{Log: zerolog.Nop(), Settings: bot.Settings{State: ts.Getenv("FOUNDRY_STATE")}}
}

// repository NAME CODENAME… makes a repository, as the first start of a distbot does.
func makeRepository(ts *testscript.TestScript, _ bool, args []string) {
	s, b := new(repository.Settings), described(ts)
	s.Declare(pflag.NewFlagSet("", pflag.ContinueOnError))
	s.Name, s.Codenames, s.Arches = args[0], args[1:], []string{"amd64"}
	ts.Check(s.Resolve(b.Settings.State))
	options, err := s.Options(context.Background(), b)
	ts.Check(err)
	repo, err := s.Open(context.Background(), b, options)
	ts.Check(err)
	ts.Check(errors.Join(s.Save(b.Settings.State), repo.Close()))
}

// open opens a repository, as distbot does.
func open(ts *testscript.TestScript, name string) (*repository.Repository, repoctl.About) {
	b := described(ts)
	s, err := repository.Load(b.Settings.State, name)
	ts.Check(err)
	options, err := s.Options(context.Background(), b)
	ts.Check(err)
	repo, err := s.Open(context.Background(), b, options)
	ts.Check(err)
	return repo, repository.About(options)
}

// include NAME CODENAME SOURCE=VERSION… publishes source packages, each with a binary package of the same name and
// another, SOURCE-doc, for all architectures.
func include(t *testing.T, ts *testscript.TestScript, args []string) {
	repo, _ := open(ts, args[0])
	for _, arg := range args[2:] {
		name, version, _ := strings.Cut(arg, "=")
		dir, err := os.MkdirTemp(ts.Getenv("WORK"), "build-")
		ts.Check(err)
		u := publish.Upload{Package: message.Package{Source: name, Version: version, Codename: args[1]}, Architecture: "amd64"}
		u.Files = []string{
			publishtest.MakeDeb(t, dir, publishtest.Binary{Name: name, Version: version, Arch: "amd64"}),
			publishtest.MakeDeb(t, dir, publishtest.Binary{Name: name + "-doc", Version: version, Arch: "all", Source: name}),
		}
		u.Dsc, u.SourceFiles = publishtest.MakeSource(t, dir, name, version, "orig")
		_, err = repo.Include(context.Background(), u)
		ts.Check(err)
	}
	ts.Check(repo.Close())
}

// serve NAME has the repository open, as a running distbot does, until the script ends.
func serve(ts *testscript.TestScript, _ bool, args []string) {
	repo, about := open(ts, args[0])
	ctx, cancel := context.WithCancel(context.Background())
	listener, err := repoctl.Listen(ctx, repoctl.Path(ts.Getenv("FOUNDRY_STATE"), args[0]))
	ts.Check(err)
	done := make(chan error, 1)
	go func() { done <- repoctl.Serve(ctx, listener, repo, about) }()
	ts.Defer(func() {
		cancel()
		ts.Check(errors.Join(<-done, repo.Close()))
	})
}
