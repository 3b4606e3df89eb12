package orig

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
	"time"

	"foundry/bots/internal/sourcepackage"
)

// Compressions lists what dpkg-source takes for orig tarballs.
func Compressions() []string { return []string{"xz", "gz", "bz2", "lzma"} }

// compressor is the program that compresses, always to the same bytes; level is "0" to "9" or "" for the
// program's own.
func compressor(compression, level string) []string {
	args := map[string][]string{"gz": {"gzip", "-n"}, "bz2": {"bzip2"}, "lzma": {"lzma", "-T1"}}[compression]
	if args == nil {
		args = []string{"xz", "-T1"}
	}
	if level != "" {
		args = append(args, "-"+level)
	}
	return args
}

// A selection is which part of an upstream tree goes into a tarball, and under which name.
type selection struct {
	prefix string    // of all names, "hello-1.0"
	only   string    // top folder that alone goes in, without its name; empty for all
	except []string  // top folders that do not go in
	when   time.Time // of all files; zero: the commit's
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

// archiver writes a tar file of a tree.
type archiver func(ctx context.Context, w io.Writer) error

// compress writes what an archiver makes as a compressed tarball.
func compress(ctx context.Context, t *sourcepackage.Runner, archive archiver, level, path string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	part := path + ".part"
	out, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("make %s: %w", filepath.Base(path), err)
	}
	defer os.Remove(part)
	defer out.Close()
	reader, writer := io.Pipe()
	archived := make(chan error, 1)
	go func() {
		err := archive(ctx, writer)
		writer.CloseWithError(err)
		archived <- err
	}()
	compression := path[strings.LastIndexByte(path, '.')+1:]
	runErr := t.Run(ctx, sourcepackage.Call{Dir: t.Temp(), Stdin: reader, Stdout: out, Args: compressor(compression, level)})
	reader.CloseWithError(io.ErrClosedPipe)
	for _, err := range []error{<-archived, runErr, out.Close()} {
		if err != nil && !errors.Is(err, io.ErrClosedPipe) {
			return fmt.Errorf("make %s: %w", filepath.Base(path), err)
		}
	}
	if runErr != nil {
		return fmt.Errorf("make %s: %w", filepath.Base(path), runErr)
	}
	return os.Rename(part, path)
}

// selected is an archiver of the selected part of what another archives. The files that it has are counted
// in entries.
func selected(archive archiver, s selection, entries *int) archiver {
	return func(ctx context.Context, w io.Writer) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		reader, writer := io.Pipe()
		archived := make(chan error, 1)
		go func() {
			err := archive(ctx, writer)
			writer.CloseWithError(err)
			archived <- err
		}()
		count, err := filter(tar.NewReader(reader), w, s)
		if err == nil {
			_, err = io.Copy(io.Discard, reader) // padding
		}
		reader.CloseWithError(io.ErrClosedPipe)
		if archiveErr := <-archived; archiveErr != nil && !errors.Is(archiveErr, io.ErrClosedPipe) {
			return archiveErr
		}
		*entries = count
		return err
	}
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
		if !s.when.IsZero() {
			h.ModTime = s.when
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
