// Watchbot announces commits: it polls branches and tags of git repositories and publishes a
// commit message for each new head.
//
// Each head is announced once, however many watchbots there are, and however often they are
// killed and started again: the head announced last is kept on the bus for each repository and branch,
// and the id of the message follows from repository, branch and commit, so that saying it twice
// is saying it once.
//
// A repository that fails is tried less and less often, up to every ten minutes, and does not hold
// up the others. It is logged when it begins to fail, fails in another way, and works again.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"

	"foundry/bots/internal/wire"
	"foundry/pkg/bot"
	"foundry/pkg/gitrepo/git"
	"foundry/pkg/gitrepo/remote"
	"foundry/pkg/message"
)

func main() { os.Exit(bot.Main(definition(), wire.Connect, os.Args[1:])) }

// options are the watchbot's own flags.
type options struct {
	Repositories []string
	Interval     time.Duration
	Once         bool
	NewOnly      bool

	specs []remote.Spec // Repositories, parsed
}

func definition() bot.Definition {
	o := new(options)
	return bot.Definition{
		Name:  "watchbot",
		Short: "Announce each new commit of git repositories",
		Long: `Watchbot polls branches and tags of git repositories and publishes a message on "commits" for each new head.
It says each commit once, also after a restart, and begins with the heads that are there.

A repository is an absolute path, a URL of http, https (also of a plain web server), ssh, git or file, or HOST:PATH for ssh.
After "#" stands a branch, "tags/NAME", a full commit hash, or a glob: "*" is any run of characters, so "#*" means all
branches and "#tags/*" all tags. Without "#" the default branch is meant.

Credentials are git's: ssh keys, .netrc, credential helpers of the user who runs this. User and password in a
URL are used too, but not announced; the bot that builds then needs credentials of its own.`,
		Example: `  watchbot --repository https://git.example.org/hello.git#debian/latest
  watchbot --repository git@git.example.org:team/hello.git#tags/* --interval 5m --new-only
  watchbot --repository /srv/git/hello.git --once`,
		Publish: message.Commits,
		Flags:   o.declare,
		Check:   o.check,
		Run:     func(ctx context.Context, b *bot.Bot) error { return newWatcher(b, o).run(ctx) },
	}
}

func (o *options) declare(fs *pflag.FlagSet) {
	fs.StringArrayVar(&o.Repositories, "repository", nil, "repository to watch, `URL[#branch|#glob|#commit]`; may be given several times")
	fs.DurationVar(&o.Interval, "interval", 30*time.Second, "how often to poll each repository")
	fs.BoolVar(&o.Once, "once", false, "poll once and exit, with status 1 if a repository failed")
	fs.BoolVar(&o.NewOnly, "new-only", false, "do not announce what is there when a repository is seen for the first time")
}

func (o *options) check() error {
	if len(o.Repositories) == 0 {
		return bot.Usage("no repository given", "say what to watch: --repository URL#BRANCH")
	}
	if o.Interval < time.Second {
		return bot.Usage(fmt.Sprintf("--interval %s: must be at least 1s", o.Interval), "")
	}
	o.specs = nil
	for _, text := range o.Repositories {
		spec, err := remote.ParseSpec(text)
		if err != nil {
			return bot.Usage(fmt.Sprintf("--repository: %v", err), git.Hint(err))
		}
		o.specs = append(o.specs, spec)
	}
	return nil
}
