// Package metadata makes the index files and the Release file of a suite (Debian repository format).
// The same packages give the same bytes, and what has not changed since the release before is not
// compressed again.
package metadata

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os/exec"
	"path"
	"slices"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"

	"foundry/pkg/publish"
)

// compressions are the forms in which each index is published beside the plain one.
var compressions = [...]string{".gz", ".xz"}

// fastAbove is the size in bytes of an index above which time counts more than a tenth of its
// compressed size: xz takes seconds there otherwise.
const fastAbove = 1 << 20

// A Package is what indexes show of a package.
type Package struct {
	Architecture string // "source" for a source package
	Udeb         bool
	Paragraph    []byte // with the empty line that ends it
}

// Digest is the SHA-256 of data as Release lists it.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// indexes returns the plain indexes by path. Packages of architecture all stand in the index of each
// architecture.
func indexes(s publish.Suite, list []Package) map[string][]byte {
	var sources bytes.Buffer
	packages, udebs := map[string]*bytes.Buffer{}, map[string]*bytes.Buffer{}
	for _, arch := range s.Architectures {
		packages[arch], udebs[arch] = new(bytes.Buffer), new(bytes.Buffer)
	}
	hasUdebs := false
	for _, p := range list {
		if p.Architecture == "source" {
			sources.Write(p.Paragraph)
			continue
		}
		lists := packages
		if p.Udeb {
			lists, hasUdebs = udebs, true
		}
		for _, arch := range s.Architectures {
			if p.Architecture == arch || p.Architecture == "all" {
				lists[arch].Write(p.Paragraph)
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

// Indexes makes the index files of the suite with these packages, which are in order. It returns the
// contents of those that the previous release does not have, by path, and all as Release is to list
// them.
func Indexes(ctx context.Context, s publish.Suite, list []Package, previous Release) (fresh map[string][]byte, listed map[string]File, err error) {
	fresh, listed = map[string][]byte{}, map[string]File{}
	plain := indexes(s, list)
	var changed []string
	for name, data := range plain {
		if known, ok := previous.Files[name]; ok && known.SHA256 == Digest(data) {
			for _, file := range []string{name, name + compressions[0], name + compressions[1]} {
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
		group.Go(func() (err error) { results[i][0], err = gzipped(plain[name]); return err })
		group.Go(func() (err error) { results[i][1], err = xzipped(ctx, plain[name]); return err })
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	for i, name := range changed {
		fresh[name] = plain[name]
		for c, extension := range compressions {
			fresh[name+extension] = results[i][c]
		}
	}
	for name, data := range fresh {
		listed[name] = File{int64(len(data)), Digest(data)}
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
