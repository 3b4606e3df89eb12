package orig

import (
	"context"
	"errors"
	"fmt"

	"foundry/bots/internal/sourcepackage"
	"foundry/pkg/debian"
	"foundry/pkg/gitrepo"
	"foundry/pkg/gitrepo/git"
)

// Submodules lists those of a commit that belong to the source, and brings them to this host: all, unless
// the configuration of git-buildpackage says otherwise.
func Submodules(ctx context.Context, t *sourcepackage.Runner, m *gitrepo.Mirror, commit string, configured debian.GBP) ([]gitrepo.Submodule, error) {
	if configured.Submodules == debian.Off {
		return nil, nil
	}
	all, err := m.Submodules(ctx, commit)
	if errors.Is(err, gitrepo.ErrSubmodule) {
		return nil, sourcepackage.PackageFault(err.Error(), git.Hint(err)+"; or write submodules = False into debian/gbp.conf")
	}
	if err != nil {
		return nil, sourcepackage.GitFault(err)
	}
	for _, s := range all {
		fmt.Fprintf(t.Log(), "with submodule %s (%s, commit %s)\n", s.Path, s.URL, s.Commit)
	}
	return all, nil
}
