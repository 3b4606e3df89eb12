package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// few is how many files are synced one by one. For more it takes less time to sync the file system, though
// that waits for what all other processes write.
const few = 200

// Dirty is what has been written since the last Sync, and would be lost with the power. It may be used
// concurrently.
type Dirty struct {
	mu      sync.Mutex
	files   map[string]bool
	folders map[string]bool
}

// Wrote notes a file, with its name in its folder.
func (d *Dirty) Wrote(path string) {
	d.Named(path)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files[path] = true
}

// Named notes a new name of a file.
func (d *Dirty) Named(path string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files == nil {
		d.files, d.folders = map[string]bool{}, map[string]bool{}
	}
	d.folders[filepath.Dir(path)] = true
}

// Sync makes what has been noted outlast a power failure, and forgets it. roots are folders on the file
// systems that have it.
func (d *Dirty) Sync(roots ...string) error {
	d.mu.Lock()
	files, folders := d.files, d.folders
	d.files, d.folders = nil, nil
	d.mu.Unlock()
	if len(files) > few {
		return syncAll(roots)
	}
	for _, list := range []map[string]bool{files, folders} {
		var group errgroup.Group
		group.SetLimit(16)
		for path := range list {
			group.Go(func() error { return syncOne(path) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// syncOne syncs a file or a folder; one that is gone needs no more.
func syncOne(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncAll syncs the file systems of the folders, each once.
func syncAll(folders []string) error {
	seen := map[uint64]bool{}
	for _, path := range folders {
		dir, err := os.Open(path)
		if err != nil {
			return err
		}
		var stat unix.Stat_t
		err = unix.Fstat(int(dir.Fd()), &stat)
		if err == nil && !seen[stat.Dev] {
			seen[stat.Dev] = true
			err = unix.Syncfs(int(dir.Fd()))
		}
		if err := errors.Join(err, dir.Close()); err != nil {
			return fmt.Errorf("sync %s: %w", path, err)
		}
	}
	return nil
}
