package aptly

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os/exec"
	"path"
	"slices"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"
)

// compressions are the forms in which each index is published beside the plain one.
var compressions = [...]string{".gz", ".xz"}

// fastAbove is the size in bytes of an index above which time counts more than a tenth of its
// compressed size: xz takes seconds there otherwise.
const fastAbove = 1 << 20

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// indexes returns the plain indexes of the suite by path. Packages of architecture all stand in
// the index of each architecture.
func (s *suite) indexes() map[string][]byte {
	var sources bytes.Buffer
	packages, udebs := map[string]*bytes.Buffer{}, map[string]*bytes.Buffer{}
	for _, arch := range s.Architectures {
		packages[arch], udebs[arch] = new(bytes.Buffer), new(bytes.Buffer)
	}
	hasUdebs := false
	for _, e := range s.entries {
		if e.isSource() {
			sources.Write(e.paragraph)
			continue
		}
		lists := packages
		if e.udeb {
			lists, hasUdebs = udebs, true
		}
		for _, arch := range s.Architectures {
			if e.arch == arch || e.arch == "all" {
				lists[arch].Write(e.paragraph)
			}
		}
	}
	all := map[string][]byte{path.Join(s.Component, "source", "Sources"): sources.Bytes()}
	for _, arch := range s.Architectures {
		all[path.Join(s.Component, "binary-"+arch, "Packages")] = packages[arch].Bytes()
		if hasUdebs {
			all[path.Join(s.Component, "debian-installer", "binary-"+arch, "Packages")] = udebs[arch].Bytes()
		}
	}
	return all
}

// compressed returns the contents of those index files of the suite that the previous release
// does not have, by path, and all as Release is to list them.
func (s *suite) compressed(ctx context.Context, previous releaseFile) (fresh map[string][]byte, listed map[string]indexFile, err error) {
	fresh, listed = map[string][]byte{}, map[string]indexFile{}
	indexes := s.indexes()
	var changed []string
	for name, data := range indexes {
		if known, ok := previous.Files[name]; ok && known.SHA256 == digest(data) {
			for _, file := range append([]string{name}, name+compressions[0], name+compressions[1]) {
				listed[file] = previous.Files[file]
			}
			continue
		}
		changed = append(changed, name)
	}
	slices.Sort(changed)
	results := make([][len(compressions)][]byte, len(changed))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i, name := range changed {
		group.Go(func() (err error) { results[i][0], err = gzipped(indexes[name]); return err })
		group.Go(func() (err error) { results[i][1], err = xzipped(ctx, indexes[name]); return err })
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	for i, name := range changed {
		fresh[name] = indexes[name]
		for c, extension := range compressions {
			fresh[name+extension] = results[i][c]
		}
	}
	for _, name := range slices.Collect(maps.Keys(fresh)) {
		listed[name] = indexFile{int64(len(fresh[name])), digest(fresh[name])}
	}
	return fresh, listed, nil
}

// gzipped compresses without name and time, so that the same index gives the same bytes.
func gzipped(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestSpeed+4)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func xzipped(ctx context.Context, data []byte) ([]byte, error) {
	level := "-6"
	if len(data) > fastAbove {
		level = "-1"
	}
	xz := exec.CommandContext(ctx, "xz", "--compress", "--stdout", "--threads=1", level)
	xz.Stdin = bytes.NewReader(data)
	var problem bytes.Buffer
	xz.Stderr = &problem
	out, err := xz.Output()
	if err != nil {
		return nil, fmt.Errorf("run xz: %w: %s", err, bytes.TrimSpace(problem.Bytes()))
	}
	return out, nil
}
