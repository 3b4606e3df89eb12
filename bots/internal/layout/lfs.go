package layout

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"foundry/bots/internal/sourcepackage"
)

// maxPointer is how many bytes a pointer of git-lfs may have.
const maxPointer = 1024

// pointerText matches a pointer of git-lfs (github.com/git-lfs/git-lfs, docs/spec.md).
var pointerText = regexp.MustCompile(`\Aversion https://git-lfs\.github\.com/spec/v1\n(?s:.*)\boid sha256:([0-9a-f]{64})\n`)

// pointer is what a repository has in place of a file whose content git-lfs keeps elsewhere.
type pointer struct {
	is     bool
	digest string // SHA-256 of the content, hexadecimal
}

// readPointer reads a plain file, if it is a pointer.
func readPointer(path string) (pointer, error) {
	info, err := os.Lstat(path)
	if err != nil || info.Size() > maxPointer {
		return pointer{}, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return pointer{}, err
	}
	m := pointerText.FindSubmatch(text)
	if m == nil {
		return pointer{}, nil
	}
	return pointer{true, string(m[1])}, nil
}

// of tells whether a plain file has the content that the pointer stands for.
func (p pointer) of(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return false
	}
	return hex.EncodeToString(sum.Sum(nil)) == p.digest
}

func (p pointer) fault(name string) error {
	return sourcepackage.PackageFault(fmt.Sprintf("%s is a pointer of git-lfs, its content is not in the repository", name),
		"commit the file itself (git lfs migrate export --include="+name+"), or give the upstream tarball that has it with pristine-tar or sourcebot --tarballs")
}

// CheckPointers refuses a tree that lacks content which git-lfs keeps elsewhere.
func CheckPointers(tree string) error {
	altering, err := attributes(tree)
	if err != nil || !strings.Contains(altering, "lfs") {
		return err
	}
	return filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		pointer, err := readPointer(path)
		if err != nil || !pointer.is {
			return err
		}
		name, err := filepath.Rel(tree, path)
		if err != nil {
			return err
		}
		return pointer.fault(name)
	})
}
