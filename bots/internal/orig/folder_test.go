package orig

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foundry/pkg/bot"
)

// TestTarballOfSomebodyElse: a folder such as /tmp, beside a repository, is open to others.
func TestTarballOfSomebodyElse(t *testing.T) {
	const ours, theirs = 4_000_001, 4_000_002 // neither is root or who runs this
	for name, test := range map[string]struct {
		file, holder uint32
		err          error
		told         bool // the folder is named by --tarballs
		taken        bool
	}{
		"the repository's owner": {ours, ours, nil, false, true},
		"root":                   {0, ours, nil, false, true},
		"this user":              {uint32(os.Geteuid()), ours, nil, false, true},
		"somebody else":          {theirs, ours, nil, false, false},
		"nobody knows":           {ours, ours, errors.New("no such file"), false, false},
		"else, but told":         {theirs, ours, nil, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, file := range []string{"hello_1.0.orig.tar.gz", "hello_1.0.orig.tar.gz.asc"} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte("x"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			folder, ok := FolderBeside(filepath.Join(dir, "hello"))
			if !ok {
				t.Fatal("there is no folder beside the repository")
			}
			if test.told {
				folder.Of = ""
			}
			s := searchIn(t)
			s.Folders = []Folder{folder}
			s.owners = func(_ *os.File, repository string) (uint32, uint32, error) {
				if repository != filepath.Join(dir, "hello") {
					t.Errorf("asked for the owner of %s", repository)
				}
				return test.file, test.holder, test.err
			}
			found, err := s.fromFolders(t.Context())
			if test.taken {
				if _, statErr := os.Stat(filepath.Join(s.Dir, "hello_1.0.orig.tar.gz.asc")); err != nil || statErr != nil || len(found.Names) != 1 {
					t.Errorf("not taken: %v, %v", err, statErr)
				}
				return
			}
			var failure *bot.Failure
			if !errors.As(err, &failure) || !strings.Contains(failure.Reason, "belongs to somebody else") || !strings.Contains(failure.Hint, "--tarballs "+dir) {
				t.Errorf("%v", err)
			}
			if left, err := os.ReadDir(s.Dir); err != nil || len(left) != 0 {
				t.Errorf("taken all the same: %v, %v", left, err)
			}
		})
	}
}

// TestOwners looks up a file of another owner than the repository's: root gives one away, others know one of
// root.
func TestOwners(t *testing.T) {
	repository, path, want := t.TempDir(), "/etc/passwd", 0
	if os.Geteuid() == 0 {
		path, want = filepath.Join(t.TempDir(), "given"), 1234
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, want, -1); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	file, holder, err := owners(f, repository)
	if int(file) != want || int(holder) != os.Geteuid() || err != nil {
		t.Errorf("%d, %d, %v; want %d, %d", file, holder, err, want, os.Geteuid())
	}
	if _, _, err := owners(f, filepath.Join(repository, "absent")); err == nil {
		t.Error("an absent repository has an owner")
	}
}
