package orig

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Component is the component in the name of an orig tarball, "" for the main one.
func Component(name string) string {
	i := strings.LastIndex(name, ".orig")
	if i < 0 {
		return ""
	}
	stem, _, _ := strings.Cut(name[i+len(".orig"):], ".tar.")
	return strings.TrimPrefix(stem, "-")
}

// OnlyDebian tells whether a tree has the packaging alone: nothing beside debian but files that belong to
// git and forges.
func OnlyDebian(tree string) (bool, error) {
	entries, err := os.ReadDir(tree)
	if err != nil {
		return false, fmt.Errorf("list tree: %w", err)
	}
	for _, e := range entries {
		if e.Name() != "debian" && !strings.HasPrefix(e.Name(), ".") {
			return false, nil
		}
	}
	return true, nil
}

// hasPlace tells whether a component's tarball has a place in a tree: a folder of its name, or
// all the upstream source comes from tarballs.
func hasPlace(tree, component string) bool {
	if only, err := OnlyDebian(tree); err == nil && only {
		return true
	}
	info, err := os.Lstat(filepath.Join(tree, component))
	return err == nil && info.IsDir()
}
