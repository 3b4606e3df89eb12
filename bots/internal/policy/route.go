package policy

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"foundry/pkg/bot"
	"foundry/pkg/debian"
)

// A Route says that the branches that match a glob are built for a codename.
type Route struct {
	Branch   string // empty for all branches that no other route fits
	Codename debian.Codename
}

// Routes say for what each branch is built.
type Routes []Route

// ParseRoute reads "codename" or "branch:codename". Its errors carry a hint.
func ParseRoute(value string) (Route, error) {
	branch, codename, found := strings.Cut(value, ":")
	if !found {
		branch, codename = "", value
	}
	if found && !ValidGlob(branch) {
		return Route{}, bot.Hint(fmt.Errorf("%q is not a branch", branch), "write codename or branch:codename")
	}
	if !debian.Codename(codename).Valid() {
		return Route{}, bot.Hint(fmt.Errorf("%q is not a codename", codename), "write codename or branch:codename, such as stable:bookworm")
	}
	return Route{branch, debian.Codename(codename)}, nil
}

// ParseRoutes reads a list of them, of which none may stand twice.
func ParseRoutes(values []string) (Routes, error) {
	var rs Routes
	for _, value := range values {
		r, err := ParseRoute(value)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", value, err)
		}
		if slices.Contains(rs, r) {
			return nil, bot.Hint(fmt.Errorf("%q: given twice", value), "give it once")
		}
		rs = append(rs, r)
	}
	return rs, nil
}

// Codenames lists what a branch is built for, in the order given.
func (rs Routes) Codenames(branch string) []debian.Codename {
	if own := rs.mapped(branch); own != nil {
		return own
	}
	return rs.others()
}

// mapped lists the codenames of the routes that name the branch.
func (rs Routes) mapped(branch string) (own []debian.Codename) {
	for _, r := range rs {
		if r.Branch != "" && Matches(r.Branch, branch) && !slices.Contains(own, r.Codename) {
			own = append(own, r.Codename)
		}
	}
	return own
}

// others lists the codenames of the routes that name no branch.
func (rs Routes) others() (others []debian.Codename) {
	for _, r := range rs {
		if r.Branch == "" {
			others = append(others, r.Codename)
		}
	}
	return others
}

// All lists every codename once, in the order given.
func (rs Routes) All() (all []debian.Codename) {
	for _, r := range rs {
		if !slices.Contains(all, r.Codename) {
			all = append(all, r.Codename)
		}
	}
	return all
}

// String lists the routes for a person.
func (rs Routes) String() string {
	words := make([]string, len(rs))
	for i, r := range rs {
		words[i] = string(r.Codename)
		if r.Branch != "" {
			words[i] = r.Branch + ":" + words[i]
		}
	}
	return strings.Join(words, ", ")
}

// ValidGlob tells whether glob is a branch or a pattern of branches, as path.Match has it.
func ValidGlob(glob string) bool {
	_, err := path.Match(glob, "")
	return err == nil && glob != "" && !strings.ContainsAny(glob, " ~^:\t\n")
}

// Matches tells whether a branch is named by a glob, in which "*" stops at slashes.
func Matches(glob, branch string) bool {
	ok, err := path.Match(glob, branch)
	return err == nil && ok
}
