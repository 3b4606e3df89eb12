package gitrepo

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"foundry/pkg/gitrepo/git"
)

// Lstat tells what name is in the tree of a commit, with no symbolic link followed: a file (0), fs.ModeDir,
// fs.ModeSymlink, or fs.ModeIrregular for a submodule. Where a part of the path is a link or submodule,
// part and mode are of that. What is not there, or is below a file, is fs.ErrNotExist.
func (m *Mirror) Lstat(ctx context.Context, commit, name string) (part string, mode fs.FileMode, err error) {
	if !git.IsHash(commit) || !fs.ValidPath(name) || name == "." || strings.ContainsRune(name, 0) {
		return "", 0, fmt.Errorf("look at %q of commit %q: %w", git.Plain(name, 200), git.Plain(commit, 80), fs.ErrInvalid)
	}
	var parts []string
	for i, c := range name + "/" {
		if c == '/' {
			parts = append(parts, name[:i])
		}
	}
	args := append([]string{"--literal-pathspecs", "ls-tree", "-z", "--full-tree", commit, "--"}, parts...)
	out, err := m.Git(ctx, args...)
	if err != nil {
		return "", 0, fmt.Errorf("look at %s of commit %s: %w", name, commit, err)
	}
	for line := range bytes.SplitSeq(out, []byte{0}) { // "MODE TYPE HASH\tPATH", in order of paths
		info, path, _ := strings.Cut(string(line), "\t")
		switch {
		case !slices.Contains(parts, path): // beside them in a folder
		case strings.HasPrefix(info, "120000 "):
			return path, fs.ModeSymlink, nil
		case strings.HasPrefix(info, "160000 "):
			return path, fs.ModeIrregular, nil
		case path == name && strings.HasPrefix(info, "040000 "):
			return path, fs.ModeDir, nil
		case path == name:
			return path, 0, nil
		}
	}
	return "", 0, fmt.Errorf("look at %s of commit %s: %w", name, commit, fs.ErrNotExist)
}
