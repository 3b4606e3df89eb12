package orig

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"foundry/bots/internal/sourcepackage"
	"foundry/pkg/gitrepo/git"
)

// bring makes sure that the tree which a delta was made against is there. Where a package has components,
// git-buildpackage commits the main tarball against the upstream tree without their folders, a tree that no
// commit has: it is made again.
func (p *pristineTar) bring(ctx context.Context, tree string) error {
	heads := p.treeHeads()
	missing := p.Mirror.FetchTree(ctx, tree, heads...)
	if !errors.Is(missing, git.ErrNoCommit) || p.components == nil {
		return missing
	}
	for _, head := range heads {
		commit, err := p.Mirror.Resolve(ctx, head)
		if errors.Is(err, git.ErrNoBranch) {
			continue
		}
		if err != nil {
			return err
		}
		if made, err := p.withoutComponents(ctx, commit); made == tree || err != nil {
			return err
		}
	}
	return missing
}

// withoutComponents makes the tree of a commit without the folders of the components.
func (p *pristineTar) withoutComponents(ctx context.Context, commit string) (string, error) {
	listing, err := p.git(ctx, "ls-tree", "-z", "--full-tree", commit)
	if err != nil {
		return "", fmt.Errorf("list upstream tree: %w", err)
	}
	var rest strings.Builder
	for entry := range strings.SplitAfterSeq(listing, "\x00") {
		attributes, name, _ := strings.Cut(strings.TrimSuffix(entry, "\x00"), "\t")
		if !strings.Contains(attributes, " tree ") || !slices.Contains(p.components, name) {
			rest.WriteString(entry)
		}
	}
	out, err := p.Tools.Output(ctx, 1<<10, sourcepackage.Call{
		Dir: p.Tools.Temp(), Env: gitEnv(p.repository), Stdin: strings.NewReader(rest.String()), Args: []string{"git", "mktree", "-z", "--missing"},
	})
	if err != nil {
		return "", fmt.Errorf("make upstream tree without components: %w", err)
	}
	return strings.TrimSpace(out), nil
}

// treeHeads lists where the tree that a delta was made against is likely to be found.
func (p *pristineTar) treeHeads() []string {
	var heads []string
	for _, tag := range p.tags() {
		heads = append(heads, "tags/"+tag)
	}
	heads = append(append(heads, p.branches()...), p.Branch)
	return slices.DeleteFunc(heads, func(name string) bool { return !git.ValidName(name) })
}

// links lists the symbolic links of a tree.
func (p *pristineTar) links(ctx context.Context, tree string) (map[string]bool, error) {
	out, err := p.git(ctx, "ls-tree", "-r", "-z", "--full-tree", tree)
	if err != nil {
		return nil, err
	}
	links := map[string]bool{}
	for entry := range strings.SplitSeq(out, "\x00") {
		if attributes, name, ok := strings.Cut(entry, "\t"); ok && strings.HasPrefix(attributes, "120000 ") {
			links[name] = true
		}
	}
	return links, nil
}
