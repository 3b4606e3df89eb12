package mirror

import (
	"context"
	"fmt"
	"strings"

	"foundry/pkg/gitrepo/git"
)

// Resolve returns the commit that a head of the mirror ("stable", "tags/v1") points at, as it was when
// last fetched, or ErrNoBranch. A full commit hash is returned if the mirror has it, else ErrNoCommit.
func (m *Mirror) Resolve(ctx context.Context, name string) (string, error) {
	if git.IsHash(name) {
		if !m.Has(ctx, name) {
			return "", fmt.Errorf("resolve %s in %s: %w", name, m.URL(), git.ErrNoCommit)
		}
		return name, nil
	}
	if !git.ValidName(name) {
		return "", fmt.Errorf("resolve %q in %s: %w", git.Plain(name, 80), m.URL(), git.ErrNoBranch)
	}
	out, err := m.Git(ctx, "rev-parse", "--quiet", "--verify", git.Ref(name)+"^{commit}")
	if git.Exited(err, 1) {
		return "", fmt.Errorf("resolve %s in %s: %w", name, m.URL(), git.ErrNoBranch)
	}
	if err != nil {
		return "", fmt.Errorf("resolve %s in %s: %w", name, m.URL(), err)
	}
	return strings.TrimSpace(string(out)), nil
}
