package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"foundry/pkg/bot"
	"foundry/pkg/debian"
)

// A bump is what --autobump adds to a version: text with tokens in the manner of git-buildpackage.
type bump string

const (
	defaultTemplate = "+%(date)s.%(time)s.g%(hash)s"
	templateTokens  = "%(date)s, %(time)s, %(second)s, %(hash)s, %(branch)s, %(codename)s and %(count)s"
)

// tokens are the names of what may stand in a bump.
func tokens() []string {
	return []string{"date", "time", "second", "hash", "branch", "codename", "count"}
}

var (
	token = regexp.MustCompile(`%\(([^)]*)\)s`)
	// suffix is what may be added to a version. A hyphen would make a revision of what follows it.
	suffix = regexp.MustCompile(`^[+~][A-Za-z0-9.+~]+$`)
	// unfit is what a version may not have of a branch or codename.
	unfit = regexp.MustCompile(`[^A-Za-z0-9]+`)
)

// An occasion is what a bump's tokens stand for. Nothing of it comes from the clock.
type occasion struct {
	time     time.Time // of the commit
	hash     string
	branch   string
	codename debian.Codename
	count    int // of the deliberate rebuild
}

// maxBranch is how many bytes of a branch's name stand in a version.
const maxBranch = 40

// fill returns the bump for a commit.
func (b bump) fill(o occasion) string {
	branch := strings.Trim(unfit.ReplaceAllString(o.branch, "."), ".")
	values := map[string]string{
		"date": o.time.UTC().Format("20060102"), "time": o.time.UTC().Format("1504"), "second": o.time.UTC().Format("05"), "hash": o.hash[:7],
		"branch": strings.TrimRight(branch[:min(len(branch), maxBranch)], "."), "codename": unfit.ReplaceAllString(string(o.codename), "."),
		"count": fmt.Sprint(o.count),
	}
	return token.ReplaceAllStringFunc(string(b), func(t string) string { return values[t[len("%("):len(t)-len(")s")]] })
}

// parseBump reads a template, and checks what it makes of two commits, of which the later must get the higher
// version whatever its hash. Its errors carry a hint.
func parseBump(template string) (bump, error) {
	for _, t := range token.FindAllStringSubmatch(template, -1) {
		if !slices.Contains(tokens(), t[1]) {
			return "", bot.Hint(fmt.Errorf("unknown token %%(%s)s", t[1]), bot.Nearest(t[1], tokens()))
		}
	}
	if strings.Contains(token.ReplaceAllString(template, ""), "%") {
		return "", bot.Hint(errors.New("a percent sign that begins no token"), "tokens are "+templateTokens)
	}
	b := bump(template)
	day := time.Date(2026, 11, 20, 23, 15, 0, 0, time.UTC)
	earlier := b.fill(occasion{day, strings.Repeat("f", 40), "main", "bookworm", 9})
	later := b.fill(occasion{day.Add(24 * time.Hour), strings.Repeat("0", 40), "main", "bookworm", 0})
	if !suffix.MatchString(earlier) {
		return "", bot.Hint(fmt.Errorf("it makes %q of a commit, which does not go with a version", earlier),
			"begin it with + to sort after the version in the changelog, or ~ to sort before it; then letters, digits and . + ~")
	}
	base := debian.Version{Upstream: "1.2", Revision: "3"}
	v, err := debian.ParseVersion(base.Append(later).String())
	switch {
	case err != nil:
		return "", bot.Hint(err, "shorten it")
	case binaryRebuild.MatchString(earlier):
		return "", bot.Hint(fmt.Errorf("it makes %q of a commit, the end of a binary-only rebuild's version", earlier), `end it otherwise than in "+b" and a number`)
	case v.Compare(base.Append(earlier)) <= 0:
		return "", bot.Hint(fmt.Errorf("a later commit would not get a higher version: %q does not sort above %q", later, earlier), "put %(date)s.%(time)s before the hash and all else that changes")
	}
	return b, nil
}
