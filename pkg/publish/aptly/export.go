package aptly

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"foundry/pkg/debian"
	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly/disk"
)

// importFiles copies the files of c into aptly's pool, by way of copies beside it, since aptly
// leaves a part of a file under its final name when it is killed while it copies.
func (r *Repo) importFiles(c *candidate) error {
	incoming := filepath.Join(r.opts.Dir, "incoming")
	if err := os.MkdirAll(incoming, 0o755); err != nil {
		return err
	}
	list := slices.Clone(c.pkg.Files())
	for i := range list {
		name := list[i].Filename
		r.step("import " + name)
		staged := filepath.Join(incoming, name)
		if err := disk.CopyFile(c.sources[name], staged); err != nil {
			return err
		}
		path, err := r.pool.Import(staged, name, &list[i].Checksums, true, r.sums)
		if err != nil {
			return err
		}
		list[i].PoolPath = path
		if err := disk.Remove(staged); err != nil {
			return err
		}
	}
	c.pkg.UpdateFiles(list)
	e, err := newEntry(c.component(), c.pkg)
	if err != nil {
		return err
	}
	*c.entry = *e
	return nil
}

// export writes the public key, and for each codename a source list that apt can use as it is
// (sources.list(5), deb822 style).
func (r *Repo) export() error {
	key, err := r.opts.Signer.Public()
	if err != nil {
		return fmt.Errorf("export key: %w", err)
	}
	if err := disk.WriteChanged(filepath.Join(r.opts.Output, r.opts.Archive+".asc"), key); err != nil {
		return err
	}
	if r.opts.URI == "" {
		return nil
	}
	for _, s := range r.opts.Suites {
		var b bytes.Buffer
		fmt.Fprintf(&b, "Types: deb deb-src\nURIs: %s\nSuites: %s\nComponents: %s\nSigned-By:\n", r.opts.URI, s.Codename, s.Component)
		for line := range strings.Lines(strings.TrimSpace(string(key)) + "\n") {
			if strings.TrimSpace(line) == "" {
				line = ".\n"
			}
			b.WriteString(" " + line)
		}
		if err := disk.WriteChanged(filepath.Join(r.opts.Output, r.opts.Archive+"-"+s.Codename+".sources"), b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// keepBuildinfo keeps the .buildinfo files of an upload that is published, for whoever wants to build it
// again. They stay for good. The first of a name stays: another says how the same packages were built
// once more.
func (r *Repo) keepBuildinfo(s *suite, upload publish.Upload) error {
	dir := filepath.Join(r.opts.Output, "buildinfo", strings.TrimPrefix(debian.PoolDir(s.Component, upload.Source), "pool/"))
	for _, file := range upload.Buildinfo {
		target := filepath.Join(dir, filepath.Base(file))
		if _, err := os.Stat(target); err == nil {
			continue
		}
		r.step("keep " + filepath.Base(file))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("keep %s: %w", filepath.Base(file), err)
		}
		if err := disk.CopyFile(file, target); err != nil {
			return fmt.Errorf("keep %s: %w", filepath.Base(file), err)
		}
	}
	return nil
}
