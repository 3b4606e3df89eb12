package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"foundry/bots/internal/orig"
	"foundry/bots/internal/policy"
	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/message"
)

// options are the values of sourcebot's own flags.
type options struct {
	codenames     []string
	buildBranches []string
	autobump      bool
	allowUnsigned bool
	committers    string
	indep         string
	latestOnly    bool
	template      string
	policy        string
	downgrade     bool
	tarballs      []string
	compression   string
	profiles      []string
	buildOptions  []string
	buildTimeout  time.Duration
	timeout       time.Duration
	incoming      []string
	uploaders     string
	interval      time.Duration // of looking into incoming

	routes policy.Routes // what codenames say
	bump   bump          // what template says
}

func definition() bot.Definition {
	o := new(options)
	return bot.Definition{
		Name:  "sourcebot",
		Short: "Makes source packages of commits",
		Long: `Sourcebot watches commits and makes Debian source packages of them: it fetches exactly the commit that
was announced, checks its signature, finds or makes the orig tarball (pristine-tar, an upstream tag or an
upstream branch, as debian/gbp.conf says) and runs dpkg-source.

--codename says what is built of which branch. "stable:bookworm" maps the branch stable; the branch may be a
glob; "bookworm" alone is for all branches that no other mapping fits. Several codenames for one branch
make several source packages, whose versions end in "~deb12u0" and the like, so that no two packages with different
contents share a version and each sorts below that of the next release. A codename that is no release of Debian or
Ubuntu stands for itself, as in "~acme"; sid has the version as it is.

--autobump gives each commit a version of its own. --autobump-template says what is added, after the revision: "+…" to
sort after the version in debian/changelog, "~…" before it. All of it comes from the commit. A rebuild that asks for it
gets "+build1", "+build2" and so on at the end.

A version that is lower than what each repository has that has the package, or the same with other content, is refused
before it is built, unless --allow-downgrade is given; the repositories themselves still refuse it.

A commit must be signed by a key in the file of --committers, unless --allow-unsigned is given. What debian/foundry.toml
on the default branch of a repository says about its builds counts for all its commits; where commits must be signed,
the newest of that branch must be too. --policy ignore passes it over.

--incoming names a folder that dput uploads source packages into. Each has to be signed by a key in the file of
--uploaders, and is built for its Distribution, which has to be one of the codenames. What is refused goes into the
folder "failed" in it, with the reason.`,
		Example: `  sourcebot --codename stable:bookworm --codename main:trixie
  sourcebot --codename bookworm --codename trixie --autobump
  sourcebot --codename trixie --build-branch 'debian/*' --allow-unsigned`,
		Watch: message.Commits, Publish: message.Sources,
		Flags: o.declare,
		Check: o.check,
		Run:   func(ctx context.Context, b *bot.Bot) error { return run(ctx, b, o) },
	}
}

func run(ctx context.Context, b *bot.Bot, o *options) error {
	s := &sourcebot{options: *o, mirrors: b.Path("mirrors")}
	if s.committers == "" {
		s.committers = b.Path("trust", "committers.asc")
	}
	receiving, cancel := context.WithCancel(ctx)
	defer cancel()
	var uploads sync.WaitGroup
	uploads.Go(func() { o.receive(receiving, b) })
	err := b.Work(ctx, bot.Step{Results: s.results, Do: s.do})
	if err != nil {
		cancel()
	}
	uploads.Wait() // a bot that is told to stop takes to its end what it has begun
	return err
}

func (o *options) declare(fs *pflag.FlagSet) {
	fs.StringArrayVar(&o.codenames, "codename", nil, "`[branch:]codename` to build for; may be given several times")
	fs.StringArrayVar(&o.buildBranches, "build-branch", nil, "build only branches that match this `glob` and pass over the others; may be given several times (default: all but upstream, upstream/… and pristine-tar)")
	fs.BoolVar(&o.autobump, "autobump", false, "add what --autobump-template says to the version, as in 1.2-3+20261120.2315.g1a2b3c4")
	fs.StringVar(&o.template, "autobump-template", defaultTemplate, "what --autobump adds, with "+templateTokens+"; a leading ~ sorts before the version in the changelog, a leading + after it")
	fs.StringVar(&o.policy, "policy", policyRead, "\"read\" debian/foundry.toml on the default branch of each repository, or \"ignore\" it")
	fs.BoolVar(&o.downgrade, "allow-downgrade", false, "make packages also of versions that are lower than what the repositories have, or that they have with other contents")
	fs.BoolVar(&o.allowUnsigned, "allow-unsigned", false, "build commits that no known key has signed")
	fs.StringVar(&o.committers, "committers", "", "keyring `file` of those who may sign commits (default \"trust/committers.asc\" in the state folder)")
	fs.StringVar(&o.indep, "indep-architecture", "amd64", "architecture whose build also makes the arch:all packages")
	fs.BoolVar(&o.latestOnly, "latest-only", false, "pass over commits that a newer one on the same branch has overtaken")
	fs.StringArrayVar(&o.tarballs, "tarballs", nil, "`folder` to look for orig tarballs in; may be given several times (a repository given as a local path also has those beside it)")
	fs.StringVar(&o.compression, "compression", "", "of orig tarballs made here: xz, gz, bz2 or lzma (default: as debian/gbp.conf says, else xz, for format 1.0 gz)")
	fs.StringArrayVar(&o.profiles, "build-profile", nil, "build `profile` to build with, such as nocheck; may be given several times")
	fs.StringArrayVar(&o.buildOptions, "build-option", nil, "word of DEB_BUILD_OPTIONS to build with, such as nocheck; may be given several times")
	fs.DurationVar(&o.buildTimeout, "build-timeout", 0, "how long a build may take (default: as the buildbot says)")
	fs.DurationVar(&o.timeout, "timeout", 30*time.Minute, "how long the making of the source packages of one commit may take, after it is fetched")
	fs.StringArrayVar(&o.incoming, "incoming", nil, "`folder` that source packages are uploaded into; may be given several times")
	fs.StringVar(&o.uploaders, "uploaders", "", "keyring `file` of those who may upload (default \"trust/uploaders.asc\" in the state folder)")
	fs.DurationVar(&o.interval, "incoming-interval", time.Second, "how often to look into the folders of --incoming")
}

func (o *options) check() error {
	if len(o.codenames) == 0 {
		return bot.Usage("no --codename", "say for what to build: --codename bookworm, or --codename stable:bookworm for the branch stable")
	}
	var err error
	if o.routes, err = policy.ParseRoutes(o.codenames); err != nil {
		return bot.Usage("--codename "+err.Error(), bot.HintOf(err))
	}
	if o.bump, err = parseBump(o.template); err != nil {
		return bot.Usage(fmt.Sprintf("--autobump-template %q: %v", o.template, err), bot.HintOf(err))
	}
	if o.policy != policyRead && o.policy != policyIgnore {
		return bot.Usage(fmt.Sprintf("--policy %q: neither read nor ignore", o.policy), bot.Nearest(o.policy, []string{policyRead, policyIgnore}))
	}
	for _, glob := range o.buildBranches {
		if !policy.ValidGlob(glob) {
			return bot.Usage(fmt.Sprintf("--build-branch %q: not a pattern", glob), "write a branch, or a glob such as 'debian/*'")
		}
	}
	if a := debian.Architecture(o.indep); !a.Known() {
		return bot.Usage(fmt.Sprintf("--indep-architecture %q: not an architecture", o.indep), "dpkg-architecture -L lists them")
	}
	if o.compression != "" && !slices.Contains(orig.Compressions(), o.compression) {
		return bot.Usage(fmt.Sprintf("--compression %q: unknown", o.compression), "one of "+strings.Join(orig.Compressions(), ", "))
	}
	for flag, words := range map[string][]string{"--build-profile": o.profiles, "--build-option": o.buildOptions} {
		if len(words) > policy.MaxWords {
			return bot.Usage(fmt.Sprintf("%s: more than %d", flag, policy.MaxWords), "")
		}
	}
	for _, p := range o.profiles {
		if _, err := policy.Profile(p); err != nil {
			return bot.Usage("--build-profile: "+err.Error(), bot.HintOf(err))
		}
	}
	for _, w := range o.buildOptions {
		if _, err := policy.Option(w); err != nil {
			return bot.Usage("--build-option: "+err.Error(), bot.HintOf(err))
		}
	}
	if o.timeout <= 0 || o.buildTimeout < 0 {
		return bot.Usage("--timeout, --build-timeout: must be above zero", "")
	}
	return o.checkIncoming()
}

// compressionFor chooses for an orig tarball that is made here.
func (o *options) compressionFor(format debian.Format, gbp debian.GBP) string {
	switch {
	case format == debian.Format1:
		return "gz" // takes no other
	case o.compression != "":
		return o.compression
	case gbp.Compression != "":
		return gbp.Compression
	}
	return "xz"
}
