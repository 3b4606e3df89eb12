package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"foundry/pkg/gitrepo/git"
)

// ErrSubmodule says that a submodule cannot be had.
var ErrSubmodule = git.NewProblem(
	"submodule cannot be fetched",
	"look at .gitmodules: each submodule needs a url of http, https, ssh or git, or one that begins with ../, and its commit must be pushed there",
)

// A Submodule is another repository's tree at a place in a tree (gitsubmodules(7)).
type Submodule struct {
	Path   string  // in the tree that was asked for; "a/b" may be within another
	URL    string  // without credentials
	Commit string  // full hash
	Mirror *Mirror // which has the commit
}

const (
	maxDepth      = 8   // of submodules within submodules
	maxSubmodules = 500 // of one tree
	atOnce        = 4   // fetches
)

// Submodules returns the submodules of a commit, each before those within it, and fetches those that are not there into
// mirrors beside this one. What cannot be had is ErrSubmodule or an error of Fetch, which names it. A repository
// that is not on this machine's file system may not name one that is. Those with "update = none" are left out.
func (m *Mirror) Submodules(ctx context.Context, commit string) ([]Submodule, error) {
	if !git.IsHash(commit) {
		return nil, fmt.Errorf("list submodules of %q: %w", git.Plain(commit, 80), git.ErrNoCommit)
	}
	found, err := m.submodules(ctx, commit, "", 1, new(atomic.Int32))
	if err != nil {
		return nil, fmt.Errorf("fetch submodules of commit %s of %s: %w", commit, m.URL(), err)
	}
	return found, nil
}

// submodules handles one tree, which is itself at the path below in the outermost one.
func (m *Mirror) submodules(ctx context.Context, commit, below string, depth int, count *atomic.Int32) ([]Submodule, error) {
	named, err := m.listSubmodules(ctx, commit)
	if err != nil {
		return nil, err
	}
	switch {
	case len(named) > 0 && depth > maxDepth:
		return nil, fmt.Errorf("%w: %s: more than %d within each other", ErrSubmodule, git.Plain(below, 200), maxDepth)
	case count.Add(int32(len(named))) > maxSubmodules:
		return nil, fmt.Errorf("%w: more than %d of them", ErrSubmodule, maxSubmodules)
	}
	lists := make([][]Submodule, len(named))
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(atOnce)
	for i, s := range named {
		all.Go(func() error {
			s.Path = below + s.Path
			if err := s.Mirror.Fetch(ctx, s.Commit, ""); err != nil {
				return s.fault(err)
			}
			inner, err := s.Mirror.submodules(ctx, s.Commit, s.Path+"/", depth+1, count)
			lists[i] = append([]Submodule{s}, inner...)
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return nil, err
	}
	var found []Submodule
	for _, list := range lists {
		found = append(found, list...)
	}
	return found, nil
}

// fault tells which submodule could not be fetched.
func (s *Submodule) fault(err error) error {
	path := git.Plain(s.Path, 200)
	if errors.Is(err, git.ErrNoCommit) {
		return fmt.Errorf("%w: %s: %s has no commit %s", ErrSubmodule, path, s.URL, s.Commit)
	}
	return fmt.Errorf("submodule %s: %w", path, err)
}

// listSubmodules lists the submodules of one tree, with mirrors that are not fetched yet.
func (m *Mirror) listSubmodules(ctx context.Context, commit string) ([]Submodule, error) {
	out, err := m.Git(ctx, "ls-tree", "-r", "-z", "--full-tree", commit)
	if err != nil {
		return nil, err
	}
	var links []Submodule
	file := ""                                                 // mode of .gitmodules
	for entry := range strings.SplitSeq(string(out), "\x00") { // "MODE TYPE HASH\tPATH"
		attributes, path, _ := strings.Cut(entry, "\t")
		if hash, ok := strings.CutPrefix(attributes, "160000 commit "); ok {
			links = append(links, Submodule{Path: path, Commit: hash})
		}
		if path == ".gitmodules" {
			file, _, _ = strings.Cut(attributes, " ")
		}
	}
	if links == nil {
		return nil, nil
	}
	var settings map[string]submoduleSettings
	if file == "100644" || file == "100755" {
		if settings, err = m.readGitmodules(ctx, commit); err != nil {
			return nil, err
		}
	}
	found := links[:0]
	for _, s := range links {
		if err := checkPath(s.Path); err != nil {
			return nil, err
		}
		set := settings[s.Path]
		if set.update == "none" {
			continue
		}
		if set.url == "" {
			return nil, fmt.Errorf("%w: %s: .gitmodules has no url for it", ErrSubmodule, git.Plain(s.Path, 200))
		}
		named, err := m.OpenNamed(set.url)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrSubmodule, git.Plain(s.Path, 200), err)
		}
		s.Mirror, s.URL = &Mirror{named}, named.URL()
		found = append(found, s)
	}
	return found, nil
}

// submoduleSettings is what .gitmodules says of one (gitmodules(5)).
type submoduleSettings struct{ url, update string }

// readGitmodules reads the file .gitmodules of a tree with git's own parser, by path. No other file is included,
// and the names of submodules, which need not be harmless, are not used.
func (m *Mirror) readGitmodules(ctx context.Context, commit string) (map[string]submoduleSettings, error) {
	content, err := m.ReadFile(ctx, commit, ".gitmodules")
	if err != nil {
		return nil, err
	}
	r := m.Run("config", "--file", "-", "--no-includes", "--null", "--list")
	r.Stdin = strings.NewReader(string(content))
	out, err := r.Do(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%w: read .gitmodules: %w", ErrSubmodule, err)
	}
	paths := make(map[string]string) // by name
	named := make(map[string]submoduleSettings)
	for line := range strings.SplitSeq(string(out), "\x00") { // "submodule.NAME.KEY\nVALUE", NAME may have anything in it
		setting, value, _ := strings.Cut(line, "\n")
		setting, ok := strings.CutPrefix(setting, "submodule.")
		dot := strings.LastIndexByte(setting, '.')
		if !ok || dot < 0 {
			continue
		}
		name, s := setting[:dot], named[setting[:dot]]
		switch setting[dot+1:] {
		case "path":
			paths[name] = strings.TrimSuffix(value, "/")
		case "url":
			s.url = value
		case "update":
			s.update = value
		}
		named[name] = s
	}
	settings := make(map[string]submoduleSettings)
	for name, path := range paths {
		if there, twice := settings[path]; twice && there != named[name] {
			return nil, fmt.Errorf("%w: %s: .gitmodules names two repositories for it", ErrSubmodule, git.Plain(path, 200))
		}
		settings[path] = named[name]
	}
	return settings, nil
}
