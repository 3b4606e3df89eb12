package sourcepackage

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

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

// Layout finds out how the tree of the commit, exported as it is, fits to the tarballs.
func (s *Search) Layout(ctx context.Context, origs *Origs) (*Layout, error) {
	l := &Layout{format: s.Format}
	only, err := onlyDebian(s.Tree)
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
	if l.upstream, err = s.unpack(ctx, origs.Names); err != nil {
		return nil, err
	}
	if l.overlay {
		fmt.Fprintf(s.Tools.log, "the orig tarball goes under the packaging\n")
		if origs.Made {
			return l, CheckPointers(l.upstream)
		}
		return l, nil
	}
	for _, name := range empty {
		if below, err := os.ReadDir(filepath.Join(l.upstream, name)); err == nil && len(below) > 0 {
			fmt.Fprintf(s.Tools.log, "folder %s is taken from the orig tarball\n", name)
			l.fill = append(l.fill, name)
		}
	}
	if altering == "" {
		return l, nil
	}
	return l, s.reconcile(ctx, l, origs)
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

// copyInto copies a plain file, with its mode, to a name that is free below root.
func copyInto(root *os.Root, path, name string) error {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return err
	}
	to, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	if _, err := io.Copy(to, from); err != nil {
		to.Close()
		return err
	}
	if err := to.Chmod(info.Mode().Perm()); err != nil { // whatever the umask
		to.Close()
		return err
	}
	return to.Close()
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
