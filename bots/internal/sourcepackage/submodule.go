package sourcepackage

import (
	"context"

	"foundry/pkg/gitrepo"
)

// Submodule is one of a commit.
type Submodule struct{ Path, URL, Commit string }

func submodulesOf(context.Context, *gitrepo.Mirror, string) ([]Submodule, error) { return nil, nil }
