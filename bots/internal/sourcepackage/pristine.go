package sourcepackage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"foundry/pkg/debian"
	"foundry/pkg/gitrepo/git"
)

// maxListing is how many bytes the list of files of a tree may have.
const maxListing = 64 << 20

// fromPristineTar makes the tarballs that the branch pristine-tar has deltas of, bit by bit, and takes
// upstream's signatures of them from there.
func (s *Search) fromPristineTar(ctx context.Context) (bool, error) {
	tip, err := s.Mirror.Resolve(ctx, "pristine-tar")
	if errors.Is(err, git.ErrNoBranch) {
		s.looked = append(s.looked, "branch pristine-tar")
		return false, nil
	}
	if err != nil {
		return false, GitFault(err)
	}
	p := &pristineTar{Search: s, tip: tip, repository: filepath.Join(s.Tools.temp, "pristine.git")}
	if err := p.borrow(); err != nil {
		return false, err
	}
	defer os.RemoveAll(p.repository)
	files, err := p.list(ctx, tip)
	if err != nil {
		return false, err
	}
	tarballs := p.tarballs(files)
	if len(tarballs) == 0 {
		s.looked = append(s.looked, debian.OrigName(s.Source, s.Version, "", "*")+" in branch pristine-tar")
		return false, nil
	}
	for _, name := range tarballs {
		if err := p.checkout(ctx, name, slices.Contains(files, name+".asc")); err != nil {
			return false, err
		}
	}
	return true, nil
}

// pristineTar is one use of the branch. It works in a repository of its own that borrows the mirror's
// objects, in which the branch stays where it was when it was looked at.
type pristineTar struct {
	*Search
	tip        string
	repository string // its folder
}

func (p *pristineTar) borrow() error {
	config := "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
	if len(p.tip) == 64 {
		config = "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = sha256\n"
	}
	for name, text := range map[string]string{
		"HEAD": "ref: refs/heads/none\n", "config": config, "refs/heads/pristine-tar": p.tip + "\n",
		"objects/info/alternates": filepath.Join(p.Mirror.Dir(), "objects") + "\n",
	} {
		path := filepath.Join(p.repository, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fmt.Errorf("make repository: %w", err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return fmt.Errorf("make repository: %w", err)
		}
	}
	return nil
}

func (p *pristineTar) git(ctx context.Context, args ...string) (string, error) {
	return p.Tools.output(ctx, maxListing, call{dir: p.Tools.temp, env: []string{"GIT_DIR=" + p.repository}, args: append([]string{"git"}, args...)})
}

func (p *pristineTar) list(ctx context.Context, tree string) ([]string, error) {
	out, err := p.git(ctx, "ls-tree", "-z", "--name-only", "--full-tree", tree)
	if err != nil {
		return nil, fmt.Errorf("list branch pristine-tar: %w", err)
	}
	return strings.Split(strings.TrimRight(out, "\x00"), "\x00"), nil
}

// tarballs chooses which to make: the main one and one of each component.
func (p *pristineTar) tarballs(files []string) []string {
	name := regexp.MustCompile("^" + regexp.QuoteMeta(p.Source+"_"+p.Version.Upstream) + `\.orig(?:-([A-Za-z0-9][-A-Za-z0-9]*))?\.tar\.(xz|gz|bz2|lzma)\.delta$`)
	found := map[string][]string{}
	for _, f := range files {
		if m := name.FindStringSubmatch(f); m != nil {
			found[m[1]] = append(found[m[1]], m[2])
		}
	}
	if found[""] == nil {
		return nil
	}
	var names []string
	for component, compressions := range found {
		names = append(names, debian.OrigName(p.Source, p.Version, component, p.preferred(compressions)))
	}
	slices.Sort(names)
	return names
}

// checkout makes one tarball, after what the branch has of it is found harmless.
func (p *pristineTar) checkout(ctx context.Context, name string, signed bool) error {
	broken := func(reason string) error {
		return PackageFault(fmt.Sprintf("branch pristine-tar: %s: %s", name, reason), "commit the tarball again with: pristine-tar commit "+name)
	}
	id, err := p.Mirror.ReadFile(ctx, p.tip, name+".id")
	if err != nil {
		return broken(fmt.Sprintf("%s.id cannot be read: %v", name, err))
	}
	tree := strings.TrimSuffix(string(id), "\n")
	if !git.IsHash(tree) {
		return broken(name + ".id is not the hash of a tree") // pristine-tar puts it into a shell command
	}
	links, err := p.links(ctx, tree)
	var failed *toolError
	if errors.As(err, &failed) {
		return broken(fmt.Sprintf("upstream tree %s is not in the repository", tree))
	}
	if err != nil {
		return err
	}
	delta, err := p.Mirror.ReadFile(ctx, p.tip, name+".delta")
	if err != nil {
		return broken(fmt.Sprintf("%s.delta cannot be read: %v", name, err))
	}
	if err := checkDelta(delta, links); err != nil {
		return broken(fmt.Sprintf("%s.delta: %v", name, err))
	}
	err = p.Tools.run(ctx, call{
		dir: p.Tools.temp, env: []string{"GIT_DIR=" + p.repository},
		args: []string{"pristine-tar", "checkout", filepath.Join(p.Search.Dir, name)},
	})
	if err != nil {
		return toolFault(ctx, err, "commit the tarball again with: pristine-tar commit "+name)
	}
	if !signed {
		return nil
	}
	signature, err := p.Mirror.ReadFile(ctx, p.tip, name+".asc")
	if err != nil {
		return broken(fmt.Sprintf("%s.asc cannot be read: %v", name, err))
	}
	if err := os.WriteFile(filepath.Join(p.Search.Dir, name+".asc"), signature, 0o644); err != nil {
		return fmt.Errorf("write signature: %w", err)
	}
	return nil
}

// links lists the symbolic links of a tree.
func (p *pristineTar) links(ctx context.Context, tree string) (map[string]bool, error) {
	out, err := p.git(ctx, "ls-tree", "-r", "-z", "--full-tree", tree)
	if err != nil {
		return nil, err
	}
	links := map[string]bool{}
	for entry := range strings.SplitSeq(out, "\x00") {
		if attributes, name, ok := strings.Cut(entry, "\t"); ok && strings.HasPrefix(attributes, "120000 ") {
			links[name] = true
		}
	}
	return links, nil
}
