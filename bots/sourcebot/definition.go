package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"foundry/bots/internal/sourcepackage"
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
	tarballs      []string
	compression   string
	profiles      []string
	buildOptions  []string
	buildTimeout  time.Duration
	timeout       time.Duration
	incoming      []string
	uploaders     string
	interval      time.Duration // of looking into incoming

	routes routes // what codenames say
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
contents share a version and each sorts below that of the next release.

A commit must be signed by a key in the file of --committers, unless --allow-unsigned is given.

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
	ctx, cancel := context.WithCancel(ctx)
	var uploads sync.WaitGroup
	defer uploads.Wait()
	defer cancel()
	uploads.Go(func() { o.receive(ctx, b) })
	return b.Work(ctx, bot.Step{Results: s.results, Do: s.do})
}

func (o *options) declare(fs *pflag.FlagSet) {
	fs.StringArrayVar(&o.codenames, "codename", nil, "`[branch:]codename` to build for; may be given several times")
	fs.StringArrayVar(&o.buildBranches, "build-branch", nil, "build only branches that match this `glob` and pass over the others; may be given several times (default: all but upstream, upstream/… and pristine-tar)")
	fs.BoolVar(&o.autobump, "autobump", false, "add date and hash of the commit to the version, as in 1.2-3+20261120.2315.g1a2b3c4")
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

var (
	profileWord = regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]{0,63}$`)
	optionWord  = regexp.MustCompile(`^[a-z0-9][A-Za-z0-9_.,=+/-]{0,127}$`)
)

func (o *options) check() error {
	var err error
	if o.routes, err = parseRoutes(o.codenames); err != nil {
		return err
	}
	for _, glob := range o.buildBranches {
		if !validGlob(glob) {
			return bot.Usage(fmt.Sprintf("--build-branch %q: not a pattern", glob), "write a branch, or a glob such as 'debian/*'")
		}
	}
	if a := debian.Architecture(o.indep); !a.Known() {
		return bot.Usage(fmt.Sprintf("--indep-architecture %q: not an architecture", o.indep), "dpkg-architecture -L lists them")
	}
	if o.compression != "" && !slices.Contains(sourcepackage.Compressions(), o.compression) {
		return bot.Usage(fmt.Sprintf("--compression %q: unknown", o.compression), "one of "+strings.Join(sourcepackage.Compressions(), ", "))
	}
	for _, p := range o.profiles {
		if !profileWord.MatchString(p) {
			return bot.Usage(fmt.Sprintf("--build-profile %q: not a build profile", p), "write the name alone, such as nocheck")
		}
	}
	for _, w := range o.buildOptions {
		if !optionWord.MatchString(w) {
			return bot.Usage(fmt.Sprintf("--build-option %q: not one word of DEB_BUILD_OPTIONS", w), "write one word, such as nocheck")
		}
	}
	if len(o.profiles) > 32 || len(o.buildOptions) > 32 {
		return bot.Usage("--build-profile, --build-option: more than 32", "")
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
