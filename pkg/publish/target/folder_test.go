package target_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"foundry/pkg/publish/target"
	"foundry/pkg/publish/target/targettest"
)

// folder is a target that is a folder, and tells what is done to it.
type folder struct {
	root string

	mu      sync.Mutex
	writes  []string // names in the order they were written, those removed with "-" before them
	before  func(name string) error
	refused bool
}

type refusal struct{ error }

func (refusal) Hint() string { return "let it be written" }

func (f *folder) write(name string, change func(path string) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refused {
		return refusal{errors.New("refused")}
	}
	if f.before != nil {
		if err := f.before(name); err != nil {
			return err
		}
	}
	f.writes = append(f.writes, name)
	return change(filepath.Join(f.root, filepath.FromSlash(strings.TrimPrefix(name, "-"))))
}

func (f *folder) Put(_ context.Context, files []target.File) error {
	for _, file := range files {
		content, err := os.ReadFile(file.Path)
		if err != nil {
			return err
		}
		err = f.write(file.Name, func(path string) error {
			temporary := filepath.Join(f.root, ".new")
			return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(temporary, content, 0o644), os.Rename(temporary, path))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *folder) Remove(_ context.Context, names []string) error {
	for _, name := range names {
		if err := f.write("-"+name, os.Remove); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (f *folder) List(context.Context) (map[string]int64, error) {
	there := map[string]int64{}
	err := filepath.WalkDir(f.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(f.root, path)
		there[filepath.ToSlash(name)] = info.Size()
		return err
	})
	return there, err
}

func (f *folder) String() string { return "folder " + f.root }

// done returns what has been done since it was asked last.
func (f *folder) done() (list []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	list, f.writes = f.writes, nil
	return list
}

func TestFolderContract(t *testing.T) {
	var f *folder
	targettest.Run(t, targettest.Adapter{
		Open: func(t testing.TB) target.Target {
			f = &folder{root: t.TempDir()}
			return f
		},
		Read: func(_ testing.TB, name string) ([]byte, bool) {
			content, err := os.ReadFile(filepath.Join(f.root, filepath.FromSlash(name)))
			return content, err == nil
		},
		Refuse: func(testing.TB) func() {
			f.refused = true
			return func() { f.refused = false }
		},
	})
}

// shop is the folder of a repository with the codename alpha, which is also called stable.
type shop struct {
	t      testing.TB
	root   string
	serial int
}

func newShop(t testing.TB) *shop {
	s := &shop{t: t, root: t.TempDir()}
	s.write("index.html", "page")
	s.write("debsig/ABCD/shop.pol", "policy")
	return s
}

func (s *shop) write(name, content string) {
	s.t.Helper()
	path := filepath.Join(s.root, filepath.FromSlash(name))
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		s.t.Fatal(err)
	}
}

// publish publishes a package more, in a generation of its own, and removes the one before the last.
func (s *shop) publish() {
	s.t.Helper()
	s.serial++
	s.write(fmt.Sprintf("pool/main/p/p/p_%d_all.deb", s.serial), fmt.Sprint("package ", s.serial))
	dir := fmt.Sprintf("dists/.alpha/%d", s.serial)
	release := "Codename: alpha\nSHA256:\n"
	for _, name := range []string{"main/binary-all/Packages", "main/source/Sources"} {
		content := name
		if strings.HasSuffix(name, "Packages") {
			content = fmt.Sprintf("Filename: pool/main/p/p/p_%d_all.deb\n", s.serial)
		}
		sum := sha256.Sum256([]byte(content))
		s.write(dir+"/"+name, content)
		s.write("dists/.alpha/by-hash/"+filepath.Dir(name)+"/SHA256/"+hex.EncodeToString(sum[:]), content)
		release += fmt.Sprintf(" %x %d %s\n", sum, len(content), name)
	}
	for _, name := range []string{"Release", "Release.gpg", "InRelease"} {
		s.write(dir+"/"+name, release)
	}
	for link, to := range map[string]string{"alpha": fmt.Sprintf(".alpha/%d", s.serial), "stable": "alpha"} {
		temporary := filepath.Join(s.root, "dists", ".link")
		if err := errors.Join(os.Symlink(to, temporary), os.Rename(temporary, filepath.Join(s.root, "dists", link))); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := os.RemoveAll(filepath.Join(s.root, "dists", ".alpha", fmt.Sprint(s.serial-1))); err != nil {
		s.t.Fatal(err)
	}
}

// whole checks what a client of the target sees: all that InRelease lists is there by hash, and all that these
// name in the pool.
func (s *shop) whole(f *folder, codename string) (serial string) {
	s.t.Helper()
	read := func(name string) string {
		content, err := os.ReadFile(filepath.Join(f.root, filepath.FromSlash(name)))
		if err != nil {
			s.t.Errorf("client: %v", err)
		}
		return string(content)
	}
	if _, err := os.Stat(filepath.Join(f.root, "dists", codename, "InRelease")); err != nil {
		return "" // nothing yet
	}
	_, list, _ := strings.Cut(read("dists/"+codename+"/InRelease"), "SHA256:\n")
	for line := range strings.Lines(list) {
		words := strings.Fields(line)
		content := read("dists/" + codename + "/" + filepath.Dir(words[2]) + "/by-hash/SHA256/" + words[0])
		if sum := sha256.Sum256([]byte(content)); hex.EncodeToString(sum[:]) != words[0] {
			s.t.Errorf("client: %s is not what InRelease says", words[2])
		}
		if _, name, ok := strings.Cut(content, "Filename: "); ok {
			serial = read(strings.TrimSpace(name))
		}
	}
	return serial
}
