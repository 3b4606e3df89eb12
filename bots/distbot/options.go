package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"foundry/bots/internal/openkey"
	"foundry/pkg/bot"
	"foundry/pkg/message"
	"foundry/pkg/publish"
	"foundry/pkg/trust"
)

// options are distbot's own flags.
type options struct {
	name        string
	output      string
	codenames   []string
	arches      []string
	key         string
	trust       string
	description string
	origin      string
	label       string
	component   string
	serve       string
	uri         string
	validFor    time.Duration
	lockstep    time.Duration
}

// maxLockstep is the longest time that builds may wait for others, far from that after which the bus
// forgets them.
const maxLockstep = message.MaxAge / 2

func (o *options) declare(fs *pflag.FlagSet) {
	fs.StringVar(&o.name, "name", "main", "`name` of the repository")
	fs.StringVar(&o.output, "output", "", "`folder` of the repository (default: repo/NAME in the state folder)")
	fs.StringArrayVar(&o.codenames, "codename", nil, "codename to serve, or CODENAME=SUITE to give it a second name such as stable (repeatable)")
	fs.StringArrayVar(&o.arches, "arch", nil, "architecture of the repository (repeatable)")
	fs.StringVar(&o.key, "gpg-key", "", "repository key: a `file`, or a fingerprint or user id that gpg knows (default: keys/repository.asc in the state folder)")
	fs.StringVar(&o.trust, "trust-packages", "", "keyring `file` of the keys that may sign packages (default: trust/packages.asc in the state folder)")
	fs.StringVar(&o.description, "description", "", "description of the repository")
	fs.StringVar(&o.origin, "origin", "", "origin of the repository, for apt's pinning (default: its name)")
	fs.StringVar(&o.label, "label", "", "label of the repository, for apt's pinning (default: its name)")
	fs.StringVar(&o.component, "component", publish.DefaultComponent, "component that all packages are in")
	fs.StringVar(&o.serve, "serve", "", "`address` at which to serve the repository over http, such as :8080 or [::1]:8080 (default: not at all)")
	fs.StringVar(&o.uri, "uri", "", "`URI` under which clients reach the repository, for the .sources files in it")
	fs.DurationVar(&o.validFor, "valid-for", publish.DefaultValidFor, "how long clients believe metadata that is not signed anew")
	fs.DurationVar(&o.lockstep, "lockstep", 0, "publish all architectures of a source package together, and wait at most so `long` for those that have neither come nor failed (default: publish each when it comes)")
}

func (o *options) check() error {
	if !publish.ValidName(o.name) {
		return bot.Usage(fmt.Sprintf("--name %q: not a name", o.name), `use letters, digits, "-", "_" and "."`)
	}
	if len(o.codenames) == 0 {
		return bot.Usage("no --codename given", "say what to serve, as in --codename bookworm")
	}
	if len(o.arches) == 0 {
		return bot.Usage("no --arch given", "say what to serve, as in --arch amd64")
	}
	for _, c := range o.codenames {
		codename, suite, aliased := strings.Cut(c, "=")
		if !publish.ValidName(codename) || aliased && !publish.ValidName(suite) {
			return bot.Usage(fmt.Sprintf("--codename %q: not a codename", c), "give one such as bookworm, or bookworm=stable")
		}
	}
	for _, a := range o.arches {
		if !publish.ValidArchitecture(a) {
			return bot.Usage(fmt.Sprintf("--arch %q: not an architecture of machines", a), "give one such as amd64; source packages and those for all architectures are always served")
		}
	}
	if !publish.ValidName(o.component) {
		return bot.Usage(fmt.Sprintf("--component %q: not a component", o.component), "use one such as main")
	}
	if o.validFor < publish.MinValidFor {
		return bot.Usage(fmt.Sprintf("--valid-for %s: must be at least 1h", o.validFor), "a few days give you time to mend a distbot that has stopped")
	}
	if o.lockstep < 0 || o.lockstep > maxLockstep {
		return bot.Usage(fmt.Sprintf("--lockstep %s: not between 0 and %s", o.lockstep, maxLockstep), "give how long the slowest architecture may take, as in 12h")
	}
	if o.serve != "" {
		if _, _, err := net.SplitHostPort(o.serve); err != nil {
			return bot.Usage(fmt.Sprintf("--serve %q: not an address", o.serve), "give host and port, as in 0.0.0.0:8080 or [::]:8080")
		}
	}
	return nil
}

func (o *options) suites() []publish.Suite {
	var suites []publish.Suite
	for _, c := range o.codenames {
		codename, suite, _ := strings.Cut(c, "=")
		suites = append(suites, publish.Suite{
			Codename: codename, Suite: suite, Component: o.component, Architectures: o.arches,
			Origin: cmp.Or(o.origin, o.name), Label: cmp.Or(o.label, o.name), Description: o.description,
		})
	}
	return suites
}

// open opens keys and repository.
func (o *options) open(ctx context.Context, b *bot.Bot, openRepo opener) (*dist, error) {
	d := &dist{
		Bot: b, openRepo: openRepo, name: o.name, output: o.output, address: o.serve,
		trust: o.trust, every: o.validFor / 8, within: o.validFor / 2,
		architectures: o.arches, hold: o.lockstep,
	}
	if d.output == "" {
		d.output = b.Path("repo", o.name)
	}
	if d.trust == "" {
		d.trust = b.Path("trust", "packages.asc")
	}
	if err := d.checkTrust(); err != nil {
		return nil, err
	}
	signer, _, err := repositoryKey.Open(ctx, b, o.key)
	if err != nil {
		return nil, err
	}
	if err := repositoryKey.Try(ctx, signer); err != nil {
		return nil, err
	}
	for _, s := range o.suites() {
		d.codenames = append(d.codenames, s.Codename)
	}
	output, err := filepath.Abs(d.output)
	if err != nil {
		return nil, fmt.Errorf("find output folder: %w", err)
	}
	d.output = output
	d.options = publish.Options{
		Dir: b.Path("aptly", o.name), Output: output, Archive: o.name, Suites: o.suites(),
		Signer: signer, ValidFor: o.validFor, URI: o.uri, Log: b.Log,
	}
	return d, nil
}

// checkTrust tells at start what would else show with the first build. The keyring may come later,
// when a signbot of the same state folder makes its key.
func (d *dist) checkTrust() error {
	ring, err := trust.ReadKeyring(d.trust)
	if errors.Is(err, fs.ErrNotExist) {
		d.Log.Warn().Str("file", d.trust).Msg("no package key is trusted yet")
		return nil
	}
	if err != nil {
		return bot.Hint(fmt.Errorf("read trusted package keys: %w", err), "name a file of OpenPGP public keys with --trust-packages")
	}
	d.Log.Debug().Strs("keys", ring.Fingerprints()).Msg("package keys are trusted")
	return nil
}

// repositoryKey is the key that signs the metadata that apt checks.
var repositoryKey = openkey.Kind{Name: "repository key", File: "repository.asc", User: "foundry repository"}
