package sourcepackage

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"foundry/pkg/debian"
)

// upstreamTree is what tarballs are made of.
type upstreamTree struct {
	commit     string
	when       time.Time // of all files; zero: the commit's
	bare       bool      // without debian
	submodules []Submodule
}

// makeAll makes the main tarball and those of the components, which are folders of the same tree.
func (s *Search) makeAll(ctx context.Context, tree upstreamTree) (*Origs, error) {
	var err error
	if tree.submodules, err = s.submodules(ctx, tree.commit); err != nil {
		return nil, err
	}
	main := selection{except: s.GBP.Components, when: tree.when}
	if tree.bare {
		main.except = append([]string{"debian"}, main.except...)
	}
	origs := &Origs{Made: true}
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
			return nil, PackageFault(fmt.Sprintf("component %s of debian/gbp.conf is no folder of upstream commit %s", component, tree.commit), "remove it from debian/gbp.conf, or add the folder to the upstream source")
		case files == 0:
			return nil, PackageFault(fmt.Sprintf("upstream commit %s has no files", tree.commit), "look at upstream-tag, upstream-branch and upstream-tree in debian/gbp.conf")
		}
		origs.Names = append(origs.Names, name)
	}
	return origs, nil
}

// submodules lists those of a commit that belong to the source: all, unless debian/gbp.conf says otherwise.
func (s *Search) submodules(ctx context.Context, commit string) ([]Submodule, error) {
	if s.GBP.Submodules == debian.Off {
		return nil, nil
	}
	all, err := submodulesOf(ctx, s.Mirror, commit)
	if err != nil {
		return nil, GitFault(err)
	}
	for _, m := range all {
		fmt.Fprintf(s.Tools.log, "with submodule %s (%s, commit %s)\n", m.Path, m.URL, m.Commit)
	}
	return all, nil
}

// make makes one tarball and returns how many files it has. A plain tree goes in as git-archive(1) writes
// it, which is byte by byte what git-buildpackage makes of it.
func (s *Search) make(ctx context.Context, tree upstreamTree, what selection, path string) (int, error) {
	files := 0
	archive := func(ctx context.Context, w io.Writer) error {
		return s.Mirror.Archive(ctx, tree.commit, "", w)
	}
	plain := what.only == "" && what.except == nil && what.when.IsZero() && tree.submodules == nil
	if plain {
		archive = func(ctx context.Context, w io.Writer) error {
			return s.plainArchive(ctx, tree.commit, what.prefix+"/", w, &files)
		}
	} else {
		archive = selected(archive, what, &files)
	}
	if err := s.Tools.compress(ctx, archive, s.GBP.Level, path); err != nil {
		return 0, err
	}
	return files, nil
}

// plainArchive writes the tree of a commit with the modes that git-archive gives by itself.
func (s *Search) plainArchive(ctx context.Context, commit, prefix string, w io.Writer, files *int) error {
	in := call{dir: s.Tools.temp, env: gitEnv(s.Mirror.Dir())}
	in.args = []string{"git", "ls-tree", commit}
	listing, err := s.Tools.output(ctx, maxListing, in)
	if err != nil {
		return err
	}
	*files = strings.Count(listing, "\n")
	in.stdout = w
	in.args = []string{"git", "-c", "tar.umask=0002", "archive", "--format=tar", "--prefix=" + prefix, commit}
	return s.Tools.run(ctx, in)
}
