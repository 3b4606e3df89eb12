// Package trace follows a published package back to the commit or upload that it was made from, and verifies
// every link of that chain: messages and the keys that may speak, what one link says of the next one's
// files, the files themselves, and the repository that serves them.
package trace

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"foundry/pkg/artifact"
	"foundry/pkg/bot"
	"foundry/pkg/bus"
	"foundry/pkg/debian"
)

// Reader is where messages and artifacts are read from, and what decides who is believed.
type Reader struct {
	Bus    bus.Bus
	Store  artifact.Store
	Sealer *bus.Sealer
}

// Target is what to trace: a file, or a published package.
type Target struct {
	Path    string // of a file; the others are empty then
	Package string
	Version string
	Arch    string // empty for the only one, "source" for the .dsc
	Offline bool   // leave out what needs the git repository
}

// ParseTarget reads a target as a person gives it: FILE or PACKAGE=VERSION[/ARCH]. What holds "=" and is no file
// is a package. An error is a usage error with a hint.
func ParseTarget(arg string) (Target, error) {
	info, err := os.Stat(arg)
	pkg, rest, isPackage := strings.Cut(arg, "=")
	switch {
	case err == nil && info.Mode().IsRegular():
		return Target{Path: arg}, nil
	case err == nil:
		return Target{}, bot.Usage(fmt.Sprintf("%s is not a file", arg), "give a .deb, or PACKAGE=VERSION")
	case !isPackage && debian.ValidPackageName(arg):
		return Target{}, bot.Usage(fmt.Sprintf("no file %s; or a package without a version", arg), fmt.Sprintf("give %s=VERSION", arg))
	case !isPackage:
		return Target{}, bot.Usage(fmt.Sprintf("no file %s", arg), "give a .deb, or PACKAGE=VERSION")
	}
	version, arch, hasArch := strings.Cut(rest, "/")
	if !debian.ValidPackageName(pkg) || version == "" || hasArch && arch == "" {
		return Target{}, bot.Usage(fmt.Sprintf("%q is neither a file nor PACKAGE=VERSION", arg), "give one such as hello=2.10-3 or hello=2.10-3/amd64")
	}
	if _, err := debian.ParseVersion(version); err != nil {
		return Target{}, bot.Usage(fmt.Sprintf("%q: %v", arg, err), "give one such as hello=2.10-3 or hello=2.10-3/amd64")
	}
	return Target{Package: pkg, Version: version, Arch: arch}, nil
}

// String is the target as reports name it.
func (t Target) String() string {
	if t.Path != "" {
		return filepath.Base(t.Path)
	}
	name := t.Package + "=" + t.Version
	if t.Arch != "" {
		name += "/" + t.Arch
	}
	return name
}

// Follow follows target back to its commit or upload; state is the state folder. What does not hold is told by
// the chain; an error says that there is nothing to follow, or no way to.
func (s *Reader) Follow(ctx context.Context, state string, target Target) (*Chain, error) {
	dist, published, err := s.findPublished(ctx, target)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "foundry-trace-")
	if err != nil {
		return nil, fmt.Errorf("make scratch folder: %w", err)
	}
	defer os.RemoveAll(dir)
	t := &tracer{Reader: s, state: state, dir: dir, target: target, published: published}
	t.walk(ctx, dist)
	ch := &Chain{Target: target.String(), Package: published}
	for _, step := range []func(context.Context) *Link{
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
