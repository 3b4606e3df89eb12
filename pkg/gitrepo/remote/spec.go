package remote

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"foundry/pkg/gitrepo/git"
)

// A Spec names a repository and which of its heads are meant.
type Spec struct {
	URL string // as the user gave it; a local path is absolute
	// Pattern is empty for the default branch, or a branch, "tags/NAME", a glob, or a full commit
	// hash. In a glob "*" matches any run of characters, slashes too, "?" one, and "[…]" one of a
	// set. A glob matches tags only if it begins with "tags/".
	Pattern string
}

// ParseSpec reads URL[#branch|#glob|#commit]. The first "#" ends the URL; a path that holds one can be
// written as a file URL with %23. "refs/heads/", "heads/" and "refs/tags/" before a name are
// understood. What is malformed, or not allowed as in CheckURL, wraps ErrURL.
func ParseSpec(s string) (Spec, error) {
	url, pattern, found := strings.Cut(s, "#")
	if git.IsRelative(url) {
		abs, err := filepath.Abs(url)
		if err != nil {
			return Spec{}, fmt.Errorf("%w %q: %w", git.ErrURL, url, err)
		}
		url = abs
	}
	if err := git.CheckURL(url); err != nil {
		return Spec{}, err
	}
	if !found {
		return Spec{URL: url}, nil
	}
	for _, prefix := range []string{"refs/heads/", "heads/"} {
		pattern = strings.TrimPrefix(pattern, prefix)
	}
	if strings.HasPrefix(pattern, "refs/tags/") {
		pattern = strings.TrimPrefix(pattern, "refs/")
	}
	if err := checkPattern(pattern); err != nil {
		return Spec{}, fmt.Errorf("%w %s: %w", git.ErrURL, git.Redact(url), err)
	}
	return Spec{URL: url, Pattern: pattern}, nil
}

// String is what ParseSpec reads, without credentials.
func (s Spec) String() string {
	if s.Pattern == "" {
		return git.Redact(s.URL)
	}
	return git.Redact(s.URL) + "#" + s.Pattern
}

// IsGlob tells whether s can mean several heads.
func (s Spec) IsGlob() bool { return strings.ContainsAny(s.Pattern, "*?[") }

// IsCommit tells whether s means one commit, wherever branches are.
func (s Spec) IsCommit() bool { return git.IsHash(s.Pattern) }

// Matches tells whether s, with a glob or a name as its pattern, means the head of that name.
func (s Spec) Matches(name string) bool {
	if !s.IsGlob() {
		return name == s.Pattern
	}
	if strings.HasPrefix(name, "tags/") != strings.HasPrefix(s.Pattern, "tags/") {
		return false
	}
	// path.Match keeps "*" from crossing slashes; names hold no control characters.
	ok, err := path.Match(strings.ReplaceAll(s.Pattern, "/", "\x01"), strings.ReplaceAll(name, "/", "\x01"))
	return ok && err == nil
}

// Select returns those of a repository's heads that s means. A name that is not there is
// ErrNoBranch; a glob may match none. For a commit it returns one head with that commit and the
// name of a branch or tag that points at it, else of the default branch.
func (s Spec) Select(heads []Head) ([]Head, error) {
	switch {
	case s.Pattern == "":
		for _, h := range heads {
			if h.Default {
				return []Head{h}, nil
			}
		}
		if len(heads) == 0 {
			return nil, fmt.Errorf("%s: %w: the repository is empty", git.Redact(s.URL), git.ErrNoBranch)
		}
		return nil, fmt.Errorf("%s: %w: its default branch does not exist", git.Redact(s.URL), git.ErrNoBranch)
	case s.IsCommit():
		return s.selectCommit(heads)
	}
	var found []Head
	for _, h := range heads {
		if s.Matches(h.Name) {
			found = append(found, h)
		}
	}
	if found == nil && shortHash.MatchString(s.Pattern) {
		return nil, fmt.Errorf("%s: %w: %s (a commit takes all 40 digits of its hash)", git.Redact(s.URL), git.ErrNoBranch, s.Pattern)
	}
	if found == nil && !s.IsGlob() {
		return nil, fmt.Errorf("%s: %w: %s", git.Redact(s.URL), git.ErrNoBranch, s.Pattern)
	}
	return found, nil
}

func (s Spec) selectCommit(heads []Head) ([]Head, error) {
	var best Head
	for _, h := range heads {
		switch {
		case h.Commit == s.Pattern && (best.Commit != s.Pattern || h.Default):
			best = h
		case best.Name == "" && h.Default:
			best = h
		}
	}
	if best.Name == "" {
		return nil, fmt.Errorf("%s: %w: no branch to find commit %s on", git.Redact(s.URL), git.ErrNoBranch, s.Pattern)
	}
	best.Commit = s.Pattern
	return []Head{best}, nil
}

// checkPattern tells whether pattern can name heads of a repository.
func checkPattern(pattern string) error {
	if pattern == "" {
		return fmt.Errorf("no branch after \"#\"")
	}
	if _, err := path.Match(strings.ReplaceAll(pattern, "/", "\x01"), ""); err != nil {
		return fmt.Errorf("bad glob %q: %w", pattern, err)
	}
	// What is left when glob characters stand for letters must be a name.
	letters := strings.NewReplacer("*", "x", "?", "x", "[", "x", "]", "x", "^", "x")
	if !strings.ContainsAny(pattern, "*?[") {
		letters = strings.NewReplacer()
	}
	if !git.ValidName(letters.Replace(pattern)) {
		return fmt.Errorf("bad branch name %q", pattern)
	}
	return nil
}

// shortHash is what looks like the beginning of a commit hash.
var shortHash = regexp.MustCompile(`^[0-9a-f]{7,39}$`)
