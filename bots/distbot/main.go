// Distbot includes signed builds in an apt repository and publishes it, signed with the repository
// key, which it alone holds.
//
// It watches signs and publishes dists. What it includes must be signed by a package key that it
// trusts, be for a codename that it serves, and be new: the same version with other content and
// steps back are refused as failures.
package main

import (
	"cmp"
	"context"
	"os"
	"time"

	"github.com/spf13/pflag"

	"foundry/bots/internal/repository"
	"foundry/bots/internal/wire"
	"foundry/pkg/bot"
	"foundry/pkg/message"
)

func main() { os.Exit(bot.Main(definition(), wire.Connect, os.Args[1:])) }

func definition() bot.Definition {
	o, s := new(options), new(repository.Settings)
	return bot.Definition{
		Name:  "distbot",
		Short: "publish signed builds in an apt repository",
		Long: `Distbot includes signed builds in an apt repository and publishes it, signed with the repository key,
which it alone holds.

It believes packages that are signed by a key in --trust-packages. Without --gpg-key it uses the key
keys/repository.asc in the state folder, made on first start. The repository is a folder of plain files,
--output, for any web server or for --serve; index.html in it says how to use it, and the package
NAME-archive-keyring in the repository brings machines its keys, also when they change. Builds for codenames that are
not given with --codename are left to other distbots.

A second distbot of the same name on the same state folder is a hot standby: it takes no messages, and takes over
as soon as the first has ended, however it has. What is refused is kept in the state folder, in failed/NAME.
People look into the repository and change it with "foundry repo".`,
		Example: `  distbot --name main --codename bookworm --arch amd64 --arch arm64 --serve :8080
  distbot --name main --codename bookworm --arch amd64 --output /srv/apt --gpg-key 0123456789ABCDEF0123456789ABCDEF01234567`,
		Watch: message.Signs, Publish: message.Dists, Jobs: defaultJobs,
		AckWait: 20 * time.Second, // what a killed distbot held is not to keep a standby waiting for long
		Flags:   func(fs *pflag.FlagSet) { s.Declare(fs); o.declare(fs) },
		Group:   func() string { return s.Name },
		Check:   func() error { return cmp.Or(s.Check(), o.check()) },
		Run: func(ctx context.Context, b *bot.Bot) error {
			ready := b.Standby()
			d, err := o.open(ctx, b, s)
			if err != nil {
				return err
			}
			return d.run(ctx, ready)
		},
	}
}
