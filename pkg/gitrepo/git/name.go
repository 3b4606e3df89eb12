package git

import (
	"regexp"
	"strings"
	"unicode"
)

var hashPattern = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// IsHash tells whether s is a full commit hash, SHA-1 or SHA-256.
func IsHash(s string) bool { return hashPattern.MatchString(s) }

// ValidName tells whether name can be a branch, by the rules of git-check-ref-format(1) and
// without a "-" at its beginning, which makes it an option, or characters that cannot be seen.
func ValidName(name string) bool {
	if name == "" || len(name) > 255 || name == "@" || name[0] == '-' || name[0] == '/' ||
		strings.HasSuffix(name, "/") || strings.HasSuffix(name, ".") ||
		strings.Contains(name, "..") || strings.Contains(name, "//") || strings.Contains(name, "@{") {
		return false
	}
	for _, r := range name {
		if r == ' ' || r == '\uFFFD' || !unicode.IsPrint(r) || strings.ContainsRune(`~^:?*[\`, r) {
			return false
		}
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return true
}

// Ref returns the full name of the reference of the branch "stable" or the tag "tags/v1".
func Ref(name string) string {
	if strings.HasPrefix(name, "tags/") {
		return "refs/" + name
	}
	return "refs/heads/" + name
}
