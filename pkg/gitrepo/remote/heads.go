package remote

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"foundry/pkg/gitrepo/git"
)

// A Head is a branch or tag of a repository and the commit it points at.
type Head struct {
	Name    string // "stable", or "tags/v1"
	Commit  string // full hash; of an annotated tag the commit it leads to
	Default bool   // the branch that one gets who names none
}

// DefaultTimeout is how long a repository may take to list its heads.
const DefaultTimeout = 30 * time.Second

// maxListing is the size in bytes of the largest listing of heads that is read.
const maxListing = 64 << 20

// Options bounds and steers Heads. The zero value is fine.
type Options struct {
	Timeout time.Duration // zero is DefaultTimeout
}

// Heads lists the branches and tags of the repository at url, branches first, each in order of
// name. A repository without any is no error. What goes wrong wraps ErrURL, ErrNoRepository,
// ErrAuth or ErrUnreachable where that is known.
func Heads(ctx context.Context, url string, options Options) ([]Head, error) {
	if err := git.CheckURL(url); err != nil {
		return nil, err
	}
	limit := cmp.Or(options.Timeout, DefaultTimeout)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	refs, err := listRefs(ctx, url, everything...)
	if err != nil {
		return nil, fmt.Errorf("list heads of %s: %w", git.Redact(url), err)
	}
	return refs.heads(), nil
}

// everything is what Heads asks for.
var everything = []string{"HEAD", "refs/heads/", "refs/tags/"}

// listRefs asks for the references that are or begin with one of wanted, and may get others too. It asks over
// http in this process and leaves to git what does not succeed there, unless it is certain that git would fare
// no better.
func listRefs(ctx context.Context, url string, wanted ...string) (*refList, error) {
	if strings.HasPrefix(url, "http://") || strings.HasPrefix(url, "https://") {
		refs, err := httpRefs(ctx, url, wanted...)
		if err == nil || errors.Is(err, git.ErrNoRepository) {
			return refs, err
		}
		if ctx.Err() != nil {
			return nil, git.Explain(ctx, err, "")
		}
	}
	return gitRefs(ctx, url, wanted...)
}

// gitRefs asks git ls-remote.
func gitRefs(ctx context.Context, url string, wanted ...string) (*refList, error) {
	args := []string{"ls-remote", "--quiet", "--symref", "origin"}
	for _, ref := range wanted {
		switch {
		case strings.HasSuffix(ref, "/"):
			ref += "*"
		case strings.HasPrefix(ref, "refs/tags/"):
			args = append(args, ref+"^{}")
		}
		args = append(args, ref)
	}
	out := &git.Limited{Limit: maxListing + 1}
	if _, err := (git.Run{Remote: url, Stdout: out, Args: args}).Do(ctx); err != nil {
		return nil, err
	}
	if len(out.Bytes()) > maxListing {
		return nil, fmt.Errorf("listing is larger than %d bytes", maxListing)
	}
	return parseListing(out.Bytes())
}

// parseListing reads lines of "HASH\tREF", with "ref: TARGET\tHEAD" for a symbolic reference.
func parseListing(listing []byte) (*refList, error) {
	refs := newRefList()
	lines := bufio.NewScanner(bytes.NewReader(listing))
	for lines.Scan() {
		left, name, ok := strings.Cut(lines.Text(), "\t")
		target, symbolic := strings.CutPrefix(left, "ref: ")
		switch {
		case !ok:
			return nil, fmt.Errorf("read listing: unexpected line %q", git.Plain(lines.Text(), 80))
		case symbolic && name == "HEAD":
			refs.target = target
		case symbolic:
		case !git.IsHash(left):
			return nil, fmt.Errorf("read listing: unexpected line %q", git.Plain(lines.Text(), 80))
		default:
			refs.add(name, left)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read listing: %w", err)
	}
	return refs, nil
}

// A refList gathers what a repository says of its references.
type refList struct {
	commits map[string]string // "refs/heads/x" or "refs/tags/x": hash, peeled where known
	peeled  map[string]bool
	head    string // hash of HEAD, or ""
	target  string // what HEAD points at, or ""
}

func newRefList() *refList {
	return &refList{commits: make(map[string]string), peeled: make(map[string]bool)}
}

// add notes one reference; "refs/tags/x^{}" is what the annotated tag x leads to.
func (l *refList) add(name, hash string) {
	if name == "HEAD" {
		l.head = hash
		return
	}
	if tag, ok := strings.CutSuffix(name, "^{}"); ok {
		l.commits[tag], l.peeled[tag] = hash, true
	} else if !l.peeled[name] {
		l.commits[name] = hash
	}
}

// heads makes the list that callers see. References whose names could not be given back to git are
// left out, and so are branches called "tags/…", which could not be told from tags.
func (l *refList) heads() []Head {
	target := l.target
	if target == "" && l.head != "" {
		target = l.guessTarget()
	}
	var heads []Head
	for ref, commit := range l.commits {
		name, branch := strings.CutPrefix(ref, "refs/heads/")
		if !branch {
			tag, ok := strings.CutPrefix(ref, "refs/tags/")
			if !ok {
				continue
			}
			name = "tags/" + tag
		}
		if !git.ValidName(name) || branch && strings.HasPrefix(name, "tags/") || !git.IsHash(commit) {
			continue
		}
		heads = append(heads, Head{Name: name, Commit: commit, Default: branch && ref == target})
	}
	slices.SortFunc(heads, func(a, b Head) int {
		at, bt := strings.HasPrefix(a.Name, "tags/"), strings.HasPrefix(b.Name, "tags/")
		if at != bt {
			if bt {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	return heads
}

// guessTarget finds the branch that HEAD means where a server says only its commit.
func (l *refList) guessTarget() string {
	var same []string
	for ref, commit := range l.commits {
		if commit == l.head && strings.HasPrefix(ref, "refs/heads/") {
			same = append(same, ref)
		}
	}
	for _, usual := range []string{"refs/heads/main", "refs/heads/master"} {
		if slices.Contains(same, usual) {
			return usual
		}
	}
	if len(same) == 0 {
		return ""
	}
	return slices.Min(same)
}
