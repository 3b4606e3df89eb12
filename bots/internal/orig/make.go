package orig

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"foundry/bots/internal/sourcepackage"
	"foundry/pkg/debian"
	"foundry/pkg/gitrepo"
)

// upstreamTree is what tarballs are made of.
type upstreamTree struct {
	commit     string
	when       time.Time // of all files; zero: the commit's
	bare       bool      // without debian
	submodules []gitrepo.Submodule
}

// makeAll makes the main tarball and those of the components, which are folders of the same tree.
func (s *Search) makeAll(ctx context.Context, tree upstreamTree) (*Tarballs, error) {
	var err error
	if tree.submodules, err = Submodules(ctx, s.Tools, s.Mirror, tree.commit, s.GBP); err != nil {
		return nil, err
	}
	main := selection{except: s.GBP.Components, when: tree.when}
	if tree.bare {
		main.except = append([]string{"debian"}, main.except...)
	}
	found := &Tarballs{Made: true}
	for _, component := range append([]string{""}, s.GBP.Components...) {
		name := debian.OrigName(s.Source, s.Version, component, s.Compression)
		what := main
		if component != "" {
			what = selection{only: component, when: tree.when}
		}
		what.prefix = s.Source + "-" + s.Version.Upstream
		files, err := s.make(ctx, tree, what, filepath.Join(s.Dir, name))
		switch {
		case err != nil:
			return nil, err
		case files == 0 && component != "":
			return nil, sourcepackage.PackageFault(fmt.Sprintf("component %s of debian/gbp.conf is no folder of upstream commit %s", component, tree.commit), "remove it from debian/gbp.conf, or add the folder to the upstream source")
		case files == 0:
			return nil, sourcepackage.PackageFault(fmt.Sprintf("upstream commit %s has no files", tree.commit), "look at upstream-tag, upstream-branch and upstream-tree in debian/gbp.conf")
		}
		found.Names = append(found.Names, name)
	}
	return found, nil
}

// make makes one tarball and returns how many files it has, or folders. A plain tree goes in as
// git-archive(1) writes it, which is byte by byte what git-buildpackage makes of it.
func (s *Search) make(ctx context.Context, tree upstreamTree, what selection, path string) (int, error) {
	files := 0
	archive := func(ctx context.Context, w io.Writer) error {
		return s.Mirror.Archive(ctx, tree.commit, "", w, tree.submodules...)
	}
	if what.only == "" && what.except == nil && what.when.IsZero() {
		top, err := s.Tools.Output(ctx, maxListing, sourcepackage.Call{
			Dir: s.Tools.Temp(), Env: gitEnv(s.Mirror.Dir()), Args: []string{"git", "ls-tree", tree.commit},
		})
		if err != nil {
			return 0, fmt.Errorf("list upstream tree: %w", err)
		}
		files = strings.Count(top, "\n")
		archive = func(ctx context.Context, w io.Writer) error {
			return s.Mirror.Archive(ctx, tree.commit, what.prefix+"/", w, tree.submodules...)
		}
	} else {
		archive = selected(archive, what, &files)
	}
	if err := compress(ctx, s.Tools, archive, s.GBP.Level, path); err != nil {
		return 0, err
	}
	return files, nil
}
