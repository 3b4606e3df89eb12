package layout

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"foundry/pkg/debian"
)

// lay puts what the unpacked upstream source has below a folder ("." for all) under a tree: what the tree
// has stays. Upstream's debian folder counts in format 1.0 only, as with dpkg-source.
func lay(upstream string, to *os.Root, folder string, format debian.Format) error {
	return filepath.WalkDir(filepath.Join(upstream, folder), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(upstream, path)
		if err != nil || name == "." {
			return err
		}
		if name == ".pc" || name == "debian" && format != debian.Format1 {
			return skip(entry)
		}
		there, err := to.Lstat(name)
		switch {
		case err == nil && there.IsDir() && entry.IsDir():
			return nil
		case err == nil:
			return skip(entry)
		case entry.IsDir():
			return to.Mkdir(name, 0o755)
		case entry.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return to.Symlink(target, name)
		}
		return copyInto(to, path, name)
	})
}

func skip(entry fs.DirEntry) error {
	if entry.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// copyInto copies a plain file, with its mode, to a name that is free below root.
func copyInto(root *os.Root, path, name string) error {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return err
	}
	to, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	if _, err := io.Copy(to, from); err != nil {
		to.Close()
		return err
	}
	if err := to.Chmod(info.Mode().Perm()); err != nil { // whatever the umask
		to.Close()
		return err
	}
	return to.Close()
}
