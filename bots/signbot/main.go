// Signbot signs builds with the package key, which it alone holds: .dsc, .changes and .buildinfo
// get a signature around their text, each package one inside of it (debsigs(1)).
//
// It watches builds and publishes signs. A package changes when a signature is embedded, so the
// .changes is written anew with the new sizes and hashes; the .buildinfo keeps those of the build,
// since a rebuild gives those. The sign message names the altered files as they were built.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/spf13/pflag"

	"foundry/bots/internal/openkey"
	"foundry/bots/internal/wire"
	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

func main() { os.Exit(bot.Main(definition(), wire.Connect, os.Args[1:])) }

// options are signbot's own flags.
type options struct {
	key  string
	arch string
}

func definition() bot.Definition {
	o := new(options)
	return bot.Definition{
		Name:  "signbot",
		Short: "sign what has been built",
		Long: `Signbot signs builds with the package key, which it alone holds.

It checks that a build's .changes lists exactly the files that the build message names, embeds a
signature in each package, and signs .dsc, .changes and .buildinfo. Without --gpg-key it uses the key
keys/package.asc in the state folder, made on first start; distbots believe the keys in
trust/packages.asc of theirs.`,
		Example: `  signbot
  signbot --gpg-key 0123456789ABCDEF0123456789ABCDEF01234567
  signbot --gpg-key /etc/foundry/package.asc --arch arm64`,
		Watch: message.Builds, Publish: message.Signs,
		Flags: o.declare,
		Arch:  func() string { return o.arch },
		Check: o.check,
		Run:   o.run,
	}
}

func (o *options) declare(fs *pflag.FlagSet) {
	fs.StringVar(&o.key, "gpg-key", "", "package key: a `file`, or a fingerprint or user id that gpg knows (default: keys/package.asc in the state folder)")
	fs.StringVar(&o.arch, "arch", "", "sign builds for this architecture only (default: all)")
}

func (o *options) check() error {
	if o.arch != "" && !debian.Architecture(o.arch).Valid() {
		return bot.Usage(fmt.Sprintf("--arch %q: not an architecture", o.arch), "give one such as amd64, or leave it out to sign for all")
	}
	return nil
}

func (o *options) run(ctx context.Context, b *bot.Bot) error {
	signer, err := openKey(ctx, b, o.key)
	if err != nil {
		return err
	}
	if err := packageKey.Try(ctx, signer); err != nil {
		return err
	}
	b.Log.Info().Str("key", signer.Fingerprint()).Msg("package key is open")
	s := &signing{signer: signer}
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { packageKey.Watch(ctx, b, signer) })
	defer watch.Wait()
	defer cancel()
	return b.Work(ctx, bot.Step{Key: o.arch, Results: s.results, Do: s.do, Stage: s.stage})
}

// packageKey is the key that signbot alone holds.
var packageKey = openkey.Kind{Name: "package key", File: "package.asc", User: "foundry packages"}

// openKey opens the package key, and lets distbots of the same state folder believe it: one that was
// made now, or the first that was given.
func openKey(ctx context.Context, b *bot.Bot, spec string) (trust.Signer, error) {
	signer, made, err := packageKey.Open(ctx, b, spec)
	switch {
	case err != nil:
		return nil, err
	case made != nil:
		err = trust.Allow(bot.TrustDir(b.Settings.State), "packages", made)
	case spec != "":
		err = allowFirst(b, signer)
	}
	if err != nil {
		return nil, fmt.Errorf("trust package key: %w", err)
	}
	return signer, nil
}

// allowFirst lets distbots of the same state folder believe the key where they believe none yet,
// once. Where somebody has decided whom to believe it changes nothing.
func allowFirst(b *bot.Bot, signer trust.Signer) error {
	dir, told := bot.TrustDir(b.Settings.State), b.Path("keys", "package.pub")
	for _, path := range []string{filepath.Join(dir, "packages.asc"), told} {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	public, err := signer.Public()
	if err != nil {
		return err
	}
	if err := os.WriteFile(told, public, 0o644); err != nil {
		return err
	}
	ring, err := trust.ReadKeyring(told)
	if err != nil {
		return err
	}
	return trust.Add(dir, "packages", ring)
}
