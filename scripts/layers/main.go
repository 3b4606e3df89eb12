// Command layers checks the shape of this tree: that imports point down only, that each big library has one
// owner, and that files and functions stay small. It prints what breaks a rule as "file:line:
// problem" and ends with status 1 when there is anything.
//
// It reads the files themselves and not what "go list" says of them, so it also works while a
// package does not compile, and sees files that are not built on this platform.
package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// folders hold the Go files of the tree.
var folders = []string{"bots", "pkg", "schemas", "scripts"}

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	problems, err := check(root)
	if err != nil {
		fmt.Fprintln(os.Stderr, "layers:", err)
		os.Exit(1)
	}
	for _, p := range problems {
		fmt.Println(p)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
}

// check returns the problems of all Go files of the tree below root.
func check(root string) (problems []string, err error) {
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && d.Name() == "testdata":
				return filepath.SkipDir
			case d.IsDir() || filepath.Ext(path) != ".go":
				return nil
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				return fmt.Errorf("name %s: %w", path, err)
			}
			source, err := os.ReadFile(path)
			if err != nil {
				return fmt.Errorf("read source: %w", err)
			}
			found, err := checkFile(filepath.ToSlash(name), source)
			problems = append(problems, found...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return problems, nil
}

// folder returns the folder of a file, which is the name of its package within the module.
func folder(file string) string {
	if i := strings.LastIndexByte(file, '/'); i >= 0 {
		return file[:i]
	}
	return "."
}
