package gitrepo

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"foundry/pkg/gitrepo/git"
)

// Archive writes the tree of a commit as a tar file, byte by byte as git-archive(1) does in a repository that has
// nothing but the commit's history: attributes export-ignore and export-subst are honoured, no branch or tag is named,
// times are the commit's. Every name gets the prefix, such as "hello-1.0/"; the same commit and prefix give the same
// bytes. The given submodules follow, each with its own attributes, in GNU's format; all others are empty
// folders.
func (m *Mirror) Archive(ctx context.Context, commit, prefix string, w io.Writer, submodules ...Submodule) error {
	if !git.IsHash(commit) {
		return fmt.Errorf("export commit %q: %w", git.Plain(commit, 80), git.ErrNoCommit)
	}
	if err := m.archive(ctx, commit, prefix, "", w, submodules); err != nil {
		return fmt.Errorf("export commit %s of %s: %w", commit, m.URL(), err)
	}
	return nil
}

// rawAttributes switch off what the attributes of a tree do to an export.
const rawAttributes = "* -export-ignore -export-subst -text -eol -crlf -ident -filter -working-tree-encoding\n"

// archive writes one tar file of all trees. attributes are those that count more than the trees' own.
func (m *Mirror) archive(ctx context.Context, commit, prefix, attributes string, w io.Writer, submodules []Submodule) error {
	if len(submodules) == 0 {
		return m.archiveOne(ctx, commit, prefix, attributes, w)
	}
	out := tar.NewWriter(w)
	folders := make(map[string]bool) // as they were written, without the prefix
	add := func(m *Mirror, commit, below string) error {
		return through(
			func(to io.Writer) error { return m.archiveOne(ctx, commit, below, attributes, to) },
			func(from io.Reader) error { return copyEntries(out, from, prefix, folders) },
		)
	}
	if err := add(m, commit, prefix); err != nil {
		return err
	}
	for _, s := range submodules {
		if !folders[s.Path] {
			continue // left out by an attribute of the tree that it is in
		}
		if err := add(s.Mirror, s.Commit, prefix+s.Path+"/"); err != nil {
			return fmt.Errorf("submodule %s: %w", git.Plain(s.Path, 200), err)
		}
	}
	return out.Close()
}

// through runs write and read with a pipe between them, and returns the error that came first.
func through(write func(io.Writer) error, read func(io.Reader) error) error {
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := write(writer)
		writer.CloseWithError(err)
		done <- err
	}()
	err := read(reader)
	reader.CloseWithError(err)
	if writeErr := <-done; err == nil {
		err = writeErr
	}
	return err
}

// copyEntries copies a tar file without its end, and notes the folders in it.
func copyEntries(to *tar.Writer, from io.Reader, prefix string, folders map[string]bool) error {
	archive := tar.NewReader(from)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, from) // padding
			return err
		}
		if err != nil {
			return err
		}
		name, inside := strings.CutPrefix(strings.TrimSuffix(h.Name, "/"), prefix)
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if h.Typeflag == tar.TypeDir && inside {
			if folders[name] {
				continue // a submodule's own folder, which its parent has brought
			}
			folders[name] = true
		}
		h.Format, h.PAXRecords = tar.FormatGNU, nil
		if err := to.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.Copy(to, archive); err != nil {
			return err
		}
	}
}

// archiveOne writes the tree of one commit, without its submodules.
func (m *Mirror) archiveOne(ctx context.Context, commit, prefix, attributes string, w io.Writer) error {
	view, err := m.view(attributes, len(commit))
	if err != nil {
		return fmt.Errorf("make view of mirror: %w", err)
	}
	_, err = git.Run{Dir: view, Stdout: w, Args: []string{"archive", "--format=tar", "--prefix=" + prefix, commit}}.Do(ctx)
	if err != nil && ctx.Err() == nil && !m.Has(ctx, commit) {
		return git.ErrNoCommit
	}
	return err
}

// view returns a repository with the mirror's objects and nothing else: what the mirror has of branches, tags and
// history depends on what was asked of it, and would come in where files of the commit ask for it (export-subst).
// There is one in the mirror for each kind of attributes, made once.
func (m *Mirror) view(attributes string, digits int) (string, error) {
	// How short git makes a hash would depend on the number of objects.
	config := "[core]\n\tbare = true\n\tabbrev = 7\n\trepositoryformatversion = "
	if digits == 64 {
		config += "1\n[extensions]\n\tobjectformat = sha256\n"
	} else {
		config += "0\n"
	}
	sum := sha256.Sum256([]byte(config + attributes))
	views := filepath.Join(m.Dir(), "foundry-views")
	view := filepath.Join(views, hex.EncodeToString(sum[:4]))
	if _, err := os.Stat(view); err == nil {
		return view, nil
	}
	if err := os.Mkdir(views, 0o700); errors.Is(err, fs.ErrNotExist) {
		return "", git.ErrNoCommit // nothing was ever fetched
	} else if err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	fresh, err := os.MkdirTemp(views, "new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh)
	if err := os.Mkdir(filepath.Join(fresh, "refs"), 0o700); err != nil {
		return "", err
	}
	for _, file := range []struct{ name, text string }{
		{"HEAD", "ref: refs/heads/none\n"},
		{"config", config},
		{"info/attributes", attributes},
		{"objects/info/alternates", filepath.Join(m.Dir(), "objects") + "\n"},
	} {
		path := filepath.Join(fresh, file.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return "", err
		}
		if err := os.WriteFile(path, []byte(file.text), 0o600); err != nil {
			return "", err
		}
	}
	err = os.Rename(fresh, view)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTEMPTY) {
		err = nil // another was faster
	}
	return view, err
}
