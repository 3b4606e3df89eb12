package gitrepo

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sync/errgroup"

	"foundry/pkg/gitrepo/git"
)

// Checkout exports the tree of a commit to the folder dir, which must exist and be empty: content, symbolic links
// and times as Archive has them, modes 0644 and 0755. The given submodules are put at their places, all others are
// empty folders. A tree that could reach out of dir or be taken for a repository is git.ErrUnsafe; a symbolic link may
// lead anywhere, but nothing is written through one. After an error dir holds part of the tree.
func (m *Mirror) Checkout(ctx context.Context, commit, dir string, submodules ...Submodule) error {
	return m.checkout(ctx, commit, dir, "", submodules)
}

// CheckoutRaw is Checkout with no attribute of the trees in force: nothing is left out, filled in or converted.
func (m *Mirror) CheckoutRaw(ctx context.Context, commit, dir string, submodules ...Submodule) error {
	return m.checkout(ctx, commit, dir, rawAttributes, submodules)
}

// checkout looks at the trees and unpacks them at the same time.
func (m *Mirror) checkout(ctx context.Context, commit, dir, attributes string, submodules []Submodule) error {
	if !git.IsHash(commit) {
		return fmt.Errorf("check out %q: %w", git.Plain(commit, 80), git.ErrNoCommit)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("check out commit %s of %s: %w", commit, m.URL(), err)
	}
	defer root.Close()
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return m.checkTree(ctx, commit) })
	for _, s := range submodules {
		all.Go(func() error { return s.Mirror.checkTree(ctx, s.Commit) })
	}
	all.Go(func() error { return m.export(ctx, commit, attributes, submodules, root) })
	if err := all.Wait(); err != nil {
		return fmt.Errorf("check out commit %s of %s: %w", commit, m.URL(), err)
	}
	return nil
}

// export unpacks the tree of commit below root.
func (m *Mirror) export(ctx context.Context, commit, attributes string, submodules []Submodule, root *os.Root) error {
	return through(
		func(to io.Writer) error { return m.archive(ctx, commit, "", attributes, to, submodules) },
		func(from io.Reader) error {
			if err := unpack(root, tar.NewReader(from)); err != nil {
				return err
			}
			_, err := io.Copy(io.Discard, from) // padding
			return err
		},
	)
}

// checkTree refuses trees that git itself would not check out.
func (m *Mirror) checkTree(ctx context.Context, commit string) error {
	out, err := m.Git(ctx, "ls-tree", "-r", "-z", "--full-tree", "--name-only", commit)
	if err != nil {
		if !m.Has(ctx, commit) && ctx.Err() == nil {
			return git.ErrNoCommit
		}
		return err
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if name == "" && len(out) == 0 {
			break // the empty tree
		}
		if err := checkPath(name); err != nil {
			return err
		}
	}
	return nil
}

// checkPath refuses names that lead out of a folder or into a repository's own data, by the rules of
// git's verify_path.
func checkPath(name string) error {
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "", part == ".", part == "..", strings.EqualFold(part, ".git"), strings.EqualFold(part, "git~1"):
			return fmt.Errorf("%w: path %q", git.ErrUnsafe, git.Plain(name, 200))
		}
	}
	return nil
}

// unpack writes what a tar file of git-archive holds below root. Symbolic links come last, so that no
// file is written through one.
func unpack(root *os.Root, archive *tar.Reader) error {
	var links []*tar.Header
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		h.Name = strings.TrimSuffix(h.Name, "/")
		if err := checkPath(h.Name); err != nil {
			return err
		}
		switch h.Typeflag {
		case tar.TypeDir:
			err = root.MkdirAll(h.Name, 0o755)
		case tar.TypeReg:
			err = writeFile(root, h, archive)
		case tar.TypeSymlink:
			links = append(links, h)
		default:
			err = fmt.Errorf("%w: %q is neither file, folder nor link", git.ErrUnsafe, git.Plain(h.Name, 200))
		}
		if err != nil {
			return err
		}
	}
	for _, h := range links {
		if err := root.MkdirAll(path.Dir(h.Name), 0o755); err != nil {
			return err
		}
		if err := root.Symlink(h.Linkname, h.Name); err != nil {
			return err
		}
	}
	return nil
}

// writeFile makes one file, which may not be there yet.
func writeFile(root *os.Root, h *tar.Header, content io.Reader) error {
	if err := root.MkdirAll(path.Dir(h.Name), 0o755); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if h.Mode&0o100 != 0 {
		mode = 0o755
	}
	f, err := root.OpenFile(h.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, content); err != nil {
		f.Close()
		return err
	}
	if err := f.Chmod(mode); err != nil { // whatever the umask
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return root.Chtimes(h.Name, h.ModTime, h.ModTime)
}
