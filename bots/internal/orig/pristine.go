package orig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"foundry/bots/internal/sourcepackage"
	"foundry/pkg/bot"
	"foundry/pkg/debian"
	"foundry/pkg/gitrepo/git"
)

// maxListing is how many bytes the list of files of a tree may have.
const maxListing = 64 << 20

// fromPristineTar makes the tarballs that the branch pristine-tar has deltas of, bit by bit, and takes
// upstream's signatures of them from there.
func (s *Search) fromPristineTar(ctx context.Context) (*Tarballs, error) {
	if s.GBP.PristineTar == debian.Off {
		return nil, nil
	}
	tip, err := s.Mirror.Resolve(ctx, "pristine-tar")
	if errors.Is(err, git.ErrNoBranch) {
		s.looked = append(s.looked, "branch pristine-tar")
		return nil, nil
	}
	if err != nil {
		return nil, sourcepackage.GitFault(err)
	}
	p := &pristineTar{Search: s, tip: tip, repository: filepath.Join(s.Tools.Temp(), "pristine.git")}
	if err := borrow(p.repository, s.Mirror, tip); err != nil {
		return nil, err
	}
	defer os.RemoveAll(p.repository)
	files, err := p.list(ctx, tip)
	if err != nil {
		return nil, err
	}
	var deltas []string
	for _, f := range files {
		if name, ok := strings.CutSuffix(f, ".delta"); ok {
			deltas = append(deltas, name)
		}
	}
	tarballs, err := s.choose(deltas)
	if err != nil {
		return nil, err
	}
	if tarballs == nil {
		s.looked = append(s.looked, debian.OrigName(s.Source, s.Version, "", "*")+" in branch pristine-tar")
		return nil, nil
	}
	for _, name := range tarballs[1:] {
		p.components = append(p.components, Component(name))
	}
	for _, name := range tarballs {
		signed, err := s.signature(name, slices.Contains(files, name+".asc"))
		if err != nil {
			return nil, err
		}
		if err := p.checkout(ctx, name, signed); err != nil {
			return nil, err
		}
	}
	return &Tarballs{Names: tarballs}, nil
}

// pristineTar is one use of the branch. It works in a repository of its own that borrows the mirror's
// objects, in which the branch stays where it was when it was looked at.
type pristineTar struct {
	*Search
	tip        string
	repository string // its folder
	components []string
}

func (p *pristineTar) git(ctx context.Context, args ...string) (string, error) {
	return p.Tools.Output(ctx, maxListing, sourcepackage.Call{Dir: p.Tools.Temp(), Env: gitEnv(p.repository), Args: append([]string{"git"}, args...)})
}

func (p *pristineTar) list(ctx context.Context, tree string) ([]string, error) {
	out, err := p.git(ctx, "ls-tree", "-z", "--name-only", "--full-tree", tree)
	if err != nil {
		return nil, fmt.Errorf("list branch pristine-tar: %w", err)
	}
	return strings.Split(strings.TrimRight(out, "\x00"), "\x00"), nil
}

// checkout makes one tarball, after what the branch has of it is found harmless.
func (p *pristineTar) checkout(ctx context.Context, name string, signed bool) error {
	broken := func(reason string) error {
		return sourcepackage.PackageFault(fmt.Sprintf("branch pristine-tar: %s: %s", name, reason), "commit the tarball again with: pristine-tar commit "+name)
	}
	id, err := p.Mirror.ReadFile(ctx, p.tip, name+".id")
	if err != nil {
		return broken(fmt.Sprintf("%s.id cannot be read: %v", name, err))
	}
	tree := strings.TrimSuffix(string(id), "\n")
	if !git.IsHash(tree) {
		return broken(name + ".id is not the hash of a tree") // pristine-tar puts it into a shell command
	}
	err = p.bring(ctx, tree)
	if errors.Is(err, git.ErrNoCommit) {
		return broken(fmt.Sprintf("upstream tree %s is not in the repository", tree))
	}
	if err != nil {
		return sourcepackage.GitFault(err)
	}
	links, err := p.links(ctx, tree)
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
	if err := p.generate(ctx, name); err != nil {
		return err
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

// defused are the attributes of a repository that gbp setup-gitattributes has set up.
const defused = "* -export-ignore -export-subst -text -eol -crlf -ident -filter -working-tree-encoding\n"

// generate runs pristine-tar. It exports the upstream tree, and whether .gitattributes counted for that when
// the delta was made is not said anywhere: both are tried.
func (p *pristineTar) generate(ctx context.Context, name string) error {
	var first error
	for _, attributes := range []string{"", defused} {
		if err := writeNew(filepath.Join(p.repository, "info", "attributes"), attributes); err != nil {
			return fmt.Errorf("make repository: %w", err)
		}
		err := p.Tools.Run(ctx, sourcepackage.Call{
			Dir: p.Tools.Temp(), Env: gitEnv(p.repository),
			Args: []string{"pristine-tar", "checkout", filepath.Join(p.Search.Dir, name)},
		})
		if err == nil {
			return nil
		}
		if first == nil {
			first = sourcepackage.ToolFault(ctx, err, "commit the tarball again with: pristine-tar commit "+name)
		}
		if err := os.RemoveAll(filepath.Join(p.Search.Dir, name)); err != nil {
			return fmt.Errorf("remove %s: %w", name, err)
		}
		var failure *bot.Failure
		if !errors.As(first, &failure) {
			break
		}
	}
	return first
}
