package layout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"foundry/bots/internal/orig"
	"foundry/bots/internal/sourcepackage"
)

// reconcile compares three trees outside of debian: the commit's as it is, the same as git exports it with
// the attributes of .gitattributes, and the orig tarballs. Where an attribute alone makes the first
// differ from the last, the last counts: a tarball made by git-archive(1), by us or by a forge, lacks what
// is marked export-ignore, and has what is marked export-subst filled in.
func reconcile(ctx context.Context, s *orig.Search, l *Layout, found *orig.Tarballs) error {
	exported := filepath.Join(s.Tools.Temp(), "exported")
	if err := os.Mkdir(exported, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(exported)
	if err := s.Mirror.Checkout(ctx, s.Commit, exported, s.Submodules...); err != nil {
		return sourcepackage.GitFault(err)
	}
	c := comparison{tree: s.Tree, exported: exported, upstream: l.upstream, made: found.Made}
	err := filepath.WalkDir(s.Tree, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(s.Tree, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name == "debian" {
				return fs.SkipDir
			}
			return nil
		}
		return c.compare(l, name, entry)
	})
	if err != nil {
		return err
	}
	if n := len(l.drop); n > 0 {
		fmt.Fprintf(s.Tools.Log(), "left out, as .gitattributes says and the orig tarball has it: %s\n", sourcepackage.Enumerate(l.drop))
	}
	if n := len(l.take); n > 0 {
		fmt.Fprintf(s.Tools.Log(), "taken from the orig tarball, where .gitattributes has git alter them: %s\n", sourcepackage.Enumerate(l.take))
	}
	return nil
}

// comparison compares one file after the other.
type comparison struct {
	tree, exported, upstream string // folders
	made                     bool   // the tarballs, here
}

func (c *comparison) compare(l *Layout, name string, entry fs.DirEntry) error {
	if _, err := os.Lstat(filepath.Join(c.exported, name)); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(filepath.Join(c.upstream, name)); errors.Is(err, fs.ErrNotExist) {
			l.drop = append(l.drop, name)
			return nil
		}
	}
	if !entry.Type().IsRegular() {
		return nil
	}
	pointer, err := readPointer(filepath.Join(c.tree, name))
	if err != nil {
		return err
	}
	if !pointer.is && same(c.tree, c.exported, name) || same(c.tree, c.upstream, name) {
		if pointer.is && c.made {
			return pointer.fault(name)
		}
		return nil
	}
	switch {
	case pointer.is && pointer.of(filepath.Join(c.upstream, name)),
		!pointer.is && same(c.exported, c.upstream, name),
		!pointer.is && filledIn(filepath.Join(c.tree, name), filepath.Join(c.upstream, name)):
		l.take = append(l.take, name)
	case pointer.is:
		return pointer.fault(name)
	}
	return nil
}

// maxCompared is how many bytes a file that attributes alter may have to be looked at.
const maxCompared = 64 << 20

// same tells whether two folders have a plain file of the same content.
func same(a, b, name string) bool {
	x, y := filepath.Join(a, name), filepath.Join(b, name)
	xi, err := os.Lstat(x)
	if err != nil || !xi.Mode().IsRegular() {
		return false
	}
	yi, err := os.Lstat(y)
	if err != nil || !yi.Mode().IsRegular() || xi.Size() != yi.Size() {
		return false
	}
	if xi.Size() > maxCompared {
		return true // of the same size; dpkg-source looks at the content
	}
	xt, xerr := os.ReadFile(x)
	yt, yerr := os.ReadFile(y)
	return xerr == nil && yerr == nil && bytes.Equal(xt, yt)
}

// placeholder matches what export-subst fills in (gitattributes(5)).
var placeholder = regexp.MustCompile(`\$Format:[^$\n]*\$`)

// filledIn tells whether the second file is the first with its placeholders filled in.
func filledIn(template, filled string) bool {
	info, err := os.Lstat(filled)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxCompared {
		return false
	}
	text, err := os.ReadFile(template)
	if err != nil || !placeholder.Match(text) {
		return false
	}
	rest, err := os.ReadFile(filled)
	if err != nil {
		return false
	}
	parts := placeholder.Split(string(text), -1)
	left, ok := strings.CutPrefix(string(rest), parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(left, part)
		if i < 0 {
			return false
		}
		left = left[i+len(part):]
	}
	return strings.HasSuffix(left, parts[len(parts)-1])
}
