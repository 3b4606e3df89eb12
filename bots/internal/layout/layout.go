// Package layout fits the tree of a commit to the orig tarballs that package orig has found for it: it puts the
// upstream source under packaging that stands alone, fills the folders of submodules, and takes back what
// attributes of git alone make different. What git-lfs keeps elsewhere and no tarball has is refused.
package layout

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"foundry/bots/internal/orig"
	"foundry/pkg/debian"
)

// A Layout fits exported trees of a commit to the orig tarballs, so that dpkg-source finds the upstream
// source below the packaging, and no difference that nobody has made.
type Layout struct {
	format   debian.Format
	upstream string   // folder with the unpacked tarballs; "" where nothing is needed of them
	overlay  bool     // the tree lacks the upstream source
	drop     []string // of the tree, since the tarballs do not have it
	take     []string // from the tarballs, in place of what the tree has
	fill     []string // from the tarballs: folders that are empty, as those of submodules
}

// Find finds out how the tree of the commit, exported as it is, fits to the tarballs that the search found.
func Find(ctx context.Context, s *orig.Search, found *orig.Tarballs) (*Layout, error) {
	l := &Layout{format: s.Format}
	only, err := orig.OnlyDebian(s.Tree)
	if err != nil {
		return nil, err
	}
	l.overlay = s.GBP.Overlay == debian.On || only
	altering, err := attributes(s.Tree)
	if err != nil {
		return nil, err
	}
	empty, err := emptyFolders(s.Tree)
	if err != nil {
		return nil, err
	}
	if !l.overlay && altering == "" && empty == nil {
		return l, nil
	}
	if l.upstream, err = unpack(ctx, s, found.Names); err != nil {
		return nil, err
	}
	if l.overlay {
		fmt.Fprintf(s.Tools.Log(), "the orig tarball goes under the packaging\n")
		if found.Made {
			return l, CheckPointers(l.upstream)
		}
		return l, nil
	}
	for _, name := range empty {
		if below, err := os.ReadDir(filepath.Join(l.upstream, name)); err == nil && len(below) > 0 {
			fmt.Fprintf(s.Tools.Log(), "folder %s is taken from the orig tarball\n", name)
			l.fill = append(l.fill, name)
		}
	}
	if altering == "" {
		return l, nil
	}
	return l, reconcile(ctx, s, l, found)
}

// Fit makes one tree fit.
func (l *Layout) Fit(tree string) error {
	root, err := os.OpenRoot(tree)
	if err != nil {
		return fmt.Errorf("open tree: %w", err)
	}
	defer root.Close()
	for _, name := range l.drop {
		if err := root.RemoveAll(name); err != nil {
			return fmt.Errorf("leave out %s: %w", name, err)
		}
	}
	for _, name := range l.take {
		if err := root.Remove(name); err != nil {
			return fmt.Errorf("replace %s: %w", name, err)
		}
		if err := copyInto(root, filepath.Join(l.upstream, name), name); err != nil {
			return fmt.Errorf("replace %s: %w", name, err)
		}
	}
	if l.overlay {
		if err := lay(l.upstream, root, ".", l.format); err != nil {
			return fmt.Errorf("unpack upstream source under the packaging: %w", err)
		}
	}
	for _, name := range l.fill {
		if err := lay(l.upstream, root, name, l.format); err != nil {
			return fmt.Errorf("fill %s: %w", name, err)
		}
	}
	return nil
}

// emptyFolders lists the empty folders of a tree, outside of debian. git knows none but those of submodules.
func emptyFolders(tree string) ([]string, error) {
	var empty []string
	err := filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(tree, path)
		if err != nil {
			return err
		}
		if name == "debian" {
			return fs.SkipDir
		}
		below, err := os.ReadDir(path)
		if err == nil && len(below) == 0 {
			empty = append(empty, name)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for empty folders: %w", err)
	}
	return empty, nil
}

// altering matches what makes git leave out, fill in or convert a file.
var altering = regexp.MustCompile(`\b(export-ignore|export-subst|text|eol|crlf|ident|filter|working-tree-encoding)\b`)

// attributes returns what files .gitattributes of a tree say, as far as it makes git alter files; "" for
// nothing.
func attributes(tree string) (string, error) {
	root, err := os.OpenRoot(tree)
	if err != nil {
		return "", fmt.Errorf("open tree: %w", err)
	}
	defer root.Close()
	var all strings.Builder
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Base(name) != ".gitattributes" || !entry.Type().IsRegular() {
			return err
		}
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		text, err := io.ReadAll(io.LimitReader(f, maxAttributes))
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			if altering.MatchString(line) && !strings.HasPrefix(strings.TrimSpace(line), "#") {
				all.WriteString(line)
			}
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("look for .gitattributes: %w", err)
	}
	return all.String(), nil
}

// maxAttributes is how many bytes of a file .gitattributes are looked at; git itself takes 100 MB.
const maxAttributes = 1 << 20
