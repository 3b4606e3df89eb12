package trust

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// writeFile writes data to a new file beside path, brings it to the disk and lets place move it
// to path.
func writeFile(path string, data []byte, mode fs.FileMode, place func(from, to string) error) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	if err := fill(file, data, mode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := place(file.Name(), path); err != nil {
		return err
	}
	return syncFolder(dir)
}

// fill writes data to file and closes it.
func fill(file *os.File, data []byte, mode fs.FileMode) error {
	_, err := file.Write(data)
	if err == nil {
		err = file.Chmod(mode)
	}
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}

// syncFolder makes the names in dir survive a power failure.
func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
