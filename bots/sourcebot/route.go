package main

import (
	"slices"
	"strings"

	"foundry/bots/internal/policy"
)

// wanted tells whether a branch is built. Without --build-branch all are but those that by git-buildpackage's
// conventions hold upstream's sources alone, unless a mapping names one.
func (o *options) wanted(branch string) bool {
	if len(o.buildBranches) > 0 {
		return slices.ContainsFunc(o.buildBranches, func(glob string) bool { return policy.Matches(glob, branch) })
	}
	if slices.ContainsFunc(o.routes, func(r policy.Route) bool { return policy.Matches(r.Branch, branch) }) {
		return true
	}
	name := strings.TrimPrefix(branch, "tags/")
	return name != "pristine-tar" && name != "upstream" && !strings.HasPrefix(name, "upstream/")
}
