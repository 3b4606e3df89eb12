// Package orig finds or makes the orig tarballs of a package whose packaging is in git: bit by bit from the
// branch pristine-tar, from folders that hold some, or of upstream's tags, branches and submodules, as
// git-buildpackage does.
//
// Deltas of pristine-tar and names of tarballs were written by others: a delta is looked at before pristine-tar
// may have it, and no name or link leads out of a folder. A failure that is the package's own is a *bot.Failure.
package orig

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"foundry/bots/internal/sourcepackage"
	"foundry/pkg/debian"
	"foundry/pkg/gitrepo"
	"foundry/pkg/gitrepo/git"
)

// A Search finds or makes the orig tarballs of an upstream version and puts them into a folder.
// Revisions of that version must get the same bytes, so what is kept by pristine-tar comes first,
// then tarballs that lie in a folder, and only then are some made of upstream's history.
type Search struct {
	Mirror      *gitrepo.Mirror
	Tools       *sourcepackage.Runner
	Branch      string              // that the commit is on
	Commit      string              // of the packaging
	Tree        string              // folder with that commit's tree
	Submodules  []gitrepo.Submodule // that are in it
	Source      string
	Version     debian.Version
	Since       time.Time // when the upstream version was first packaged
	Format      debian.Format
	GBP         debian.GBP
	Compression string // of what is made here, see Compressions
	Folders     []Folder
	Dir         string // where the tarballs are put

	looked []string                                                             // where it was looked for, for a person
	owners func(f *os.File, repository string) (file, holder uint32, err error) // nil: as the system has it
}

// Tarballs are those that were found.
type Tarballs struct {
	Names []string // of the files, the main tarball first
	Made  bool     // here, of upstream's history
}

// Find puts the tarballs into place. The remote repository is asked for tags and branches as they are now,
// since they may have been pushed after the commit. The result is nil for what becomes a native package, though
// its version has a revision.
func (s *Search) Find(ctx context.Context) (*Tarballs, error) {
	if s.Format == debian.Format1 && s.GBP.Components != nil {
		return nil, sourcepackage.PackageFault("debian/gbp.conf has components, but source format 1.0 takes one orig tarball", `write "3.0 (quilt)" into debian/source/format`)
	}
	if s.GBP.TarballDir != "" {
		fmt.Fprintf(s.Tools.Log(), "note: tarball-dir of debian/gbp.conf is a folder of the maintainer's and is not looked at; sourcebot has --tarballs\n")
	}
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	for _, way := range []func(context.Context) (*Tarballs, error){s.fromPristineTar, s.fromFolders, s.fromHistory} {
		if found, err := way(ctx); found != nil || err != nil {
			return found, err
		}
	}
	if native, err := s.asNative(ctx); native || err != nil {
		return nil, err
	}
	return nil, sourcepackage.PackageFault(fmt.Sprintf("no orig tarball of %s %s: looked for %s", s.Source, s.Version.Upstream, strings.Join(s.looked, ", ")), s.missingHint())
}

// missingHint says what a maintainer can do when there is no tarball.
func (s *Search) missingHint() string {
	name := debian.OrigName(s.Source, s.Version, "", s.Compression)
	if s.GBP.PristineTar == debian.On {
		return fmt.Sprintf("debian/gbp.conf has pristine-tar = True: push the branch after: pristine-tar commit %s", name)
	}
	return fmt.Sprintf("push one of them, say in debian/gbp.conf (upstream-tag, upstream-branch, upstream-tree) what they are called, or commit the tarball with: pristine-tar commit %s", name)
}

// refresh fetches all heads that the tarballs may be made of.
func (s *Search) refresh(ctx context.Context) error {
	names := []string{"pristine-tar"}
	if s.GBP.PristineTar != debian.On {
		names = append(names, s.branches()...)
		names = append(names, s.namedHeads()...)
		for _, tag := range s.tags() {
			names = append(names, "tags/"+tag)
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !git.ValidName(name) })
	if err := s.Mirror.Refresh(ctx, names...); err != nil {
		return sourcepackage.GitFault(err)
	}
	return nil
}

// accepted lists the compressions that the source format takes.
func (s *Search) accepted() []string {
	if s.Format == debian.Format1 {
		return []string{"gz"}
	}
	return Compressions()
}

// choose picks of the files of a folder or branch, by their names, the tarballs of the version: the main
// one, those of the components that debian/gbp.conf lists, and of others that the tree has a place for. It
// returns nil when there is no main one that the format takes.
func (s *Search) choose(files []string) ([]string, error) {
	prefix := s.Source + "_" + s.Version.Upstream + ".orig"
	found := map[string][]string{}
	for _, f := range files {
		rest, ok := strings.CutPrefix(f, prefix)
		component, compression, tar := strings.Cut(rest, ".tar.")
		if !ok || !tar || !slices.Contains(s.accepted(), compression) {
			continue
		}
		if component != "" {
			if component, ok = strings.CutPrefix(component, "-"); !ok || !debian.ValidComponent(component) {
				continue
			}
		}
		found[component] = append(found[component], compression)
	}
	if found[""] == nil {
		return nil, nil
	}
	names := []string{debian.OrigName(s.Source, s.Version, "", s.preferred(found[""]))}
	for _, component := range s.GBP.Components {
		if found[component] == nil {
			return nil, sourcepackage.PackageFault(fmt.Sprintf("there is %s, but no tarball of component %s, which debian/gbp.conf lists", names[0], component), "add "+debian.OrigName(s.Source, s.Version, component, s.preferred(found[""]))+" beside it, or remove it from debian/gbp.conf")
		}
	}
	delete(found, "")
	for component, compressions := range found {
		if s.Format != debian.Format1 && (slices.Contains(s.GBP.Components, component) || hasPlace(s.Tree, component)) {
			names = append(names, debian.OrigName(s.Source, s.Version, component, s.preferred(compressions)))
		} else {
			fmt.Fprintf(s.Tools.Log(), "note: component %s is passed over: debian/gbp.conf does not list it, and the commit has no such folder\n", component)
		}
	}
	slices.Sort(names[1:])
	return names, nil
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

// signature decides whether upstream's signature of a tarball goes into the package.
func (s *Search) signature(name string, there bool) (bool, error) {
	if !there && s.GBP.Signatures == debian.On {
		return false, sourcepackage.PackageFault(fmt.Sprintf("there is no signature %s.asc, which upstream-signatures of debian/gbp.conf asks for", name),
			fmt.Sprintf("add it: pristine-tar commit -s %s.asc %s", name, name))
	}
	return there && s.GBP.Signatures != debian.Off, nil
}
