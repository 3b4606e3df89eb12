package main

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"foundry/pkg/debian"
)

// build is what a build has made.
type build struct {
	dir       string
	changes   debian.Stanza
	buildinfo debian.Stanza
	files     []string // that the .changes lists, sorted
	packages  map[string]*binary
}

// binary is one .deb or .udeb.
type binary struct {
	digest  string
	control debian.Stanza
	members []entry // of the control archive, the control file itself left out
	files   []entry
}

// entry is a file within a package.
type entry struct {
	path    string
	kind    byte // of tar
	mode    int64
	owner   string
	link    string
	content string // digest
}

// readBuild reads the results in dir: the one .changes and what it lists.
func readBuild(ctx context.Context, dir string) (*build, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*.changes"))
	if err != nil || len(found) != 1 {
		return nil, fmt.Errorf("%d .changes in %s instead of one", len(found), dir)
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		return nil, fmt.Errorf("read result: %w", err)
	}
	changes, err := debian.ParseChanges(text)
	if err != nil {
		return nil, err
	}
	b := &build{dir: dir, changes: changes.Fields, packages: map[string]*binary{}}
	for _, f := range changes.Files {
		b.files = append(b.files, f.Name)
		path := filepath.Join(dir, f.Name)
		switch filepath.Ext(f.Name) {
		case ".buildinfo":
			if b.buildinfo, err = readStanza(path); err != nil {
				return nil, err
			}
		case ".deb", ".udeb":
			if b.packages[f.Name], err = readBinary(ctx, path); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(b.files)
	return b, nil
}

func readStanza(path string) (debian.Stanza, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read result: %w", err)
	}
	stanzas, err := debian.ParseControl(text)
	if err == nil && len(stanzas) != 1 {
		err = fmt.Errorf("%d stanzas instead of one", len(stanzas))
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Base(path), err)
	}
	return stanzas[0], nil
}

// readBinary reads a package as dpkg-deb(1) does.
func readBinary(ctx context.Context, path string) (*binary, error) {
	b := &binary{}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read result: %w", err)
	}
	b.digest = digest(data)
	if b.files, err = readTar(ctx, path, "--fsys-tarfile", nil); err != nil {
		return nil, err
	}
	b.members, err = readTar(ctx, path, "--ctrl-tarfile", func(name string, content []byte) error {
		if name != "./control" {
			return nil
		}
		stanzas, err := debian.ParseControl(content)
		if err == nil && len(stanzas) == 1 {
			b.control = stanzas[0]
		}
		return err
	})
	if err == nil && b.control == nil {
		err = fmt.Errorf("%s has no control file", filepath.Base(path))
	}
	return b, err
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// readTar lists one of the two archives of a package, and shows each file of it to look.
func readTar(ctx context.Context, path, option string, look func(name string, content []byte) error) (entries []entry, err error) {
	cmd := exec.CommandContext(ctx, "dpkg-deb", option, path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("run dpkg-deb: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("run dpkg-deb: %w", err)
	}
	defer func() {
		_, _ = io.Copy(io.Discard, out) // padding after the end of the archive
		if waitErr := cmd.Wait(); waitErr != nil {
			err = errors.Join(err, fmt.Errorf("run dpkg-deb %s %s: %w", option, path, waitErr))
		}
	}()
	for archive := tar.NewReader(out); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		if look != nil {
			if err := look(h.Name, content); err != nil {
				return nil, fmt.Errorf("read %s: %w", path, err)
			}
		}
		entries = append(entries, entry{
			path: h.Name, kind: h.Typeflag, mode: h.Mode, link: h.Linkname, content: digest(content),
			owner: strings.Join([]string{fmt.Sprint(h.Uid), fmt.Sprint(h.Gid), h.Uname, h.Gname}, ":"),
		})
	}
}
