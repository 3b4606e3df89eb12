package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"foundry/pkg/bot"
	"foundry/pkg/debian"
)

// traceTarget is what to trace: a file, or a published package.
type traceTarget struct {
	path               string // of a file; the others are empty then
	pkg, version, arch string // arch empty for the only one, "source" for the .dsc
	offline            bool   // leave out what needs the git repository
}

func (c *client) traceCommand() *cobra.Command {
	var offline bool
	cmd := &cobra.Command{
		Use:   "trace FILE.deb|PACKAGE=VERSION[/ARCH]",
		Short: "Follow a package back to its commit or upload, and verify every link",
		Long: `Trace finds the message that published a package and follows it back: repository, signature, build, environment,
source package, commit or upload. At each link it verifies the message, that its key may speak there, what the next link says about
the same files, and the files themselves. It ends with status 0 only when everything holds. --verbose shows each
check.`,
		Example: "  foundry trace hello_2.10-3_amd64.deb\n  foundry trace hello=2.10-3/amd64",
		Args:    exactly(1, "a package file, or PACKAGE=VERSION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			target, err := readTarget(args[0])
			if err != nil {
				return err
			}
			target.offline = offline
			return c.trace(cmd.Context(), target)
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "do not ask the git repository for the commit and its signature")
	return cmd
}

// readTarget reads the argument of trace. What holds "=" and is no file is a package.
func readTarget(arg string) (traceTarget, error) {
	info, err := os.Stat(arg)
	pkg, rest, isPackage := strings.Cut(arg, "=")
	switch {
	case err == nil && info.Mode().IsRegular():
		return traceTarget{path: arg}, nil
	case err == nil:
		return traceTarget{}, bot.Usage(fmt.Sprintf("%s is not a file", arg), "give a .deb, or PACKAGE=VERSION")
	case !isPackage && debian.ValidPackageName(arg):
		return traceTarget{}, bot.Usage(fmt.Sprintf("no file %s; or a package without a version", arg), fmt.Sprintf("give %s=VERSION", arg))
	case !isPackage:
		return traceTarget{}, bot.Usage(fmt.Sprintf("no file %s", arg), "give a .deb, or PACKAGE=VERSION")
	}
	version, arch, hasArch := strings.Cut(rest, "/")
	if !debian.ValidPackageName(pkg) || version == "" || hasArch && arch == "" {
		return traceTarget{}, bot.Usage(fmt.Sprintf("%q is neither a file nor PACKAGE=VERSION", arg), "give one such as hello=2.10-3 or hello=2.10-3/amd64")
	}
	if _, err := debian.ParseVersion(version); err != nil {
		return traceTarget{}, bot.Usage(fmt.Sprintf("%q: %v", arg, err), "give one such as hello=2.10-3 or hello=2.10-3/amd64")
	}
	return traceTarget{pkg: pkg, version: version, arch: arch}, nil
}

func (t traceTarget) String() string {
	if t.path != "" {
		return filepath.Base(t.path)
	}
	name := t.pkg + "=" + t.version
	if t.arch != "" {
		name += "/" + t.arch
	}
	return name
}

func (c *client) trace(ctx context.Context, target traceTarget) error {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	ch, err := s.trace(ctx, c.State, target)
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(c.out, ch)
	} else {
		ch.verbose = c.Verbose > 0
		ch.print(c.out)
	}
	if err == nil && !ch.holds() {
		err = bot.Exit(bot.ExitFailure)
	}
	return err
}

// trace follows target back to its commit or upload. What does not hold is told by the chain; an error says
// that there is nothing to follow, or no way to.
func (s *session) trace(ctx context.Context, state string, target traceTarget) (*chain, error) {
	dist, published, err := s.findPublished(ctx, target)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "foundry-trace-")
	if err != nil {
		return nil, fmt.Errorf("make scratch folder: %w", err)
	}
	defer os.RemoveAll(dir)
	t := &tracer{session: s, state: state, dir: dir, target: target, published: published}
	t.walk(ctx, dist)
	ch := &chain{Target: target.String(), Package: published}
	for _, step := range []func(context.Context) *link{
		t.traceFile, t.traceRepository, t.traceDist, t.traceSign, t.traceBuild,
		t.traceProvision, t.traceSource, t.traceUpload, t.traceCommit, t.traceGit,
	} {
		if l := step(ctx); l != nil {
			ch.Links = append(ch.Links, l)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	ch.Whole = ch.holds()
	return ch, nil
}
