package target

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// tree is one state of a repository as targets are to have it: what identifies the content of each file, by its name on
// the target, and where it is below the repository's folder.
type tree struct {
	root        string
	marks       map[string]string
	from        map[string]string
	generations map[string]string // path of what each link of dists leads to
}

// moved tells whether a newer state was published since the tree was read, so that files of it may be gone.
func (t *tree) moved() bool {
	for name, generation := range t.generations {
		if now, err := filepath.EvalSymlinks(filepath.Join(t.root, "dists", name)); err != nil || now != generation {
			return true
		}
	}
	return false
}

// immutable marks files whose names never stand for other bytes.
const immutable = "immutable"

// readTree reads the folder of a repository: of each codename the generation that its link leads to now.
func readTree(root string) (*tree, error) {
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil, fmt.Errorf("read repository: %w", err)
	}
	t := &tree{root: root, marks: map[string]string{}, from: map[string]string{}, generations: map[string]string{}}
	top, err := os.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("read repository: %w", err)
	}
	for _, d := range top {
		switch name := d.Name(); {
		case strings.HasPrefix(name, "."), name == "dists":
		case name == "pool" || name == "buildinfo":
			err = t.add(root, name, name, func(string) (string, error) { return immutable, nil })
		default:
			err = t.add(root, name, name, func(file string) (string, error) { return digest(filepath.Join(root, file)) })
		}
		if err != nil {
			return nil, fmt.Errorf("read repository: %w", err)
		}
	}
	links, err := os.ReadDir(filepath.Join(root, "dists"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read repository: %w", err)
	}
	for _, d := range links {
		if strings.HasPrefix(d.Name(), ".") {
			continue
		}
		if err := t.addSuite(root, d.Name()); err != nil {
			return nil, fmt.Errorf("read suite %s: %w", d.Name(), err)
		}
	}
	return t, nil
}

// add adds the files below folder, which the target has below as. What begins with a dot is half-written.
func (t *tree) add(root, folder, as string, mark func(file string) (string, error)) error {
	return filepath.WalkDir(filepath.Join(root, folder), func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // removed meanwhile
		case err != nil:
			return err
		case strings.HasPrefix(d.Name(), ".") && d.IsDir() && name != filepath.Join(root, folder):
			return fs.SkipDir
		case !d.Type().IsRegular() || strings.HasPrefix(d.Name(), "."):
			return nil
		}
		file := strings.TrimPrefix(strings.TrimPrefix(name, root), "/")
		m, err := mark(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		to := path.Join(as, strings.TrimPrefix(file, folder))
		t.marks[to], t.from[to] = m, file
		return err
	})
}

// addSuite adds the generation of a codename, and the index files by hash that the folder still has.
func (t *tree) addSuite(root, name string) error {
	generation, err := filepath.EvalSymlinks(filepath.Join(root, "dists", name))
	if err != nil {
		return err
	}
	t.generations[name] = generation
	if generation, err = filepath.Rel(root, generation); err != nil || strings.HasPrefix(generation, "..") {
		return errors.Join(fmt.Errorf("it is not below %s", root), err)
	}
	sums, err := listed(filepath.Join(root, generation, "Release"))
	if err != nil {
		return err
	}
	as := path.Join("dists", name)
	err = t.add(root, generation, as, func(file string) (string, error) {
		below, err := filepath.Rel(generation, file)
		if err != nil {
			return "", err
		}
		if sum := sums[filepath.ToSlash(below)]; sum != "" {
			return sum, nil
		}
		return digest(filepath.Join(root, file))
	})
	if err != nil {
		return err
	}
	hashes := filepath.Join(filepath.Dir(generation), "by-hash")
	// by-hash/COMPONENT/binary-ARCH/SHA256/HASH is COMPONENT/binary-ARCH/by-hash/SHA256/HASH for clients.
	var byHash tree
	byHash.marks, byHash.from = map[string]string{}, map[string]string{}
	if err := byHash.add(root, hashes, "", func(string) (string, error) { return immutable, nil }); err != nil {
		return err
	}
	for below, file := range byHash.from {
		parts := strings.Split(below, "/")
		if len(parts) < 2 {
			continue
		}
		to := path.Join(append([]string{as}, slices.Insert(parts, len(parts)-2, "by-hash")...)...)
		t.marks[to], t.from[to] = immutable, file
	}
	return nil
}

// listed returns the SHA-256 of each index file as a Release file lists it, by name.
func listed(release string) (map[string]string, error) {
	text, err := os.ReadFile(release)
	if err != nil {
		return nil, err
	}
	_, list, _ := bytes.Cut(text, []byte("\nSHA256:\n"))
	sums := map[string]string{}
	for line := range strings.Lines(string(list)) {
		if !strings.HasPrefix(line, " ") {
			break
		}
		if words := strings.Fields(line); len(words) == 3 {
			sums[words[2]] = words[0]
		}
	}
	return sums, nil
}

func digest(file string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// step is the place of a file in the order of a push, from 0.
func step(name string) int {
	if !strings.HasPrefix(name, "dists/") {
		return 0
	}
	switch path.Base(name) {
	case "InRelease":
		return 4
	case "Release", "Release.gpg":
		return 3
	}
	if strings.Contains(name, "/by-hash/") {
		return 1
	}
	return 2
}

// steps is the number of steps of a push, less the removal.
const steps = 5
