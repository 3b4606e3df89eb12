package orig

import (
	"fmt"
	"os"
	"path/filepath"

	"foundry/pkg/gitrepo"
)

// borrow makes a repository in the folder dir that has the objects of a mirror, and the branch
// pristine-tar at the given commit.
func borrow(dir string, m *gitrepo.Mirror, commit string) error {
	config := "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
	if len(commit) == 64 {
		config = "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = sha256\n"
	}
	for name, text := range map[string]string{
		"HEAD": "ref: refs/heads/none\n", "config": config, "refs/heads/pristine-tar": commit + "\n",
		"objects/info/alternates": filepath.Join(m.Dir(), "objects") + "\n",
	} {
		if err := writeNew(filepath.Join(dir, name), text); err != nil {
			return fmt.Errorf("make repository: %w", err)
		}
	}
	return nil
}

func writeNew(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

// gitEnv is the environment of a run of git, or of a program that runs it, on a repository.
func gitEnv(dir string) []string {
	return []string{"GIT_DIR=" + dir, "GIT_ATTR_NOSYSTEM=1", "GIT_NO_REPLACE_OBJECTS=1", "GIT_OPTIONAL_LOCKS=0"}
}
