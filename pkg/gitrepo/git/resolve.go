package git

import (
	"fmt"
	"strings"
)

// ResolveURL returns the URL that url means in a repository at base: one that begins with "./" or "../" counts from
// there, as with git-submodule(1), all others stand for themselves. Credentials of base are kept, since the host stays the
// same. What leads up further than base's path, or is not allowed as in CheckURL, wraps ErrURL.
func ResolveURL(base, url string) (string, error) {
	first, _, _ := strings.Cut(url, "/")
	if first != "." && first != ".." {
		return url, CheckURL(url)
	}
	root, path := splitURL(base)
	absolute := strings.HasPrefix(path, "/")
	var parts []string
	for part := range strings.SplitSeq(path, "/") {
		if part != "" {
			parts = append(parts, part)
		}
	}
	for part := range strings.SplitSeq(url, "/") {
		switch {
		case part == "" || part == ".":
		case part != "..":
			parts = append(parts, part)
		case len(parts) == 0:
			return "", fmt.Errorf("%w %q: leads out of %s", ErrURL, Plain(url, 200), Redact(root+"/"))
		default:
			parts = parts[:len(parts)-1]
		}
	}
	path = strings.Join(parts, "/")
	if absolute {
		path = "/" + path
	}
	return root + path, CheckURL(root + path)
}

// splitURL splits a URL into what names the host and the path there, which does not begin with "/" when it counts
// from a user's home.
func splitURL(url string) (root, path string) {
	if scheme, rest, ok := strings.Cut(url, "://"); ok {
		host, _, _ := strings.Cut(rest, "/")
		return scheme + "://" + host, strings.TrimPrefix(rest, host)
	}
	if strings.HasPrefix(url, "/") {
		return "", url
	}
	end := 0
	if bracket := strings.Index(url, "]:"); strings.HasPrefix(url[strings.LastIndexByte(url, '@')+1:], "[") && bracket >= 0 {
		end = bracket + 1 // an IPv6 address
	} else if colon := strings.IndexByte(url, ':'); colon >= 0 {
		end = colon
	}
	return url[:end+1], url[end+1:]
}
