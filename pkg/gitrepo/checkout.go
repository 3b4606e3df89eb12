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

// ErrSubmodule says that a submodule cannot be had.
var ErrSubmodule = git.NewProblem(
	"submodules are not supported",
	"put the submodule's files into the branch, or package them as an orig tarball of their own",
)

// Archive writes the tree of a commit as a tar file, as git-archive(1) does: attributes export-ignore
// and export-subst are honoured, times are the commit's. Every name gets the prefix, such as
// "hello-1.0/"; the same commit and prefix give the same bytes.
func (m *Mirror) Archive(ctx context.Context, commit, prefix string, w io.Writer) error {
	if !git.IsHash(commit) {
		return fmt.Errorf("export commit %q: %w", git.Plain(commit, 80), git.ErrNoCommit)
	}
	r := m.run("archive", "--format=tar", "--prefix="+prefix, commit)
	r.Stdout = w
	if _, err := r.Do(ctx); err != nil {
		if ctx.Err() == nil && !m.has(ctx, commit) {
			err = git.ErrNoCommit
		}
		return fmt.Errorf("export commit %s of %s: %w", commit, m.URL(), err)
	}
	return nil
}

// Checkout exports the tree of a commit to the folder dir, which must exist and be empty: modes, symbolic
// links and times as Archive has them. Submodules are ErrSubmodule. A tree that could reach out of
// dir or be taken for a repository is ErrUnsafe; a symbolic link may lead anywhere, but
// nothing is written through one. After an error dir holds part of the tree.
func (m *Mirror) Checkout(ctx context.Context, commit, dir string) error {
	if !git.IsHash(commit) {
		return fmt.Errorf("check out %q: %w", git.Plain(commit, 80), git.ErrNoCommit)
	}
	if err := m.checkout(ctx, commit, dir); err != nil {
		return fmt.Errorf("check out commit %s of %s: %w", commit, m.URL(), err)
	}
	return nil
}

// checkout looks at the tree and unpacks it at the same time.
func (m *Mirror) checkout(ctx context.Context, commit, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error { return m.checkTree(ctx, commit) })
	both.Go(func() error { return m.export(ctx, commit, root) })
	return both.Wait()
}

// export unpacks the tree of commit below root.
func (m *Mirror) export(ctx context.Context, commit string, root *os.Root) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := m.Archive(ctx, commit, "", writer)
		writer.CloseWithError(err)
		done <- err
	}()
	err := unpack(root, tar.NewReader(reader))
	if err == nil {
		_, err = io.Copy(io.Discard, reader) // padding
	}
	if err != nil {
		cancel()
	}
	reader.CloseWithError(err)
	if archiveErr := <-done; err == nil {
		err = archiveErr
	}
	return err
}

// checkTree refuses trees that git itself would not check out, and submodules.
func (m *Mirror) checkTree(ctx context.Context, commit string) error {
	out, err := m.git(ctx, "ls-tree", "-r", "-z", "--full-tree", commit)
	if err != nil {
		if !m.has(ctx, commit) && ctx.Err() == nil {
			return git.ErrNoCommit
		}
		return err
	}
	for entry := range strings.SplitSeq(string(out), "\x00") {
		attributes, name, ok := strings.Cut(entry, "\t")
		if !ok {
			continue
		}
		if strings.HasPrefix(attributes, "160000 ") {
			return fmt.Errorf("%w: %s", ErrSubmodule, git.Plain(name, 200))
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
