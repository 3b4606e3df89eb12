package orig

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"foundry/bots/internal/sourcepackage"
	"foundry/pkg/debian"
	"foundry/pkg/gitrepo/git"
)

// fromHistory makes the tarballs of the upstream tree that upstream-tree of gbp.conf(5) chooses. Where it
// is not said that is the tag of the version, else the upstream branch as far as the commit has it merged.
func (s *Search) fromHistory(ctx context.Context) (*Tarballs, error) {
	if s.GBP.PristineTar == debian.On {
		return nil, nil // the maintainer says that only the original bytes will do
	}
	switch strings.ToUpper(s.GBP.UpstreamTree) {
	case "TAG":
		return s.fromTag(ctx)
	case "BRANCH":
		return s.fromBranch(ctx)
	case "SLOPPY":
		return s.fromCommit(ctx)
	case "":
		if found, err := s.fromTag(ctx); found != nil || err != nil {
			return found, err
		}
		return s.fromBranch(ctx)
	}
	return s.fromNamed(ctx)
}

// tagFormats lists the formats of tags of upstream versions, in the order in which they are tried: what
// debian/gbp.conf says, else git-buildpackage's default and what upstreams usually write.
func (s *Search) tagFormats() []string {
	if s.GBP.UpstreamTag != "" {
		return []string{s.GBP.UpstreamTag}
	}
	return []string{"upstream/%(version)s", "v%(version)s", "%(version)s", "v%(version%~%-)s", "%(version%~%-)s"}
}

// tags lists what the tag of the upstream version may be called.
func (s *Search) tags() []string {
	var tags []string
	for _, format := range s.tagFormats() {
		if tag := debian.TagName(format, s.Version.Upstream); !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	return tags
}

// fromTag makes the tarballs of the tag of the upstream version.
func (s *Search) fromTag(ctx context.Context) (*Tarballs, error) {
	for _, tag := range s.tags() {
		s.looked = append(s.looked, "tag "+tag)
		commit, err := s.Mirror.Resolve(ctx, "tags/"+tag)
		if errors.Is(err, git.ErrNoBranch) {
			continue
		}
		if err != nil {
			return nil, sourcepackage.GitFault(err)
		}
		fmt.Fprintf(s.Tools.Log(), "orig tarball from tag %s (commit %s)\n", tag, commit)
		return s.makeAll(ctx, upstreamTree{commit: commit})
	}
	return nil, nil
}

// branches lists where upstream's history may be: what debian/gbp.conf says, else git-buildpackage's
// default and that of DEP-14.
func (s *Search) branches() []string {
	if s.GBP.UpstreamBranch != "" {
		return []string{s.GBP.UpstreamBranch}
	}
	return []string{"upstream", "upstream/latest"}
}

// fromBranch makes the tarballs of the newest commit of the upstream branch that the packaging has
// merged, which stays the same when the branch moves on. Where the two share no history there is only the
// branch's head, which another revision may find elsewhere: it is taken only if debian/gbp.conf says so.
func (s *Search) fromBranch(ctx context.Context) (*Tarballs, error) {
	for _, branch := range s.branches() {
		s.looked = append(s.looked, "branch "+branch)
		looked := &s.looked[len(s.looked)-1]
		head, err := s.Mirror.Resolve(ctx, branch)
		if errors.Is(err, git.ErrNoBranch) {
			continue
		}
		if err != nil {
			return nil, sourcepackage.GitFault(err)
		}
		base, err := s.Mirror.MergeBase(ctx, s.Commit, head)
		if err != nil {
			return nil, sourcepackage.GitFault(err)
		}
		switch {
		case base == s.Commit:
			*looked += " (which has the packaging merged, so it is not the upstream source)"
			continue
		case base == "" && s.GBP.UpstreamTree == "":
			*looked += fmt.Sprintf(" (which shares no history with the commit: tag the upstream commit %s, or write upstream-tree = BRANCH to take whatever its head is)", debian.TagName(s.tagFormats()[0], s.Version.Upstream))
			continue
		case base == "":
			fmt.Fprintf(s.Tools.Log(), "warning: branch %s shares no history with the commit: its head is taken, which may change\n", branch)
			base = head
		}
		fmt.Fprintf(s.Tools.Log(), "orig tarball from branch %s (commit %s)\n", branch, base)
		return s.makeAll(ctx, upstreamTree{commit: base})
	}
	return nil, nil
}

// fromCommit makes the tarballs of the packaging's own tree without debian. Its time is that of the first
// changelog entry of the upstream version, so that all revisions that do not touch it get the same bytes.
func (s *Search) fromCommit(ctx context.Context) (*Tarballs, error) {
	fmt.Fprintf(s.Tools.Log(), "orig tarball from the commit itself, without debian\n")
	return s.makeAll(ctx, upstreamTree{commit: s.Commit, when: s.Since, bare: true})
}

// namedHeads lists the heads that upstream-tree may mean, if it is no keyword.
func (s *Search) namedHeads() []string {
	name := debian.TagName(s.GBP.UpstreamTree, s.Version.Upstream)
	switch strings.ToUpper(name) {
	case "", "TAG", "BRANCH", "SLOPPY":
		return nil
	}
	if tag, ok := strings.CutPrefix(name, "refs/tags/"); ok {
		return []string{"tags/" + tag}
	}
	return []string{"tags/" + name, strings.TrimPrefix(strings.TrimPrefix(name, "refs/heads/"), "origin/")}
}

// fromNamed makes the tarballs of the commit, tag or branch that upstream-tree names.
func (s *Search) fromNamed(ctx context.Context) (*Tarballs, error) {
	s.looked = append(s.looked, "upstream-tree "+s.GBP.UpstreamTree)
	if git.IsHash(s.GBP.UpstreamTree) {
		if err := s.Mirror.Fetch(ctx, s.GBP.UpstreamTree, ""); err != nil {
			return nil, sourcepackage.GitFault(err)
		}
	}
	for _, head := range append([]string{s.GBP.UpstreamTree}, s.namedHeads()...) {
		commit, err := s.Mirror.Resolve(ctx, head)
		if errors.Is(err, git.ErrNoBranch) || errors.Is(err, git.ErrNoCommit) {
			continue
		}
		if err != nil {
			return nil, sourcepackage.GitFault(err)
		}
		fmt.Fprintf(s.Tools.Log(), "orig tarball from upstream-tree %s (commit %s)\n", head, commit)
		return s.makeAll(ctx, upstreamTree{commit: commit})
	}
	return nil, nil
}
