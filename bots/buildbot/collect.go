package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"foundry/pkg/artifact"
	"foundry/pkg/debian"
	"foundry/pkg/message"
)

// maxChanges is the size of the largest .changes.
const maxChanges = 4 << 20

// badResult is the error of a build that left something else than it says.
type badResult struct{ reason string }

func (e *badResult) Error() string { return e.reason }

func bad(format string, args ...any) error { return &badResult{fmt.Sprintf(format, args...)} }

// collect checks what the build has left and puts it into the store: the .changes, then what that
// lists.
func (w *work) collect(ctx context.Context) ([]message.Artifact, error) {
	text, err := readPlain(filepath.Join(w.out, w.changes), maxChanges)
	if err != nil {
		return nil, err
	}
	changes, err := debian.ParseChanges(text)
	if err != nil {
		return nil, bad("%s: %v", w.changes, err)
	}
	if err := w.check(changes); err != nil {
		return nil, err
	}
	for _, f := range changes.Files {
		if err := verify(filepath.Join(w.out, f.Name), f); err != nil {
			return nil, err
		}
	}
	names := []string{w.changes}
	for _, f := range changes.Files {
		names = append(names, f.Name)
	}
	files := make([]message.Artifact, 0, len(names))
	for _, name := range names {
		ref, err := artifact.PutFile(ctx, w.job.Store, filepath.Join(w.out, name))
		if err != nil {
			return nil, err
		}
		files = append(files, ref)
	}
	return files, nil
}

// check tells whether the .changes is about this build.
func (w *work) check(c *debian.Changes) error {
	switch {
	case c.Source != w.p.Source:
		return bad("%s is about %s, not %s", w.changes, c.Source, w.p.Source)
	case c.Version.Compare(w.version) != 0 || c.SourceVersion.Compare(w.version) != 0:
		return bad("%s is about version %s, not %s", w.changes, c.Version, w.p.Version)
	case c.Distribution != w.p.Codename:
		return bad("%s is for %s, not %s", w.changes, c.Distribution, w.p.Codename)
	case len(c.Files) == 0:
		return bad("%s lists no files", w.changes)
	}
	for _, arch := range c.Architectures {
		if arch != w.Arch && (arch != string(debian.All) || !w.p.Indep) {
			return bad("%s has packages for %s", w.changes, arch)
		}
	}
	seen := []string{w.changes}
	for _, f := range c.Files {
		if !debian.ValidFileName(f.Name) || slices.Contains(seen, f.Name) {
			return bad("%s lists a bad file name, or one twice: %q", w.changes, f.Name)
		}
		seen = append(seen, f.Name)
	}
	return nil
}

// openPlain opens a regular file; a link or anything else is a bad result.
func openPlain(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ELOOP) {
		return nil, bad("%s is missing or a link", filepath.Base(path))
	}
	if err != nil {
		return nil, fmt.Errorf("open result: %w", err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = bad("%s is not a regular file", filepath.Base(path))
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// readPlain reads a small regular file.
func readPlain(path string, limit int64) ([]byte, error) {
	file, err := openPlain(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read result: %w", err)
	}
	if int64(len(data)) > limit {
		return nil, bad("%s is larger than %d bytes", filepath.Base(path), limit)
	}
	return data, nil
}

// verify tells whether the file at path has the size and hash that the .changes says.
func verify(path string, want debian.File) error {
	file, err := openPlain(path)
	if err != nil {
		return err
	}
	defer file.Close()
	hash := sha256.New()
	size, err := io.Copy(hash, io.LimitReader(file, want.Size+1))
	if err != nil {
		return fmt.Errorf("read result: %w", err)
	}
	if size != want.Size || hex.EncodeToString(hash.Sum(nil)) != want.SHA256 {
		return bad("%s is not the file that the .changes lists", want.Name)
	}
	return nil
}
