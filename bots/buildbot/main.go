// Buildbot builds source packages: for each it starts a throw-away instance of the environment that
// provisionbot has made, without network unless the package's policy asks for it, streams the log while
// the build runs, and keeps exactly the files that the .changes lists and those that the policy names.
//
// It watches provisions of its architecture and publishes builds. Everything that comes out of a
// build is taken for hostile: names, sizes, hashes and kinds of files are checked before anything
// is kept. A package that does not build is a failure of the package; podman trouble is not.
package main

import (
	"cmp"
	"context"
	"os"

	"foundry/bots/internal/wire"
	"foundry/pkg/bot"
	"foundry/pkg/environment/podman"
	"foundry/pkg/message"
)

func main() { os.Exit(bot.Main(definition(), wire.Connect, os.Args[1:])) }

func definition() bot.Definition {
	o := new(options)
	return bot.Definition{
		Name:  "buildbot",
		Short: "Build packages in clean environments without network",
		Long: `Buildbot builds source packages in throw-away instances of the environments that provisionbot makes.

A build has no network, no more than the build dependencies, a user of its own and a read-only root
file system. Its log can be read while it runs: "foundry logs". What the .changes lists is kept, and so are the
"outputs" of debian/foundry.toml; all else vanishes with the instance. A package whose debian/foundry.toml says
"network = true" has the host's network, unless --network never is given.`,
		Example: `  buildbot
  buildbot --arch i386 --endpoint pub/buildbot_i386 --jobs 2 --parallel 4
  buildbot --timeout 12h --memory 16G --cpus 8`,
		Watch: message.Provisions, Publish: message.Builds,
		Flags: o.declare,
		Check: func() error {
			return cmp.Or(o.check(), podman.Check(context.Background()), podman.CheckArchitecture(o.Arch))
		},
		Arch: func() string { return o.Arch },
		Run:  o.run,
	}
}

func (o *options) run(ctx context.Context, b *bot.Bot) error {
	engine, err := podman.Open(ctx, b.Settings.Cache)
	if err != nil {
		return err
	}
	w := &builder{options: o, runtime: engine}
	return engine.While(ctx, podman.Upkeep{Limit: o.images, Log: b.Log}, func(ctx context.Context) error {
		return b.Work(ctx, bot.Step{Key: o.Arch, Results: w.results, Do: w.do, Stage: w.stage})
	})
}
