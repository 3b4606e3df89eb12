// Provisionbot makes the environments that source packages are built in: for its architecture it
// resolves the build dependencies of a package in a clean base system and makes or reuses an
// immutable image that has them installed. It says where a package is not for its architecture.
//
// It watches sources and publishes provisions. Images are made with podman and stay in the cache
// folder; buildbots on other hosts get them through the artifact store.
package main

import (
	"cmp"
	"context"
	"os"

	"foundry/bots/internal/wire"
	"foundry/pkg/bot"
	"foundry/pkg/environment"
	"foundry/pkg/environment/podman"
	"foundry/pkg/message"
)

func main() { os.Exit(bot.Main(definition(), wire.Connect, os.Args[1:])) }

func definition() bot.Definition {
	o := new(options)
	return bot.Definition{
		Name:  "provisionbot",
		Short: "Make clean environments that have the build dependencies installed",
		Long: `Provisionbot makes the environments that packages are built in.

For its architecture it resolves the build dependencies of each source package with apt in a clean
base system, made with mmdebstrap from --mirror, and makes an image that has them installed. An
image with the same packages is used again, and while no source list has changed the same request
is answered at once. When a release has changed, its base system is made anew in the background;
images that were not used for longest are removed when they take more than --image-limit.

The packages of a codename are built in the Debian release of the same name unless --base says
which. --repository adds source lists; "%(codename)s" in its suite stands for the package's codename.
--self is the repository that is being published, so that packages build-depend on each other.

A package with a build dependency that no source list can satisfy waits while another package on its
way may bring it, and is built once that is in. Packages that wait for each other fail.`,
		Example: `  provisionbot
  provisionbot --arch i386 --base unstable=sid
  provisionbot --self https://apt.example.org/debian --self-keyring /etc/apt/keyrings/example.gpg
  provisionbot --base mycodename=trixie --repository 'https://apt.example.org/debian %(codename)s main' --keyring /etc/apt/keyrings/example.gpg`,
		Watch: message.Sources, Publish: message.Provisions,
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
	share, err := o.share(b)
	if err != nil {
		return err
	}
	return engine.While(ctx, podman.Upkeep{Limit: o.images, Bases: true, Log: b.Log}, func(ctx context.Context) error {
		return o.work(ctx, b, engine, share)
	})
}

// work makes environments until the bot is stopped.
func (o *options) work(ctx context.Context, b *bot.Bot, environments environment.Provisioner, share bool) error {
	p := &provisioner{options: o, environments: environments, share: share}
	p.waker = newWaker(p, b)
	return b.Work(ctx, p.step())
}
