package sourcepackage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxSeries is how many bytes of a list of patches are looked at.
const maxSeries = 4 << 20

// guarded matches what dpkg-source reads of the package's folder on this host. A symbolic link there
// that leads out of the tree would put files of this host into the package or its log.
var guarded = regexp.MustCompile(`^debian(/(changelog|control|rules|files|(source|patches|tests|upstream)(/.*)?))?$`)

// Guard makes the tree of a commit fit to be read by dpkg-source. It refuses what would lead out of
// it, and gives everything one time and plain modes, whatever the umask.
func Guard(tree string, when time.Time) error {
	root, err := os.OpenRoot(tree)
	if err != nil {
		return fmt.Errorf("open tree: %w", err)
	}
	defer root.Close()
	if _, err := root.Lstat(".pc"); err == nil {
		return PackageFault("the commit has a folder .pc, in which quilt keeps its state", "git rm -r --cached .pc, and add it to .gitignore")
	}
	if info, err := root.Lstat("debian"); errors.Is(err, fs.ErrNotExist) {
		return PackageFault("the commit has no folder debian", "sourcebot needs debian/changelog, debian/control and debian/rules; is this the packaging branch?")
	} else if err != nil {
		return fmt.Errorf("look at debian: %w", err)
	} else if !info.IsDir() {
		return PackageFault("debian is not a folder", "put the packaging into a folder debian of the same commit")
	}
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.Type()&fs.ModeSymlink != 0 && guarded.MatchString(name) {
			if err := guardLink(root, name); err != nil {
				return err
			}
		}
		return settle(filepath.Join(tree, name), entry, when)
	})
	if err != nil {
		return err
	}
	return guardPatches(root)
}

func guardLink(root *os.Root, name string) error {
	_, err := root.Stat(name)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return PackageFault(fmt.Sprintf("%s is a symbolic link that leads out of the tree", name), "replace it by what it points at")
}

// settle gives one entry the time of the commit, and a folder its mode.
func settle(path string, entry fs.DirEntry, when time.Time) error {
	if entry.IsDir() {
		if err := os.Chmod(path, 0o755); err != nil {
			return fmt.Errorf("set mode: %w", err)
		}
	}
	t := unix.Timespec{Sec: when.Unix()}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{t, t}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("set time of %s: %w", path, err)
	}
	return nil
}

// guardPatches refuses lists of patches that name files elsewhere.
func guardPatches(root *os.Root) error {
	names, err := fs.Glob(root.FS(), "debian/patches/*series")
	if err != nil {
		return fmt.Errorf("list patches: %w", err)
	}
	for _, name := range names {
		info, err := root.Stat(name)
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxSeries {
			return PackageFault(name+" is not a file, or too large", "")
		}
		text, err := root.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		for line := range strings.Lines(string(text)) {
			if patch := strings.TrimSpace(line); patch != "" && !filepath.IsLocal(patch) {
				return PackageFault(name+" lists a patch outside of debian/patches", "list only files of debian/patches")
			}
		}
	}
	return nil
}
