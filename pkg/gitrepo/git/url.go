package git

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxURL is the length in bytes of the longest URL that is taken.
const maxURL = 2048

// schemes lists what may be spoken to a repository; git itself knows more, such as ext, which runs
// programs.
const schemes = "http:https:ssh:git:file"

// helperPattern is how git recognizes "HELPER::ADDRESS" (gitremote-helpers(7)).
var helperPattern = regexp.MustCompile(`^[A-Za-z0-9+.-]*::`)

// CheckURL tells whether url may be used: an absolute path, a URL of http, https, ssh, git or
// file, or HOST:PATH as ssh has it. What is refused wraps ErrURL and is quoted without credentials.
func CheckURL(rawURL string) error {
	refuse := func(why string) error {
		// A malformed URL may hide a password where none can be: quote only what follows the last "@".
		shown := rawURL
		if at := strings.LastIndex(shown, "@"); at >= 0 && strings.Contains(shown, "://") {
			shown = "…" + shown[at:]
		}
		return fmt.Errorf("%w %q: %s", ErrURL, Plain(shown, 200), why)
	}
	switch {
	case rawURL == "":
		return refuse("empty URL")
	case len(rawURL) > maxURL:
		return fmt.Errorf("%w: URL is longer than %d bytes", ErrURL, maxURL)
	case !utf8.ValidString(rawURL) || strings.ContainsFunc(rawURL, func(r rune) bool { return !unicode.IsPrint(r) }):
		return refuse("characters that cannot be printed")
	case strings.Contains(rawURL, "#"):
		return refuse("\"#\" in the URL")
	case rawURL[0] == '-':
		return refuse("begins with \"-\"")
	case rawURL[0] == '/':
		return nil
	case helperPattern.MatchString(rawURL):
		return refuse("remote helpers are not allowed")
	}
	scheme, _, ok := strings.Cut(rawURL, "://")
	if !ok {
		if IsRelative(rawURL) {
			return refuse("relative path")
		}
		host, path, _ := strings.Cut(rawURL, ":")
		if strings.HasPrefix(host[strings.LastIndex(host, "@")+1:], "-") || path == "" || path[0] == '-' {
			return refuse("not HOST:PATH")
		}
		return nil
	}
	return checkScheme(scheme, rawURL, refuse)
}

// checkScheme checks a URL proper.
func checkScheme(scheme, rawURL string, refuse func(string) error) error {
	if !strings.Contains(":"+schemes+":", ":"+scheme+":") || strings.Contains(scheme, ":") {
		return refuse("scheme is not one of http, https, ssh, git, file")
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return refuse("not a URL") // the parser's words would quote the password
	}
	switch {
	case scheme == "file" && u.Host != "":
		return refuse("a file URL is file:///PATH")
	case scheme != "file" && (u.Host == "" || u.Hostname() == ""):
		return refuse("no host")
	case strings.HasPrefix(u.Host, "-") || strings.HasPrefix(u.User.Username(), "-"):
		return refuse("host or user begins with \"-\"")
	case scheme == "git" && u.User != nil:
		return refuse("the git protocol knows no users")
	case u.Path == "" || u.Path == "/" && scheme != "http" && scheme != "https":
		return refuse("no path")
	case strings.HasPrefix(u.Path, "/-") && scheme == "ssh":
		return refuse("path begins with \"-\"")
	case u.RawQuery != "" || u.ForceQuery:
		return refuse("git URLs have no query (\"?\")")
	}
	return nil
}

// IsRelative tells whether git would take s for a path that does not begin with "/".
func IsRelative(s string) bool {
	if s == "" || s[0] == '/' || s[0] == '-' || strings.Contains(s, "://") || helperPattern.MatchString(s) {
		return false
	}
	if s[0] == '[' {
		return false
	}
	colon, slash := strings.Index(s, ":"), strings.Index(s, "/")
	return colon < 0 || slash >= 0 && slash < colon
}

// Redact returns url without what could be a credential: user and password of http, https and
// git URLs, where the user is often the token itself, and the password of others. It is what
// belongs into messages, logs and errors, and is itself a URL that can be used by whoever has
// credentials of his own.
func Redact(rawURL string) string {
	scheme, rest, ok := strings.Cut(rawURL, "://")
	if !ok {
		return rawURL
	}
	end := strings.IndexAny(rest, "/")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndex(rest[:end], "@")
	if at < 0 {
		return rawURL
	}
	if scheme == "ssh" {
		user, _, _ := strings.Cut(rest[:at], ":")
		return scheme + "://" + user + rest[at:]
	}
	return scheme + "://" + rest[at+1:]
}

// Credentials returns what an http or https URL holds of user and password as the value of an
// Authorization header, or "".
func Credentials(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.User == nil || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	password, _ := u.User.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
}

// LocalPath returns the folder that a path or file URL names, or "".
func LocalPath(rawURL string) string {
	if strings.HasPrefix(rawURL, "/") {
		return filepath.Clean(rawURL)
	}
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "file" {
		return ""
	}
	return filepath.Clean(u.Path)
}
