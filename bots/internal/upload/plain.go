package upload

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxText is the size in bytes of the largest .changes or .dsc that is read.
const maxText = 4 << 20

// openPlain opens a plain file. With links false, what another could have put there to have a file read
// that is none of theirs is refused: symbolic links, further names of a file elsewhere. What is no file at
// all is never waited for.
func openPlain(path string, links bool) (*os.File, os.FileInfo, error) {
	name := filepath.Base(path)
	if info, err := os.Lstat(path); !links && err == nil && !info.Mode().IsRegular() {
		return nil, nil, refuse("upload the file itself", "%s is no plain file", name) // to open it may be to act on it
	}
	flags := unix.O_RDONLY | unix.O_NONBLOCK | unix.O_CLOEXEC
	if !links {
		flags |= unix.O_NOFOLLOW
	}
	f, err := os.OpenFile(path, flags, 0)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) { // a link, or a socket
		return nil, nil, refuse("upload the file itself", "%s is no plain file", name)
	}
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = refuse("upload the file itself", "%s is no plain file", name)
	case !links && names(info) > 1:
		err = refuse("upload the file itself", "%s has other names (hard links)", name)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// names counts the names of a file.
func names(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Nlink)
	}
	return 1
}

// readText reads a .changes or .dsc.
func readText(path string, links bool) ([]byte, os.FileInfo, error) {
	f, info, err := openPlain(path, links)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if info.Size() > maxText {
		return nil, nil, broken("shorten debian/control", "%s has %d bytes, more than %d", filepath.Base(path), info.Size(), maxText)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxText))
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", filepath.Base(path), err)
	}
	return text, info, nil
}
