package git

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What can be wrong with a repository. Errors of this package wrap one of these where it is known, and
// have its hint.
var (
	// ErrURL says that a URL or spec is malformed or not allowed.
	ErrURL error = &problem{
		"invalid repository",
		"give an absolute path or a URL of http, https, ssh, git or file, then #branch, #tags/NAME, #GLOB or #COMMIT",
	}
	// ErrNoRepository says that there is no git repository at a URL.
	ErrNoRepository error = &problem{"no such repository", "try: git ls-remote URL"}
	// ErrNoBranch says that a repository lacks a branch or tag.
	ErrNoBranch error = &problem{"no such branch", "list what is there with: git ls-remote URL; tags are written tags/NAME"}
	// ErrEmpty says that a repository has no branches yet.
	ErrEmpty error = &problem{"the repository is empty", "push a branch to it"}
	// ErrDetached says that a repository has no default branch, because its HEAD names a commit.
	ErrDetached error = &problem{"no default branch: HEAD names a commit", "in that repository: git symbolic-ref HEAD refs/heads/BRANCH"}
	// ErrNoCommit says that a repository does not have a commit, or not any more.
	ErrNoCommit error = &problem{"no such commit", "the branch was rewritten since; push again, or announce its new head"}
	// ErrAuth says that the repository's host wants other credentials, or is itself not known to ssh.
	ErrAuth error = &problem{
		"authentication refused",
		"give git credentials for the host (ssh key and known_hosts, .netrc or a credential helper) as the user who runs this",
	}
	// ErrUnreachable says that the repository's host gives no answer.
	ErrUnreachable error = &problem{"host unreachable", "check the host's name, the network and proxies"}
	// ErrServer says that the repository's host answers with an error of its own, or breaks off.
	ErrServer error = &problem{"the server fails", "its log says why; ask again when it is repaired, or try: git ls-remote URL"}
	// ErrUnsafe says that a tree holds what may not be written to a folder.
	ErrUnsafe error = &problem{text: "unsafe tree"}
	errNoGit  error = &problem{"git is not installed", "apt-get install git"}
	errGit    error = &problem{"git", "try by hand: git ls-remote URL, and git fsck where the repository is"}
)

// NewProblem makes a sentinel, an error that a person can do something about. The hint is one line.
func NewProblem(text, hint string) error { return &problem{text, hint} }

type problem struct{ text, hint string }

func (p *problem) Error() string { return p.text }

// Hint says what to do about it, in one line.
func (p *problem) Hint() string { return p.hint }

// Hint says in one line what a person can do about err, or "".
func Hint(err error) string {
	var p *problem
	if errors.As(err, &p) {
		return p.hint
	}
	return ""
}

// symptoms maps what git, its helpers, ssh and servers write (in the C locale) to errors. The first
// match counts, so what is more telling stands before what accompanies it.
var symptoms = []struct {
	text string
	err  error
}{
	{"couldn't find remote ref", ErrNoBranch},
	{"not our ref", ErrNoCommit},
	{"unadvertised object", ErrNoCommit},
	{"invalid path", ErrUnsafe}, // from git archive, which looks at some names itself
	{"Host key verification failed", ErrAuth},
	{"REMOTE HOST IDENTIFICATION HAS CHANGED", ErrAuth},
	{"Authentication failed", ErrAuth},
	{"could not read Username", ErrAuth},
	{"could not read Password", ErrAuth},
	{"Permission denied", ErrAuth},
	{"HTTP Basic: Access denied", ErrAuth},
	{"returned error: 401", ErrAuth},
	{"returned error: 403", ErrAuth},
	{"returned error: 407", ErrAuth},
	{"dubious ownership", ErrAuth},
	{"Too many authentication failures", ErrAuth},
	{"Could not resolve", ErrUnreachable},
	{"Connection refused", ErrUnreachable},
	{"onnection timed out", ErrUnreachable},
	{"onnection reset", ErrUnreachable},
	{"Failed to connect", ErrUnreachable},
	{"unable to connect", ErrUnreachable},
	{"Network is unreachable", ErrUnreachable},
	{"No route to host", ErrUnreachable},
	{"unable to look up", ErrUnreachable},
	{"Operation timed out", ErrUnreachable},
	{"Operation too slow", ErrUnreachable},
	{"Name or service not known", ErrUnreachable},
	{"SSL ", ErrUnreachable},
	{"certificate", ErrUnreachable},
	{"does not appear to be a git repository", ErrNoRepository},
	{"not a git repository", ErrNoRepository},
	{"epository not found", ErrNoRepository},
	{"not found", ErrNoRepository},
	{"returned error: 404", ErrNoRepository},
	{"not exported", ErrNoRepository},
	{"does not exist", ErrNoRepository},
	{"No such file or directory", ErrNoRepository},
	{"returned error: 5", ErrServer},
	{"redirects followed", ErrServer},
	{"hung up unexpectedly", ErrServer},
	{"early EOF", ErrServer},
}

// Explain makes an error of a run of git that ended with err and wrote stderr. It names the
// sentinel that the output points to and quotes its most telling line.
func Explain(ctx context.Context, err error, stderr string) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%w: no answer in time", ErrUnreachable)
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return errNoGit
	}
	line := tellingLine(stderr)
	for _, s := range symptoms {
		if strings.Contains(stderr, s.text) {
			return fmt.Errorf("%w: %s", s.err, line)
		}
	}
	if line == "" {
		return fmt.Errorf("%w: %w", errGit, err)
	}
	return fmt.Errorf("%w: %s", errGit, line)
}

// tellingLine is the line of git's output that says most: what the other side complains about,
// else git's own first complaint, else the last line.
func tellingLine(stderr string) string {
	lines := strings.FieldsFunc(stderr, func(r rune) bool { return r == '\n' || r == '\r' })
	best, rank := "", 0
	for _, line := range lines {
		line = strings.TrimSpace(line)
		r := 1
		switch {
		case line == "" || strings.HasPrefix(line, "warning: "):
			continue
		case strings.HasPrefix(line, "fatal: Could not read from remote repository"):
			r = 1
		case strings.HasPrefix(line, "fatal: "), strings.HasPrefix(line, "error: "):
			r = 3
		case strings.Contains(line, "denied"), strings.HasPrefix(line, "ssh: "):
			r = 4
		}
		if r > rank {
			best, rank = line, r
		}
	}
	for _, prefix := range []string{"fatal: ", "error: ", "remote: "} {
		best = strings.TrimPrefix(best, prefix)
	}
	return Plain(best, 300)
}

// Plain makes foreign text fit for a log line: valid UTF-8, nothing that steers a terminal or
// turns the direction of text, and about limit bytes at most.
func Plain(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
	s = strings.TrimSpace(s)
	if len(s) <= limit {
		return s
	}
	cut := limit
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strings.TrimSpace(s[:cut]) + "…"
}
