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

	"github.com/spf13/pflag"

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
		Flags: func(fs *pflag.FlagSet) {
			fs.StringVar(&o.key, "gpg-key", "", "package key: a `file`, or a fingerprint or user id that gpg knows (default: keys/package.asc in the state folder)")
			fs.StringVar(&o.arch, "arch", "", "sign builds for this architecture only (default: all)")
		},
		Arch:  func() string { return o.arch },
		Check: o.check,
		Run:   o.run,
	}
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
	// An expired key or a card that is not there shows now and not with the first build.
	if _, err := signer.Detach(ctx, []byte("trial\n")); err != nil {
		return bot.Hint(fmt.Errorf("try package key: %w", err), "renew the key, or give another with --gpg-key")
	}
	b.Log.Info().Str("key", signer.Fingerprint()).Msg("package key is open")
	s := &signing{signer: signer}
	return b.Work(ctx, bot.Step{Key: o.arch, Results: s.results, Do: s.do, Stage: s.stage})
}

// openKey opens the package key, or makes one where none was given and lets distbots of the same
// state folder believe it.
func openKey(ctx context.Context, b *bot.Bot, spec string) (trust.Signer, error) {
	const hint = `give a key file or the fingerprint of a key that "gpg --list-secret-keys" shows with --gpg-key`
	if spec != "" {
		signer, err := trust.OpenSigner(ctx, spec)
		if err != nil {
			return nil, bot.Hint(fmt.Errorf("open package key: %w", err), hint)
		}
		return signer, allowFirst(b, signer)
	}
	spec = b.Path("keys", "package.asc")
	key, created, err := trust.LoadOrCreate(spec, "foundry packages")
	if err != nil {
		return nil, bot.Hint(fmt.Errorf("open package key: %w", err), hint)
	}
	if created {
		b.Log.Info().Str("file", spec).Str("key", key.Fingerprint()).Msg("package key made")
		if err := trust.Allow(bot.TrustDir(b.Settings.State), "packages", key); err != nil {
			return nil, fmt.Errorf("trust package key: %w", err)
		}
	}
	signer, err := trust.OpenSigner(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("open package key: %w", err)
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
		return fmt.Errorf("trust package key: %w", err)
	}
	if err := os.WriteFile(told, public, 0o644); err != nil {
		return fmt.Errorf("trust package key: %w", err)
	}
	ring, err := trust.ReadKeyring(told)
	if err != nil {
		return fmt.Errorf("trust package key: %w", err)
	}
	if err := trust.Add(dir, "packages", ring); err != nil {
		return fmt.Errorf("trust package key: %w", err)
	}
	return nil
}
