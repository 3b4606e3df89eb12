package aptly

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"foundry/pkg/debian"
	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly/disk"
)

// buildinfo is where a .buildinfo file of an upload is kept, below the output folder.
func (r *Repo) buildinfo(s *suite, upload publish.Upload, file string) string {
	return path.Join("buildinfo", strings.TrimPrefix(debian.PoolDir(s.Component, upload.Source), "pool/"), filepath.Base(file))
}

func (r *Repo) has(path string) bool {
	_, err := os.Stat(filepath.Join(r.opts.Output, filepath.FromSlash(path)))
	return err == nil
}

// keepBuildinfo keeps the .buildinfo files of an upload that is published, for whoever wants to build it
// again. They stay for good. The first of a name stays: another says how the same packages were built
// once more.
func (r *Repo) keepBuildinfo(s *suite, upload publish.Upload) error {
	for _, file := range upload.Buildinfo {
		kept := r.buildinfo(s, upload, file)
		if r.has(kept) {
			continue
		}
		r.step("keep " + filepath.Base(file))
		target := filepath.Join(r.opts.Output, filepath.FromSlash(kept))
		r.dirty.Wrote(target)
		if err := disk.Take(file, target, false); err != nil {
			return fmt.Errorf("keep %s: %w", filepath.Base(file), err)
		}
	}
	return nil
}
