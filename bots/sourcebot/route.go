package main

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"foundry/pkg/bot"
	"foundry/pkg/debian"
)

// A route says that the branches that match a glob are built for a codename.
type route struct {
	branch   string // empty for all branches that no other route fits
	codename debian.Codename
}

type routes []route

// parseRoutes reads the values of --codename.
func parseRoutes(values []string) (routes, error) {
	if len(values) == 0 {
		return nil, bot.Usage("no --codename", "say for what to build: --codename bookworm, or --codename stable:bookworm for the branch stable")
	}
	var rs routes
	for _, value := range values {
		branch, codename, found := strings.Cut(value, ":")
		if !found {
			branch, codename = "", value
		}
		if found && !validGlob(branch) {
			return nil, bot.Usage(fmt.Sprintf("--codename %q: %q is not a branch", value, branch), "write codename or branch:codename")
		}
		if !debian.Codename(codename).Valid() {
			return nil, bot.Usage(fmt.Sprintf("--codename %q: %q is not a codename", value, codename), "write codename or branch:codename, such as stable:bookworm")
		}
		r := route{branch, debian.Codename(codename)}
		if slices.Contains(rs, r) {
			return nil, bot.Usage(fmt.Sprintf("--codename %q: given twice", value), "")
		}
		rs = append(rs, r)
	}
	return rs, nil
}

// codenames lists what a branch is built for, in the order given.
func (rs routes) codenames(branch string) []debian.Codename {
	var own, others []debian.Codename
	for _, r := range rs {
		switch {
		case r.branch == "":
			others = append(others, r.codename)
		case matches(r.branch, branch) && !slices.Contains(own, r.codename):
			own = append(own, r.codename)
		}
	}
	if own != nil {
		return own
	}
	return others
}

// String lists the routes for a person.
func (rs routes) String() string {
	words := make([]string, len(rs))
	for i, r := range rs {
		words[i] = string(r.codename)
		if r.branch != "" {
			words[i] = r.branch + ":" + words[i]
		}
	}
	return strings.Join(words, ", ")
}

func validGlob(glob string) bool {
	_, err := path.Match(glob, "")
	return err == nil && glob != "" && !strings.ContainsAny(glob, " ~^:\t\n")
}

// matches tells whether a branch is named by a glob, in which "*" stops at slashes.
func matches(glob, branch string) bool {
	ok, err := path.Match(glob, branch)
	return err == nil && ok
}

// wanted tells whether a branch is built. Without --build-branch all are but those that by git-buildpackage's
// conventions hold upstream's sources alone, unless a mapping names one.
func (o *options) wanted(branch string) bool {
	if len(o.buildBranches) > 0 {
		return slices.ContainsFunc(o.buildBranches, func(glob string) bool { return matches(glob, branch) })
	}
	if slices.ContainsFunc(o.routes, func(r route) bool { return matches(r.branch, branch) }) {
		return true
	}
	name := strings.TrimPrefix(branch, "tags/")
	return name != "pristine-tar" && name != "upstream" && !strings.HasPrefix(name, "upstream/")
}
