package orig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"foundry/bots/internal/sourcepackage"
	"foundry/pkg/gitrepo/git"
)

// A Folder is one that may hold orig tarballs.
type Folder struct {
	Path string
	Of   string // the repository that it is beside: only tarballs of its owner, of root and of this user count; "" for any
}

// FolderBeside returns the folder that holds the repository at a URL, where its maintainer's tools leave and
// expect tarballs. There is none for a repository that is not on this host.
func FolderBeside(url string) (Folder, bool) {
	path := git.LocalPath(url)
	if path == "" || !filepath.IsAbs(path) {
		return Folder{}, false
	}
	path = filepath.Clean(path)
	if filepath.Base(path) == ".git" {
		path = filepath.Dir(path)
	}
	return Folder{Path: filepath.Dir(path), Of: path}, true
}

// fromFolders takes the tarballs from the first folder that has them. Symbolic links are followed within a
// folder alone: whoever owns it may not be somebody who may read all that this program may.
func (s *Search) fromFolders(context.Context) (*Tarballs, error) {
	for _, folder := range s.Folders {
		s.looked = append(s.looked, "folder "+folder.Path)
		files, err := listFolder(folder.Path)
		if err != nil {
			fmt.Fprintf(s.Tools.Log(), "note: folder %s is passed over: %v\n", folder.Path, err)
			s.looked[len(s.looked)-1] += " (which cannot be read)"
			continue
		}
		names, err := s.choose(files)
		if err != nil {
			return nil, err
		}
		if names == nil {
			continue
		}
		fmt.Fprintf(s.Tools.Log(), "orig tarball from folder %s: %s\n", folder.Path, strings.Join(names, ", "))
		return &Tarballs{Names: names}, s.copyAll(folder, names, files)
	}
	return nil, nil
}

func listFolder(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

// copyAll copies tarballs and their signatures. files is what the folder has.
func (s *Search) copyAll(folder Folder, names, files []string) error {
	root, err := os.OpenRoot(folder.Path)
	if err != nil {
		return fmt.Errorf("open folder of tarballs: %w", err)
	}
	defer root.Close()
	for _, name := range names {
		signed, err := s.signature(name, slices.Contains(files, name+".asc"))
		if err != nil {
			return err
		}
		if err := s.copyFile(root, name, folder.Of); err != nil {
			return err
		}
		if !signed {
			continue
		}
		if err := s.copyFile(root, name+".asc", folder.Of); err != nil {
			return err
		}
	}
	return nil
}

// copyFile copies a plain file below root. With a repository, the file must belong to who may be trusted
// with it.
func (s *Search) copyFile(root *os.Root, name, repository string) error {
	unfit := func(reason any) error {
		return sourcepackage.PackageFault(fmt.Sprintf("%s in folder %s: %v", name, root.Name(), reason), "make it a plain file that sourcebot may read")
	}
	info, err := root.Stat(name)
	switch {
	case err != nil:
		return unfit(errors.Unwrap(err))
	case !info.Mode().IsRegular():
		return unfit("not a file")
	case info.Size() > sourcepackage.MaxFileSize:
		return unfit(fmt.Sprintf("%d bytes, more than %d", info.Size(), int64(sourcepackage.MaxFileSize)))
	}
	from, err := root.Open(name)
	if err != nil {
		return unfit(errors.Unwrap(err))
	}
	defer from.Close()
	if repository != "" && !s.trusted(from, repository) {
		return sourcepackage.PackageFault(fmt.Sprintf("%s in folder %s belongs to somebody else than repository %s", name, root.Name(), repository), "chown it, or start sourcebot with --tarballs "+root.Name())
	}
	to, err := os.OpenFile(filepath.Join(s.Dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	if _, err := io.Copy(to, from); err != nil {
		to.Close()
		return fmt.Errorf("copy %s: %w", name, err)
	}
	return to.Close()
}

// trusted tells whether a file belongs to the owner of a repository, to root or to this user: a folder such as
// /tmp is open to others.
func (s *Search) trusted(f *os.File, repository string) bool {
	lookUp := s.owners
	if lookUp == nil {
		lookUp = owners
	}
	file, holder, err := lookUp(f, repository)
	return err == nil && (file == holder || file == 0 || int(file) == os.Geteuid())
}

// owners looks up whom a file and a repository belong to.
func owners(f *os.File, repository string) (file, holder uint32, err error) {
	var a, b unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &a); err != nil {
		return 0, 0, fmt.Errorf("look up owner: %w", err)
	}
	if err := unix.Stat(repository, &b); err != nil {
		return 0, 0, fmt.Errorf("look up owner of %s: %w", repository, err)
	}
	return a.Uid, b.Uid, nil
}
