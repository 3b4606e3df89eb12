package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"foundry/bots/internal/layout"
	"foundry/bots/internal/orig"
	"foundry/bots/internal/sourcepackage"
	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/gitrepo"
	"foundry/pkg/message"
)

// A maker makes the source packages of one commit.
type maker struct {
	*sourcebot
	job        *bot.Job
	mirror     *gitrepo.Mirror
	commit     gitrepo.Commit
	about      *message.Commit
	signer     string
	submodules []gitrepo.Submodule // in the tree
	terms      terms
	codenames  []debian.Codename
	announced  []debian.Codename // of these
}

// logged makes them with a log that goes with a failure, within the time allowed.
func (m *maker) logged(ctx context.Context) ([]bot.Result, error) {
	log, err := m.job.OpenLog("source")
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	results, err := m.make(limited, log)
	if ctx.Err() == nil && errors.Is(limited.Err(), context.DeadlineExceeded) {
		err = sourcepackage.PackageFault(fmt.Sprintf("making the source package took longer than %s", m.timeout), "start sourcebot with a larger --timeout")
	}
	ref, tail, logErr := log.Finish(context.WithoutCancel(ctx))
	var failure *bot.Failure
	if errors.As(err, &failure) {
		if logErr != nil {
			return nil, logErr
		}
		if len(tail) > 0 {
			failure.Log, failure.Tail = &ref, tail
		}
	}
	return results, err
}

// make makes one package after the other.
func (m *maker) make(ctx context.Context, log *bot.Log) ([]bot.Result, error) {
	t, err := sourcepackage.NewRunner(m.job.Dir, m.commit.Time, log)
	if err != nil {
		return nil, err
	}
	fresh, err := m.checkout(ctx)
	if err != nil {
		return nil, err
	}
	p, err := sourcepackage.ReadPackaging(fresh)
	if err != nil {
		return nil, err
	}
	if b := p.GBP.DebianBranch; b != "" && b != m.about.Branch {
		fmt.Fprintf(log, "note: debian/gbp.conf says that the packaging is on branch %s, this commit is on %s\n", b, m.about.Branch)
	}
	releases, err := m.releases(ctx, p.Top)
	if err != nil {
		return nil, err
	}
	work := filepath.Join(m.job.Dir, "work")
	if err := os.Mkdir(work, 0o700); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	fresh, fit, err := m.upstream(ctx, t, fresh, work, p)
	if err != nil {
		return nil, err
	}
	results := make([]bot.Result, 0, len(releases))
	for _, r := range releases {
		if fresh == "" {
			if fresh, err = m.checkout(ctx); err != nil {
				return nil, err
			}
		}
		if err := fit.Fit(fresh); err != nil {
			return nil, err
		}
		result, err := m.makeOne(ctx, t, work, fresh, p, r)
		if err != nil {
			return nil, err
		}
		results = append(results, result)
		fresh = "" // dpkg-source leaves traces
	}
	return results, nil
}

// checkout exports the commit, as it is whatever attributes say, and returns the folder.
func (m *maker) checkout(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp(m.job.Dir, "tree-")
	if err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	if err := m.mirror.CheckoutRaw(ctx, m.commit.Hash, dir, m.submodules...); err != nil {
		return "", sourcepackage.GitFault(err)
	}
	return dir, sourcepackage.Guard(dir, m.commit.Time)
}

// upstream puts the orig tarballs into work, if the package has any, and returns how trees of the commit fit
// to them, and a tree. Submodules are part of it unless they come in tarballs.
func (m *maker) upstream(ctx context.Context, t *sourcepackage.Runner, tree, work string, p *sourcepackage.Packaging) (string, *layout.Layout, error) {
	native := p.Format.Native(p.Top.Version)
	search := &orig.Search{
		Mirror: m.mirror, Tools: t, Branch: m.about.Branch, Commit: m.commit.Hash, Tree: tree, Source: p.Top.Source, Version: p.Top.Version, Since: p.Since,
		Format: p.Format, GBP: p.GBP, Compression: m.compressionFor(p.Format, p.GBP), Folders: m.folders(), Dir: work,
	}
	var found *orig.Tarballs
	var err error
	if !native {
		if found, err = search.Find(ctx); err != nil {
			return "", nil, err
		}
		native = found == nil
	}
	if native || found.Made {
		if m.submodules, err = orig.Submodules(ctx, t, m.mirror, m.commit.Hash, p.GBP); err != nil {
			return "", nil, err
		}
	}
	if m.submodules != nil {
		if tree, err = m.checkout(ctx); err != nil {
			return "", nil, err
		}
	}
	if native {
		return tree, new(layout.Layout), layout.CheckPointers(tree)
	}
	search.Tree, search.Submodules = tree, m.submodules
	fit, err := layout.Find(ctx, search, found)
	return tree, fit, err
}

// folders lists those that may hold orig tarballs: any that sourcebot was told of, then the one beside the
// repository.
func (m *maker) folders() []orig.Folder {
	var folders []orig.Folder
	for _, path := range m.tarballs {
		folders = append(folders, orig.Folder{Path: path})
	}
	if beside, ok := orig.FolderBeside(m.about.Repository); ok {
		folders = append(folders, beside)
	}
	return folders
}

// makeOne makes the package for one codename of an exported tree, which is used up.
func (m *maker) makeOne(ctx context.Context, t *sourcepackage.Runner, work, tree string, p *sourcepackage.Packaging, r release) (bot.Result, error) {
	begun := time.Now()
	version := r.version.WithoutEpoch()
	if !p.Format.Native(p.Top.Version) {
		version = r.version.Upstream // as dpkg-source likes it
	}
	named := filepath.Join(work, p.Top.Source+"-"+version)
	if err := os.Rename(tree, named); err != nil {
		return bot.Result{}, fmt.Errorf("name tree: %w", err)
	}
	path, err := t.Pack(ctx, work, named, p.Top, r.entry)
	if err != nil {
		return bot.Result{}, err
	}
	dsc, files, err := sourcepackage.Store(ctx, m.job.Store, path)
	if err != nil {
		return bot.Result{}, err
	}
	source, err := m.message(dsc, files, r)
	if err != nil {
		return bot.Result{}, err
	}
	if err := m.checkContent(ctx, source.Package, path); err != nil {
		return bot.Result{}, err
	}
	m.job.Log.Info().Str("source", dsc.Source).Str("version", dsc.Version.String()).Str("codename", string(r.codename)).
		Str("distribution", strings.Join(p.Top.Distributions, " ")).Dur("took_ms", time.Since(begun)).Msg("source package made")
	return bot.Result{Body: source, Siblings: []string{string(r.codename)}}, os.RemoveAll(named)
}

// message says what was made.
func (m *maker) message(dsc *debian.Dsc, files []message.Artifact, r release) (*message.Source, error) {
	source, err := sourcepackage.Message(dsc, files)
	if err != nil {
		return nil, err
	}
	source.Origin, source.Codename = m.about.Origin, string(r.codename)
	source.Signer, source.Time = m.signer, m.commit.Time
	source.Committer = fmt.Sprintf("%s <%s>", m.commit.Committer, m.commit.CommitterEmail)
	if err := m.apply(source); err != nil {
		return nil, err
	}
	return source, sourcepackage.CheckSize(source)
}
