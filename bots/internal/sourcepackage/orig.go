package sourcepackage

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"foundry/pkg/debian"
	"foundry/pkg/gitrepo"
	"foundry/pkg/gitrepo/git"
)

// A Search finds or makes the orig tarballs of an upstream version and puts them into a folder.
// Revisions of that version must get the same bytes, so what is kept by pristine-tar comes first,
// then what is named by a tag, then the upstream branch as far as the commit has it merged.
type Search struct {
	Mirror      *gitrepo.Mirror
	Tools       *Runner
	Commit      string // of the packaging
	Source      string
	Version     debian.Version
	GBP         debian.GBP
	Compression string // of what is made here, see Compressions
	Dir         string // where the tarballs are put

	looked []string // where it was looked for, for a person
}

// Find puts the tarballs into place. When there are none, the remote repository is asked once more, since
// tags and branches may have been pushed after the commit.
func (s *Search) Find(ctx context.Context) error {
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
	return PackageFault(fmt.Sprintf("no orig tarball of %s %s: looked for %s", s.Source, s.Version.Upstream, strings.Join(s.looked, ", ")),
		fmt.Sprintf("push one of them, say in debian/gbp.conf (upstream-tag, upstream-branch) what they are called, or commit the tarball with: pristine-tar commit %s",
			debian.OrigName(s.Source, s.Version, "", s.Compression)))
}

// refresh fetches tags and branches anew.
func (s *Search) refresh(ctx context.Context) error {
	err := s.Mirror.Refresh(ctx, s.GBP.UpstreamBranch)
	if errors.Is(err, git.ErrNoBranch) {
		err = s.Mirror.Refresh(ctx)
	}
	if err != nil {
		return GitFault(err)
	}
	return nil
}

// fromTag makes the tarballs of the tag of the upstream version.
func (s *Search) fromTag(ctx context.Context) (bool, error) {
	if s.GBP.PristineTar {
		return false, nil // the maintainer says that only the original bytes will do
	}
	tag := debian.TagName(s.GBP.UpstreamTag, s.Version.Upstream)
	s.looked = append(s.looked, "tag "+tag)
	commit, err := s.Mirror.Resolve(ctx, "tags/"+tag)
	if errors.Is(err, git.ErrNoBranch) {
		return false, nil
	}
	if err != nil {
		return false, GitFault(err)
	}
	fmt.Fprintf(s.Tools.log, "orig tarball from tag %s (commit %s)\n", tag, commit)
	return true, s.makeAll(ctx, commit)
}

// fromBranch makes the tarballs of the newest commit of the upstream branch that the packaging has
// merged, which stays the same when the branch moves on; where the two share no history, of its head.
func (s *Search) fromBranch(ctx context.Context) (bool, error) {
	if s.GBP.PristineTar {
		return false, nil
	}
	s.looked = append(s.looked, "branch "+s.GBP.UpstreamBranch)
	head, err := s.Mirror.Resolve(ctx, s.GBP.UpstreamBranch)
	if errors.Is(err, git.ErrNoBranch) {
		return false, nil
	}
	if err != nil {
		return false, GitFault(err)
	}
	base, err := s.mergeBase(ctx, head)
	if err != nil {
		return false, err
	}
	switch base {
	case s.Commit:
		s.looked[len(s.looked)-1] += " (which has the packaging merged, so it is not the upstream source)"
		return false, nil
	case "":
		fmt.Fprintf(s.Tools.log, "warning: branch %s shares no history with the commit: its head is taken, which may change\n", s.GBP.UpstreamBranch)
		base = head
	}
	fmt.Fprintf(s.Tools.log, "orig tarball from branch %s (commit %s)\n", s.GBP.UpstreamBranch, base)
	return true, s.makeAll(ctx, base)
}

// mergeBase returns the newest commit that both have, "" for none.
func (s *Search) mergeBase(ctx context.Context, head string) (string, error) {
	out, err := s.Tools.output(ctx, 1<<20, call{
		dir: s.Tools.temp, env: []string{"GIT_DIR=" + s.Mirror.Dir()}, args: []string{"git", "merge-base", s.Commit, head},
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
func (s *Search) makeAll(ctx context.Context, commit string) error {
	main := selection{
		prefix: s.Source + "-" + s.Version.Upstream,
		except: append([]string{"debian"}, s.GBP.Components...),
	}
	if err := s.make(ctx, commit, main, ""); err != nil {
		return err
	}
	for _, component := range s.GBP.Components {
		if err := s.make(ctx, commit, selection{prefix: component, only: component}, component); err != nil {
			return err
		}
	}
	return nil
}

func (s *Search) make(ctx context.Context, commit string, what selection, component string) error {
	path := filepath.Join(s.Dir, debian.OrigName(s.Source, s.Version, component, s.Compression))
	made, err := makeTarball(ctx, s.Tools, s.Mirror, commit, what, path)
	switch {
	case err != nil:
		return err
	case !made && component != "":
		return PackageFault(fmt.Sprintf("component %s of debian/gbp.conf is no folder of upstream commit %s", component, commit), "remove it from debian/gbp.conf, or add the folder to the upstream source")
	case !made:
		return PackageFault(fmt.Sprintf("upstream commit %s has no files beside debian", commit), "look at upstream-tag and upstream-branch in debian/gbp.conf")
	}
	return nil
}

// preferred is the compression that counts when one tarball is there in several.
func (s *Search) preferred(found []string) string {
	for _, c := range append([]string{s.GBP.Compression}, Compressions()...) {
		if slices.Contains(found, c) {
			return c
		}
	}
	return ""
}
