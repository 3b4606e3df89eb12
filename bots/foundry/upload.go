package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"foundry/bots/internal/policy"
	"foundry/bots/internal/upload"
	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/debian"
	"foundry/pkg/message"
	"foundry/pkg/trust"
)

// uploading is what upload is asked for.
type uploading struct {
	submission
	codename      string
	uploaders     string
	allowUnsigned bool
	downgrade     bool
	build         upload.Build
}

func (c *client) uploadCommand() *cobra.Command {
	var o uploading
	cmd := &cobra.Command{
		Use:   "upload FILE.dsc|FILE_source.changes",
		Short: "Build a source package that was made elsewhere",
		Long: `Upload takes a source package as dpkg-buildpackage -S makes it, checks it, and announces it as a sourcebot would announce the
source package of a commit. The file given has to be signed by a key in the keyring "uploaders" (debsign signs,
foundry trust add FILE.asc uploaders says who may); what it lists has to be beside it. An orig tarball that the .changes
leaves out, since the version before had it, is taken from there.

A .changes is built for its Distribution, which has to be a codename of the foundry, unless --codename names
another. A version is taken once.`,
		Example: "  foundry upload ../hello_2.10-4_source.changes --wait\n  foundry upload hello_2.10-4.dsc --codename bookworm",
		Args:    exactly(1, "a .dsc or _source.changes"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"changes", "dsc"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.applySourcebot(cmd); err != nil {
				return err
			}
			return c.upload(cmd.Context(), args[0], o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.codename, "codename", "", "build for this `codename`, whatever the .changes says")
	f.StringVar(&o.uploaders, "uploaders", "", "keyring `file` of those who may upload (default \"trust/uploaders.asc\" in the state folder)")
	f.BoolVar(&o.allowUnsigned, "allow-unsigned", false, "take what no known key has signed")
	f.BoolVar(&o.downgrade, "allow-downgrade", false, "take a version that is lower than what the repositories have")
	f.StringVar(&o.build.IndepArchitecture, "indep-architecture", "amd64", "architecture whose build also makes the arch:all packages (default: as sourcebot's)")
	f.StringArrayVar(&o.build.Profiles, "build-profile", nil, "build `profile` to build with, such as nocheck; may be given several times (default: as sourcebot's)")
	f.StringArrayVar(&o.build.Options, "build-option", nil, "word of DEB_BUILD_OPTIONS to build with; may be given several times (default: as sourcebot's)")
	f.DurationVar(&o.build.Timeout, "build-timeout", 0, "how long a build may take (default: as sourcebot's, or the buildbot's)")
	o.declare(cmd)
	return cmd
}

// sourcebots are the entries of the configuration file that make source packages of commits.
func (c *client) sourcebots() []bot.Entry {
	if c.config == nil {
		return nil
	}
	return c.config.Bots["sourcebot"]
}

// applySourcebot lets what an upload is built with be the same as of a commit.
func (c *client) applySourcebot(cmd *cobra.Command) error {
	if len(c.sourcebots()) == 0 {
		return nil
	}
	some := bot.Entry{}
	for key, value := range c.sourcebots()[0] {
		if slices.Contains([]string{"uploaders", "indep-architecture", "build-profile", "build-option", "build-timeout"}, key) {
			some[key] = value
		}
	}
	return bot.ApplyEntry(cmd.Flags(), "sourcebot", c.config, some)
}

// codenames lists those that the configuration file says are built.
func (c *client) codenames() (all []string) {
	for _, entry := range c.sourcebots() {
		values, ok := entry["codename"].([]any)
		if !ok {
			values = []any{entry["codename"]}
		}
		for _, value := range values {
			text, _ := value.(string)
			route, err := policy.ParseRoute(text)
			if err == nil && !slices.Contains(all, string(route.Codename)) { // sourcebot itself tells what is wrong
				all = append(all, string(route.Codename))
			}
		}
	}
	return all
}

// desk is where uploads are taken.
func (c *client) desk(s *session, o uploading) (*upload.Desk, error) {
	known := c.codenames()
	switch {
	case o.codename != "" && !debian.Codename(o.codename).Valid():
		return nil, bot.Usage(fmt.Sprintf("--codename %q: not a codename", o.codename), "such as bookworm")
	case o.codename != "" && len(known) > 0 && !slices.Contains(known, o.codename):
		return nil, bot.Usage(fmt.Sprintf("--codename %s: it is not built here", o.codename), bot.Nearest(o.codename, known))
	case !debian.Architecture(o.build.IndepArchitecture).Known():
		return nil, bot.Usage(fmt.Sprintf("--indep-architecture %q: not an architecture", o.build.IndepArchitecture), "dpkg-architecture -L lists them")
	}
	if o.uploaders == "" {
		o.uploaders = filepath.Join(bot.TrustDir(c.State), trust.Uploaders+".asc")
	}
	return &upload.Desk{
		Uploaders: o.uploaders, AllowUnsigned: o.allowUnsigned, Downgrade: o.downgrade, Links: true,
		Codename: o.codename, Codenames: known, Pools: upload.Pools(c.State), Build: o.build,
		Self: s.self, Store: s.Store, Bus: s.Bus, Values: s.Values, Sealer: s.sealer, Publish: s.publish,
	}, nil
}

func (c *client) upload(ctx context.Context, path string, o uploading) error {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	desk, err := c.desk(s, o)
	if err != nil {
		return err
	}
	receipt, err := receive(ctx, desk, path)
	if err != nil {
		return err
	}
	return c.announced(ctx, s, receipt.Message, receipt.Fresh, "uploaded before", o.submission)
}

// receive takes one upload to its end.
func receive(ctx context.Context, desk *upload.Desk, path string) (*upload.Receipt, error) {
	parcel, err := desk.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, bot.Hint(fmt.Errorf("there is no %s", path), "give a .dsc, or a .changes as dpkg-buildpackage -S makes it")
	}
	if err != nil {
		return nil, hinted(err)
	}
	if err := desk.Gather(ctx, parcel); err != nil {
		return nil, hinted(err)
	}
	receipt, err := desk.Announce(ctx, parcel)
	return receipt, hinted(err)
}

// hinted shows the hint of a refusal to the one who is at the keyboard.
func hinted(err error) error {
	var failure *bot.Failure
	if errors.As(err, &failure) {
		return bot.Hint(err, failure.Hint)
	}
	return err
}

// uploadAgain runs an upload again, as a deliberate rebuild of its own.
func (c *client) uploadAgain(ctx context.Context, s *session, source message.Source, o submission) error {
	for source.Count++; ; source.Count++ {
		_, err := s.Bus.Lookup(ctx, message.Sources, message.UploadID(&source))
		if errors.Is(err, bus.ErrNotFound) {
			break
		}
		if err != nil {
			return fmt.Errorf("look up earlier builds: %w", err)
		}
	}
	m, err := message.NewUpload(s.self, &source)
	if err != nil {
		return err
	}
	fresh, err := s.publish(ctx, m)
	if err != nil {
		return fmt.Errorf("announce %s %s: %w", source.Source, source.Version, err)
	}
	return c.announced(ctx, s, m, fresh, "announced before", o)
}
