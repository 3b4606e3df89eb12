package sourcepackage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"foundry/pkg/bot"
	"foundry/pkg/debian"
)

// unpack unpacks orig tarballs as dpkg-source does: a single top folder of the main tarball is stripped, and
// each component takes the place of a folder of its name. It returns the folder, which is new.
func (s *Search) unpack(ctx context.Context, names []string) (string, error) {
	top := filepath.Join(s.Tools.temp, "upstream")
	for _, name := range names {
		unpacked, err := s.unpackOne(ctx, name)
		if err != nil {
			return "", err
		}
		to := top
		if component := componentOf(name); component != "" {
			to = filepath.Join(top, component)
		}
		if err := os.RemoveAll(to); err != nil {
			return "", fmt.Errorf("unpack %s: %w", name, err)
		}
		if err := os.Rename(unpacked, to); err != nil {
			return "", fmt.Errorf("unpack %s: %w", name, err)
		}
	}
	return top, nil
}

// componentOf is the component in the name of an orig tarball, "" for the main one.
func componentOf(name string) string {
	stem, _, _ := strings.Cut(name[strings.LastIndex(name, ".orig")+len(".orig"):], ".tar.")
	return strings.TrimPrefix(stem, "-")
}

func (s *Search) unpackOne(ctx context.Context, name string) (string, error) {
	dir, err := os.MkdirTemp(s.Tools.temp, "unpacked-")
	if err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	err = s.Tools.run(ctx, call{
		dir: dir, args: []string{"tar", "-xf", filepath.Join(s.Dir, name), "--no-same-owner", "--no-same-permissions"},
	})
	if err != nil {
		err = toolFault(ctx, err, "is it a tarball, and whole? try: tar -tf "+name)
		var failure *bot.Failure
		if errors.As(err, &failure) {
			failure.Reason = fmt.Sprintf("unpack %s: %s", name, failure.Reason)
		}
		return "", err
	}
	if err := settleUpstream(dir, name); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("unpack %s: %w", name, err)
	}
	if len(entries) == 1 && entries[0].IsDir() {
		return filepath.Join(dir, entries[0].Name()), nil
	}
	return dir, nil
}

// settleUpstream refuses what no source package holds, and gives everything plain modes.
func settleUpstream(dir, tarball string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		switch {
		case info.IsDir():
			return os.Chmod(path, 0o755)
		case info.Mode().IsRegular() && info.Mode().Perm()&0o100 != 0:
			return os.Chmod(path, 0o755)
		case info.Mode().IsRegular():
			return os.Chmod(path, 0o644)
		case info.Mode()&fs.ModeSymlink != 0:
			return nil
		}
		name, _ := filepath.Rel(dir, path)
		return PackageFault(fmt.Sprintf("%s has %q, which is neither file, folder nor link", tarball, name), "repack the tarball without it")
	})
}

// onlyDebian tells whether a tree has the packaging alone: nothing beside debian but files that belong to
// git and forges.
func onlyDebian(tree string) (bool, error) {
	entries, err := os.ReadDir(tree)
	if err != nil {
		return false, fmt.Errorf("list tree: %w", err)
	}
	for _, e := range entries {
		if e.Name() != "debian" && !strings.HasPrefix(e.Name(), ".") {
			return false, nil
		}
	}
	return true, nil
}

// hasPlace tells whether a component's tarball has a place in a tree: a folder of its name, or
// all the upstream source comes from tarballs.
func hasPlace(tree, component string) bool {
	if only, err := onlyDebian(tree); err == nil && only {
		return true
	}
	info, err := os.Lstat(filepath.Join(tree, component))
	return err == nil && info.IsDir()
}

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
