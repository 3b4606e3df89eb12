package gitrepo

import (
	"context"

	"foundry/pkg/gitrepo/mirror"
	"foundry/pkg/gitrepo/remote"
)

// Peek returns the commits that heads of the repository at url point at, in the same order, and
// fetches no more for it than the server makes necessary: the commit objects alone from local paths and
// the large forges, one revision of the tree from servers that do not filter, history from those without
// a git server. It keeps them below dir, apart from mirrors, and like those for any
// number of processes.
//
// A head may have moved since it was listed; the commit is then its newer one. A tag that leads to no
// commit is ErrNoCommit.
func Peek(ctx context.Context, dir, url string, heads []remote.Head) ([]Commit, error) {
	below, err := mirror.OpenHeads(dir, url)
	if err != nil {
		return nil, err
	}
	m := &Mirror{below}
	var commits []Commit
	err = m.Mirror.Peek(ctx, heads, func(ctx context.Context, hashes []string) error {
		commits = make([]Commit, len(hashes))
		for i, hash := range hashes {
			var err error
			if commits[i], err = m.Commit(ctx, hash); err != nil {
				return err
			}
		}
		return nil
	})
	return commits, err
}
