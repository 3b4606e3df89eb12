package sourcepackage

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"foundry/pkg/gitrepo"
)

// Compressions lists what dpkg-source takes for orig tarballs.
func Compressions() []string { return []string{"xz", "gz", "bz2", "lzma"} }

// compressor is the program that compresses, always to the same bytes.
func compressor(compression string) []string {
	switch compression {
	case "gz":
		return []string{"gzip", "-9n"}
	case "bz2":
		return []string{"bzip2", "-9"}
	case "lzma":
		return []string{"lzma", "-6", "-T1"}
	}
	return []string{"xz", "-6", "-T1"}
}

// A selection is which part of an upstream tree goes into a tarball, and under which name.
type selection struct {
	prefix string   // of all names, "hello-1.0"
	only   string   // top folder that alone goes in, without its name; empty for all
	except []string // top folders that do not go in
}

// rename returns the name in the tarball of what the tree has as name, "" for nothing.
func (s selection) rename(name string) string {
	top, rest, _ := strings.Cut(strings.TrimSuffix(name, "/"), "/")
	if s.only != "" {
		if top != s.only {
			return ""
		}
		return strings.TrimSuffix(s.prefix+"/"+rest, "/")
	}
	if slices.Contains(s.except, top) {
		return ""
	}
	return s.prefix + "/" + strings.TrimSuffix(name, "/")
}

// makeTarball writes the selected part of a commit's tree as a compressed tarball. The same commit
// gives the same bytes. It returns false, and writes nothing, when the part is empty.
func makeTarball(ctx context.Context, t *Runner, m *gitrepo.Mirror, commit string, s selection, path string) (bool, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	part := path + ".part"
	out, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return false, fmt.Errorf("make %s: %w", filepath.Base(path), err)
	}
	defer os.Remove(part)
	defer out.Close()
	fromGit, toFilter := io.Pipe()
	fromFilter, toXz := io.Pipe()
	archived, filtered := make(chan error, 1), make(chan filterResult, 1)
	go func() {
		err := m.Archive(ctx, commit, "", toFilter)
		toFilter.CloseWithError(err)
		archived <- err
	}()
	go func() {
		entries, err := filter(tar.NewReader(fromGit), toXz, s)
		if err == nil {
			_, err = io.Copy(io.Discard, fromGit) // padding
		}
		fromGit.CloseWithError(err)
		toXz.CloseWithError(err)
		filtered <- filterResult{entries, err}
	}()
	compression := path[strings.LastIndexByte(path, '.')+1:]
	runErr := t.run(ctx, call{dir: t.temp, stdin: fromFilter, stdout: out, args: compressor(compression)})
	fromFilter.CloseWithError(io.ErrClosedPipe)
	result, archiveErr := <-filtered, <-archived
	for _, err := range []error{archiveErr, result.err, runErr, out.Close()} {
		if err != nil && !errors.Is(err, io.ErrClosedPipe) {
			return false, fmt.Errorf("make %s: %w", filepath.Base(path), err)
		}
	}
	if runErr != nil {
		return false, fmt.Errorf("make %s: %w", filepath.Base(path), runErr)
	}
	if result.entries == 0 {
		return false, nil
	}
	return true, os.Rename(part, path)
}

type filterResult struct {
	entries int
	err     error
}

// filter copies the selected entries of a tar file, with plain owners, and counts those that are no
// folders.
func filter(from *tar.Reader, to io.Writer, s selection) (int, error) {
	w := tar.NewWriter(to)
	entries := 0
	for {
		h, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		name := s.rename(h.Name)
		if h.Typeflag == tar.TypeXGlobalHeader || name == "" {
			continue
		}
		clean := &tar.Header{Typeflag: h.Typeflag, Name: name, Linkname: h.Linkname, Size: h.Size, ModTime: h.ModTime, Mode: 0o644, Format: tar.FormatGNU}
		switch {
		case h.Typeflag == tar.TypeDir:
			clean.Name += "/"
			clean.Mode = 0o755
		case h.Typeflag == tar.TypeSymlink:
			clean.Mode = 0o777
		case h.Mode&0o100 != 0:
			clean.Mode = 0o755
		}
		if h.Typeflag != tar.TypeDir {
			entries++
		}
		if err := w.WriteHeader(clean); err != nil {
			return 0, err
		}
		if _, err := io.Copy(w, from); err != nil {
			return 0, err
		}
	}
	return entries, w.Close()
}
