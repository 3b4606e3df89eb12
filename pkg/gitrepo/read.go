package gitrepo

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// MaxFile is the size in bytes of the largest file that ReadFile returns.
const MaxFile = 16 << 20

// Resolve returns the commit that a head of the mirror ("stable", "tags/v1") points at, as it was when
// last fetched, or ErrNoBranch. A full commit hash is returned if the mirror has it, else ErrNoCommit.
func (m *Mirror) Resolve(ctx context.Context, name string) (string, error) {
	if isHash(name) {
		if !m.has(ctx, name) {
			return "", fmt.Errorf("resolve %s in %s: %w", name, m.URL(), ErrNoCommit)
		}
		return name, nil
	}
	if !validName(name) {
		return "", fmt.Errorf("resolve %q in %s: %w", plain(name, 80), m.URL(), ErrNoBranch)
	}
	out, err := m.git(ctx, "rev-parse", "--quiet", "--verify", refOf(name)+"^{commit}")
	if exited(err, 1) {
		return "", fmt.Errorf("resolve %s in %s: %w", name, m.URL(), ErrNoBranch)
	}
	if err != nil {
		return "", fmt.Errorf("resolve %s in %s: %w", name, m.URL(), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// HasBranch tells whether the mirror has a branch, or a tag given as "tags/NAME".
func (m *Mirror) HasBranch(ctx context.Context, name string) bool {
	_, err := m.Resolve(ctx, name)
	return err == nil && !isHash(name)
}

// Tags returns all tags that lead to commits, in order of name; names begin with "tags/".
func (m *Mirror) Tags(ctx context.Context) ([]Head, error) {
	return m.tags(ctx)
}

// TagsOf returns the tags that lead to a commit.
func (m *Mirror) TagsOf(ctx context.Context, commit string) ([]Head, error) {
	if !isHash(commit) {
		return nil, fmt.Errorf("list tags of %q: %w", plain(commit, 80), ErrNoCommit)
	}
	return m.tags(ctx, "--points-at="+commit)
}

func (m *Mirror) tags(ctx context.Context, args ...string) ([]Head, error) {
	args = append([]string{"for-each-ref", "--format=%(objecttype) %(objectname) %(*objecttype) %(*objectname) %(refname)"}, args...)
	out, err := m.git(ctx, append(args, "refs/tags")...)
	if err != nil {
		return nil, fmt.Errorf("list tags of %s: %w", m.URL(), err)
	}
	var tags []Head
	for line := range strings.Lines(string(out)) {
		// Of a tag that is not annotated the third and fourth fields are empty.
		fields := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if len(fields) != 5 {
			continue
		}
		head := Head{Name: strings.TrimPrefix(fields[4], "refs/")}
		switch {
		case fields[0] == "commit":
			head.Commit = fields[1]
		case fields[2] == "commit":
			head.Commit = fields[3]
		default:
			continue
		}
		tags = append(tags, head)
	}
	return tags, nil
}

// IsAncestor tells whether the first commit is in the history of the second. Both must be there.
func (m *Mirror) IsAncestor(ctx context.Context, ancestor, descendant string) (bool, error) {
	if !isHash(ancestor) || !isHash(descendant) {
		return false, fmt.Errorf("compare commits: %w", ErrNoCommit)
	}
	_, err := m.git(ctx, "merge-base", "--is-ancestor", ancestor, descendant)
	if exited(err, 1) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("compare commits %s and %s: %w", ancestor, descendant, err)
	}
	return true, nil
}

// ReadFile returns a file of a commit's tree. Symbolic links are followed within the tree alone; one that
// leads out of it, a folder and a file that is not there are fs.ErrNotExist.
func (m *Mirror) ReadFile(ctx context.Context, commit, name string) ([]byte, error) {
	if !isHash(commit) || !fs.ValidPath(name) || name == "." || strings.ContainsAny(name, "\n\x00") {
		return nil, fmt.Errorf("read %q of commit %q: %w", plain(name, 200), plain(commit, 80), fs.ErrInvalid)
	}
	r := m.run("cat-file", "--batch", "--follow-symlinks")
	r.stdin = strings.NewReader(commit + ":" + name + "\n")
	out := &head{limit: MaxFile + 1024}
	r.stdout = out
	if _, err := r.do(ctx); err != nil {
		return nil, fmt.Errorf("read %s of commit %s: %w", name, commit, err)
	}
	// "HASH blob SIZE", or "WHAT missing", "dangling SIZE", "loop SIZE", "symlink SIZE", "notdir SIZE"
	line, content, _ := bytes.Cut(out.buf.Bytes(), []byte("\n"))
	fields := strings.Fields(string(line))
	if len(fields) != 3 || fields[1] != "blob" || !isHash(fields[0]) {
		return nil, fmt.Errorf("read %s of commit %s: %w", name, commit, fs.ErrNotExist)
	}
	size, err := strconv.Atoi(fields[2])
	if err != nil || size > MaxFile || len(content) < size {
		return nil, fmt.Errorf("read %s of commit %s: larger than %d bytes", name, commit, MaxFile)
	}
	return content[:size], nil
}
