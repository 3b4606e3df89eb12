package sourcepackage

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"foundry/pkg/gitrepo"
)

// rawAttributes switch off what the attributes of a tree do to an export: a file of the packaging is in the
// source package as it is in the commit, whatever upstream's .gitattributes say about it.
const rawAttributes = "* -export-ignore -export-subst -text -eol -crlf -ident -filter -working-tree-encoding\n"

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

// Export writes the tree of a commit into an empty folder as it is: no attribute of the tree counts, so
// that nothing is left out, filled in or converted. scratch is a folder for what that needs.
func Export(ctx context.Context, m *gitrepo.Mirror, commit, dir, scratch string) error {
	raw, err := gitrepo.OpenMirror(scratch, m.URL())
	if err != nil {
		return GitFault(err)
	}
	defer os.RemoveAll(raw.Dir())
	if err := borrow(raw.Dir(), m, commit); err != nil {
		return err
	}
	if err := writeNew(filepath.Join(raw.Dir(), "info", "attributes"), rawAttributes); err != nil {
		return fmt.Errorf("make repository: %w", err)
	}
	if err := raw.Checkout(ctx, commit, dir); err != nil {
		return GitFault(err)
	}
	return nil
}
