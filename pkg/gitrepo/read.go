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
	if IsHash(name) {
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

// IsAncestor tells whether the first commit is in the history of the second. Both must be there.
func (m *Mirror) IsAncestor(ctx context.Context, ancestor, descendant string) (bool, error) {
	if !IsHash(ancestor) || !IsHash(descendant) {
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
	if !IsHash(commit) || !fs.ValidPath(name) || name == "." || strings.ContainsAny(name, "\n\x00") {
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
	if len(fields) != 3 || fields[1] != "blob" || !IsHash(fields[0]) {
		return nil, fmt.Errorf("read %s of commit %s: %w", name, commit, fs.ErrNotExist)
	}
	size, err := strconv.Atoi(fields[2])
	if err != nil || size > MaxFile || len(content) < size {
		return nil, fmt.Errorf("read %s of commit %s: larger than %d bytes", name, commit, MaxFile)
	}
	return content[:size], nil
}
