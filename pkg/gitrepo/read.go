package gitrepo

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"foundry/pkg/gitrepo/git"
)

// MaxFile is the size in bytes of the largest file that ReadFile returns.
const MaxFile = 16 << 20

// ErrLarge says that a file is larger than MaxFile.
var ErrLarge = fmt.Errorf("larger than %d bytes", MaxFile)

// ReadFile returns a file of a commit's tree. Symbolic links are followed within the tree alone; one that
// leads out of it, a folder and a file that is not there are fs.ErrNotExist.
func (m *Mirror) ReadFile(ctx context.Context, commit, name string) ([]byte, error) {
	if !git.IsHash(commit) || !fs.ValidPath(name) || name == "." || strings.ContainsAny(name, "\n\x00") {
		return nil, fmt.Errorf("read %q of commit %q: %w", git.Plain(name, 200), git.Plain(commit, 80), fs.ErrInvalid)
	}
	r := m.Run("cat-file", "--batch", "--follow-symlinks")
	r.Stdin = strings.NewReader(commit + ":" + name + "\n")
	out := &git.Limited{Limit: MaxFile + 1024}
	r.Stdout = out
	if _, err := r.Do(ctx); err != nil {
		return nil, fmt.Errorf("read %s of commit %s: %w", name, commit, err)
	}
	// "HASH blob SIZE", or "WHAT missing", "dangling SIZE", "loop SIZE", "symlink SIZE", "notdir SIZE"
	line, content, _ := bytes.Cut(out.Bytes(), []byte("\n"))
	fields := strings.Fields(string(line))
	if len(fields) != 3 || fields[1] != "blob" || !git.IsHash(fields[0]) {
		return nil, fmt.Errorf("read %s of commit %s: %w", name, commit, fs.ErrNotExist)
	}
	size, err := strconv.Atoi(fields[2])
	if err != nil || size > MaxFile || len(content) < size {
		return nil, fmt.Errorf("read %s of commit %s: %w", name, commit, ErrLarge)
	}
	return content[:size], nil
}
