package repository

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5" //nolint:gosec // what dpkg lists in a package
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"foundry/pkg/debian"
	"foundry/pkg/trust"
	"foundry/scripts/internal/rig"
)

// batch is how many packages are in one folder, and how many one process compresses.
const batch = 1000

// version is that of every package.
const version = "1.0-1"

// stock is the packages in the cache folder.
type stock struct {
	dir    string
	rig    *rig.Rig
	signer trust.Signer // of packages
}

// openStock finds the packages that are there, and the key that has signed them.
func openStock(ctx context.Context, r *rig.Rig, cache string) (*stock, error) {
	s := &stock{dir: filepath.Join(cache, "packages-1"), rig: r}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make cache folder: %w", err)
	}
	key := filepath.Join(s.dir, "key.asc")
	if _, _, err := trust.LoadOrCreate(key, "bench packages"); err != nil {
		return nil, err
	}
	var err error
	s.signer, err = trust.OpenSigner(ctx, key)
	return s, err
}

// name spreads packages over the alphabet, so that a new one is anywhere in an index.
func name(n int) string { return fmt.Sprintf("%c%c-bench-%06d", 'a'+n%26, 'a'+n/26%26, n) }

// folder holds the packages of a batch.
func (s *stock) folder(n int) string { return filepath.Join(s.dir, fmt.Sprintf("%03d", n/batch)) }

// path is where package n is.
func (s *stock) path(n int) string {
	return filepath.Join(s.folder(n), name(n)+"_"+version+"_"+rig.Architecture()+".deb")
}

// fill makes the first count packages where they are not there yet.
func (s *stock) fill(ctx context.Context, count int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.NumCPU())
	for first := 0; first < count; first += batch {
		if _, err := os.Stat(s.folder(first)); err == nil {
			continue
		}
		group.Go(func() error {
			if err := s.make(ctx, first); err != nil {
				return fmt.Errorf("make packages: %w", err)
			}
			return nil
		})
	}
	return group.Wait()
}

// make makes the batch of packages that begins with first.
func (s *stock) make(ctx context.Context, first int) error {
	work, err := os.MkdirTemp(s.dir, "new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	xz := rig.Command{Name: "xz", Args: []string{"-6", "--threads=1", "--check=crc64"}, Dir: work}
	for n := first; n < first+batch; n++ {
		control, data, err := trees(n)
		if err != nil {
			return err
		}
		for member, content := range map[string][]byte{"c": control, "d": data} {
			file := fmt.Sprintf("%s%d", member, n)
			xz.Args = append(xz.Args, file)
			if err := os.WriteFile(filepath.Join(work, file), content, 0o644); err != nil {
				return err
			}
		}
	}
	// One process for all, which makes the same bytes as the one of each package would.
	if err := s.rig.Run(ctx, xz); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(work, "done"), 0o755); err != nil {
		return err
	}
	for n := first; n < first+batch; n++ {
		if err := s.join(ctx, work, n); err != nil {
			return err
		}
	}
	return os.Rename(filepath.Join(work, "done"), s.folder(first))
}

// join puts the members of a package together, and signs it.
func (s *stock) join(ctx context.Context, work string, n int) error {
	unsigned := filepath.Join(work, "unsigned.deb")
	var out bytes.Buffer
	out.WriteString("!<arch>\n")
	member := func(name string, content []byte) {
		fmt.Fprintf(&out, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, built.Unix(), 0, 0, "100644", len(content))
		out.Write(content)
		if len(content)%2 == 1 {
			out.WriteByte('\n')
		}
	}
	control, err := os.ReadFile(filepath.Join(work, fmt.Sprintf("c%d.xz", n)))
	if err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(work, fmt.Sprintf("d%d.xz", n)))
	if err != nil {
		return err
	}
	member("debian-binary", []byte("2.0\n"))
	member("control.tar.xz", control)
	member("data.tar.xz", data)
	if err := os.WriteFile(unsigned, out.Bytes(), 0o644); err != nil {
		return err
	}
	deb, err := debian.OpenDeb(unsigned)
	if err != nil {
		return err
	}
	defer deb.Close()
	signature, err := trust.DetachStream(ctx, s.signer, deb.Payload)
	if err != nil {
		return err
	}
	signed, err := os.Create(filepath.Join(work, "done", filepath.Base(s.path(n))))
	if err != nil {
		return err
	}
	return errors.Join(deb.WriteSigned(signed, signature), signed.Close())
}

// built is the time of all files in the packages.
var built = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// trees makes the two archives of package n.
func trees(n int) (control, data []byte, err error) {
	name := name(n)
	doc := "./usr/share/doc/" + name
	files := []struct{ path, content string }{
		{"./usr/bin/" + name, fmt.Sprintf("#!/bin/sh\n# %s\necho %d\n", name, n*7919)},
		{"./usr/lib/" + name + "/settings.conf", fmt.Sprintf("number = %d\nname = %q\n", n, name)},
		{doc + "/changelog.Debian.gz", zipped(fmt.Sprintf("%s (%s) bookworm; urgency=medium\n\n  * Number %d.\n\n -- Bench <bench@example.org>  Thu, 01 Jan 2026 00:00:00 +0000\n", name, version, n))},
		{doc + "/copyright", "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nCopyright: 2026, Bench\nLicense: Apache-2.0\n"},
		{"./usr/share/man/man1/" + name + ".1.gz", zipped(".TH " + name + " 1\n.SH NAME\n" + name + " - measures\n")},
	}
	var sums bytes.Buffer
	tree := newTree()
	for _, f := range files {
		fmt.Fprintf(&sums, "%x  %s\n", md5.Sum([]byte(f.content)), f.path[2:]) //nolint:gosec // as above
		tree.add(f.path, f.content)
	}
	text := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: Bench <bench@example.org>\nInstalled-Size: 24\nDepends: libc6 (>= 2.36), %s\n"+
		"Section: utils\nPriority: optional\nHomepage: https://example.org/%s\nDescription: package number %d of a benchmark\n It has five files, and a description of two lines that says\n that it is the one with the number %d.\n",
		name, version, rig.Architecture(), "libgcc-s1 (>= 3.0)", name, n, n)
	about := newTree()
	about.add("./control", text)
	about.add("./md5sums", sums.String())
	control, err = about.close()
	if err != nil {
		return nil, nil, err
	}
	data, err = tree.close()
	return control, data, err
}

// zipped is the content as gzip -9n makes it.
func zipped(content string) string {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // the level is one that there is
	_, _ = w.Write([]byte(content))
	_ = w.Close() // a buffer takes all
	return out.String()
}

// tree writes a tar archive with the folders of its files.
type tree struct {
	out     bytes.Buffer
	w       *tar.Writer
	folders map[string]bool
	err     error
}

func newTree() *tree {
	t := &tree{folders: map[string]bool{}}
	t.w = tar.NewWriter(&t.out)
	t.folder("./")
	return t
}

func (t *tree) folder(path string) {
	if t.folders[path] || t.err != nil {
		return
	}
	t.folders[path] = true
	t.err = t.w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: path, Mode: 0o755, ModTime: built, Uname: "root", Gname: "root", Format: tar.FormatGNU})
}

func (t *tree) add(path, content string) {
	for i := 2; i < len(path); i++ {
		if path[i] == '/' {
			t.folder(path[:i+1])
		}
	}
	if t.err == nil {
		t.err = t.w.WriteHeader(&tar.Header{Name: path, Size: int64(len(content)), Mode: 0o644, ModTime: built, Uname: "root", Gname: "root", Format: tar.FormatGNU})
	}
	if t.err == nil {
		_, t.err = t.w.Write([]byte(content))
	}
}

func (t *tree) close() ([]byte, error) {
	err := errors.Join(t.err, t.w.Close())
	return t.out.Bytes(), err
}
