package orig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"foundry/bots/internal/sourcepackage"
	"foundry/pkg/debian"
	"foundry/pkg/gitrepo/git"
)

// asNative tells whether the package may be a native one for want of a tarball. dpkg-source makes one of
// format 1.0 then, even where the version has a revision: some old packages are so. But where anything tells
// of an upstream, the tarball was most likely forgotten.
func (s *Search) asNative(ctx context.Context) (bool, error) {
	if s.Format != debian.Format1 {
		return false, nil
	}
	sign, err := s.upstreamSign(ctx)
	if err != nil {
		return false, err
	}
	if sign != "" {
		fmt.Fprintf(s.Tools.Log(), "note: not a native package, for there is an upstream: %s\n", sign)
		return false, nil
	}
	fmt.Fprintf(s.Tools.Log(), "note: version %s has a revision, but there is no orig tarball and no sign of an upstream: format 1.0 makes a native package of it\n", s.Version)
	return true, nil
}

// upstreamSign returns what tells of an upstream, "" for nothing.
func (s *Search) upstreamSign(ctx context.Context) (string, error) {
	g := s.GBP
	if g.UpstreamTag+g.UpstreamBranch+g.UpstreamTree+g.TarballDir != "" ||
		g.PristineTar == debian.On || g.Signatures == debian.On || g.Overlay == debian.On {
		return "options of debian/gbp.conf", nil
	}
	if only, err := OnlyDebian(s.Tree); only || err != nil {
		return "the commit has the folder debian alone", err
	}
	if _, err := os.Lstat(filepath.Join(s.Tree, "debian", "watch")); err == nil {
		return "debian/watch", nil
	}
	for _, branch := range append([]string{"pristine-tar"}, s.branches()...) {
		_, err := s.Mirror.Resolve(ctx, branch)
		if err == nil {
			return "branch " + branch, nil
		}
		if !errors.Is(err, git.ErrNoBranch) {
			return "", sourcepackage.GitFault(err)
		}
	}
	for _, folder := range s.Folders {
		files, err := listFolder(folder.Path)
		if err != nil {
			continue // fromFolders has told of it
		}
		for _, name := range files {
			if strings.HasPrefix(name, s.Source+"_") && strings.Contains(name, ".orig") {
				return name + " in folder " + folder.Path, nil
			}
		}
	}
	return "", nil
}
