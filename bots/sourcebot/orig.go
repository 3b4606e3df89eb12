package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/gitrepo"
)

// An origSearch finds or makes the orig tarballs of an upstream version and puts them into a folder.
// Revisions of that version must get the same bytes, so what is kept by pristine-tar comes first,
// then what is named by a tag, then the upstream branch as far as the commit has it merged.
type origSearch struct {
	mirror      *gitrepo.Mirror
	tools       *tools
	commit      string // of the packaging
	source      string
	version     debian.Version
	gbp         debian.GBP
	compression string // of what is made here
	dir         string

	looked []string // where it was looked for, for a person
}

// find puts the tarballs into place. When there are none, the remote repository is asked once more, since
// tags and branches may have been pushed after the commit.
func (s *origSearch) find(ctx context.Context) error {
	for _, refresh := range []bool{false, true} {
		if refresh {
			if err := s.refresh(ctx); err != nil {
				return err
			}
		}
		s.looked = nil
		for _, way := range []func(context.Context) (bool, error){s.fromPristineTar, s.fromTag, s.fromBranch} {
			found, err := way(ctx)
			if found || err != nil {
				return err
			}
		}
	}
	return packageFault(fmt.Sprintf("no orig tarball of %s %s: looked for %s", s.source, s.version.Upstream, strings.Join(s.looked, ", ")),
		fmt.Sprintf("push one of them, say in debian/gbp.conf (upstream-tag, upstream-branch) what they are called, or commit the tarball with: pristine-tar commit %s",
			debian.OrigName(s.source, s.version, "", s.compression)))
}

// refresh fetches tags and branches anew.
func (s *origSearch) refresh(ctx context.Context) error {
	err := s.mirror.Refresh(ctx, s.gbp.UpstreamBranch)
	if errors.Is(err, gitrepo.ErrNoBranch) {
		err = s.mirror.Refresh(ctx)
	}
	if err != nil {
		return gitFault(err)
	}
	return nil
}

// fromTag makes the tarballs of the tag of the upstream version.
func (s *origSearch) fromTag(ctx context.Context) (bool, error) {
	if s.gbp.PristineTar {
		return false, nil // the maintainer says that only the original bytes will do
	}
	tag := debian.TagName(s.gbp.UpstreamTag, s.version.Upstream)
	s.looked = append(s.looked, "tag "+tag)
	commit, err := s.mirror.Resolve(ctx, "tags/"+tag)
	if errors.Is(err, gitrepo.ErrNoBranch) {
		return false, nil
	}
	if err != nil {
		return false, gitFault(err)
	}
	fmt.Fprintf(s.tools.log, "orig tarball from tag %s (commit %s)\n", tag, commit)
	return true, s.makeAll(ctx, commit)
}

// fromBranch makes the tarballs of the newest commit of the upstream branch that the packaging has
// merged, which stays the same when the branch moves on; where the two share no history, of its head.
func (s *origSearch) fromBranch(ctx context.Context) (bool, error) {
	if s.gbp.PristineTar {
		return false, nil
	}
	s.looked = append(s.looked, "branch "+s.gbp.UpstreamBranch)
	head, err := s.mirror.Resolve(ctx, s.gbp.UpstreamBranch)
	if errors.Is(err, gitrepo.ErrNoBranch) {
		return false, nil
	}
	if err != nil {
		return false, gitFault(err)
	}
	base, err := s.mergeBase(ctx, head)
	if err != nil {
		return false, err
	}
	switch base {
	case s.commit:
		s.looked[len(s.looked)-1] += " (which has the packaging merged, so it is not the upstream source)"
		return false, nil
	case "":
		fmt.Fprintf(s.tools.log, "warning: branch %s shares no history with the commit: its head is taken, which may change\n", s.gbp.UpstreamBranch)
		base = head
	}
	fmt.Fprintf(s.tools.log, "orig tarball from branch %s (commit %s)\n", s.gbp.UpstreamBranch, base)
	return true, s.makeAll(ctx, base)
}

// mergeBase returns the newest commit that both have, "" for none.
func (s *origSearch) mergeBase(ctx context.Context, head string) (string, error) {
	out, err := s.tools.output(ctx, 1<<20, call{
		dir: s.tools.tmp, env: []string{"GIT_DIR=" + s.mirror.Dir()}, args: []string{"git", "merge-base", s.commit, head},
	})
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("find common history: %w", err)
	}
	return strings.TrimSpace(out), nil
}

// makeAll makes the main tarball and those of the components, which are folders of the same tree.
func (s *origSearch) makeAll(ctx context.Context, commit string) error {
	main := selection{
		prefix: s.source + "-" + s.version.Upstream,
		except: append([]string{"debian"}, s.gbp.Components...),
	}
	if err := s.make(ctx, commit, main, ""); err != nil {
		return err
	}
	for _, component := range s.gbp.Components {
		if err := s.make(ctx, commit, selection{prefix: component, only: component}, component); err != nil {
			return err
		}
	}
	return nil
}

func (s *origSearch) make(ctx context.Context, commit string, what selection, component string) error {
	path := filepath.Join(s.dir, debian.OrigName(s.source, s.version, component, s.compression))
	made, err := makeTarball(ctx, s.tools, s.mirror, commit, what, path)
	var tool *toolError
	switch {
	case errors.As(err, &tool) && errors.Is(err, exec.ErrNotFound):
		return bot.Hint(err, "apt-get install "+debianPackage(tool.name))
	case err != nil:
		return err
	case !made && component != "":
		return packageFault(fmt.Sprintf("component %s of debian/gbp.conf is no folder of upstream commit %s", component, commit), "remove it from debian/gbp.conf, or add the folder to the upstream source")
	case !made:
		return packageFault(fmt.Sprintf("upstream commit %s has no files beside debian", commit), "look at upstream-tag and upstream-branch in debian/gbp.conf")
	}
	return nil
}

// preferred is the compression that counts when one tarball is there in several.
func (s *origSearch) preferred(found []string) string {
	for _, c := range append([]string{s.gbp.Compression}, compressions()...) {
		if slices.Contains(found, c) {
			return c
		}
	}
	return ""
}
