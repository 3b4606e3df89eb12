package mirror

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"foundry/pkg/gitrepo/git"
	"foundry/pkg/gitrepo/remote"
)

// shallowest brings one commit without those behind it.
const shallowest = "--depth=1"

// wholeMark is the file in a mirror whose remote repository can only be fetched whole.
const wholeMark = "foundry-whole"

// whole tells whether the remote repository can only be fetched whole.
func (m *Mirror) whole() bool {
	_, err := os.Stat(filepath.Join(m.path, wholeMark))
	return err == nil
}

// fetch fetches refspecs, with options that say how much history comes along. From servers that cannot
// tell how much, all of it comes.
func (m *Mirror) fetch(ctx context.Context, lock *os.File, refspecs []string, options ...string) error {
	if m.whole() {
		options = nil
	}
	err := m.fetchRefs(ctx, lock, refspecs, options...)
	if len(options) == 0 || !complains(err, "does not support shallow") {
		return err
	}
	if err := os.WriteFile(filepath.Join(m.path, wholeMark), nil, 0o600); err != nil {
		return fmt.Errorf("mark mirror %s: %w", m.path, err)
	}
	return m.fetchRefs(ctx, lock, refspecs)
}

// complains tells whether err is a run of git that wrote text.
func complains(err error, text string) bool {
	var failed *git.Error
	return errors.As(err, &failed) && strings.Contains(failed.Stderr, text)
}

// fetchRefs is one run of git fetch. The repository on the other side may itself be shallow.
func (m *Mirror) fetchRefs(ctx context.Context, lock *os.File, refspecs []string, options ...string) error {
	args := []string{
		"fetch", "--quiet", "--stdin", "--no-tags", "--force", "--no-write-fetch-head", "--update-shallow",
		"--no-auto-maintenance", "--no-recurse-submodules",
	}
	_, err := git.Run{
		Dir: m.path, Remote: m.url, Lock: lock,
		Stdin: strings.NewReader(strings.Join(refspecs, "\n") + "\n"),
		Args:  append(append(args, options...), "origin"),
	}.Do(ctx)
	return err
}

// A tip is where a branch or tag of the mirror points at.
type tip struct {
	commit string // peeled
	time   int64  // of its committer, in seconds; 0 when it is no commit
}

// tips returns the branches and tags of the mirror by the full names of their references.
func (m *Mirror) tips(ctx context.Context) (map[string]tip, error) {
	out, err := m.Git(ctx, "for-each-ref", "--format=%(refname) %(objectname) %(*objectname) %(committerdate:unix) ", "refs/heads", "refs/tags")
	if err != nil {
		return nil, err
	}
	tips := make(map[string]tip)
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(line, " ")
		if len(fields) < 4 {
			return nil, fmt.Errorf("list references: unexpected line %q", git.Plain(line, 80))
		}
		t := tip{commit: fields[1]}
		if fields[2] != "" {
			t.commit = fields[2]
		}
		t.time, _ = strconv.ParseInt(fields[3], 10, 64)
		tips[fields[0]] = t
	}
	return tips, nil
}

// bringBranch fetches one branch or tag as it is now.
func (m *Mirror) bringBranch(ctx context.Context, lock *os.File, name string) error {
	here, err := m.tips(ctx)
	if err != nil {
		return err
	}
	if err := m.makeRoom(ctx, here, name); err != nil {
		return err
	}
	return m.bringSince(ctx, lock, name, here[git.Ref(name)])
}

// bringSince fetches a branch that was at the given tip when last seen, and so what was added since. How far back
// that is, only its time tells: were the server asked for all that the mirror lacks, a rewritten branch would bring
// its history from the beginning.
func (m *Mirror) bringSince(ctx context.Context, lock *os.File, name string, last tip) error {
	refspec := []string{headRefspec(name)}
	if last.time > 0 && !strings.HasPrefix(name, "tags/") {
		if !m.whole() && !m.isShallow() {
			return m.fetch(ctx, lock, refspec)
		}
		err := m.fetch(ctx, lock, refspec, fmt.Sprintf("--shallow-since=%d", last.time))
		if err == nil || explained(err) || ctx.Err() != nil {
			return err
		}
		// The branch has nothing of that time any more, or the server does not know how.
	}
	return m.fetch(ctx, lock, refspec, shallowest)
}

// bring makes the named branches and tags what they are in the remote repository: at the given heads, or not
// there.
func (m *Mirror) bring(ctx context.Context, lock *os.File, names []string, heads []remote.Head) error {
	here, err := m.tips(ctx)
	if err != nil {
		return err
	}
	there := make(map[string]bool)
	var fresh []string
	var moved []remote.Head
	for _, h := range heads {
		there[h.Name] = true
		last := here[git.Ref(h.Name)]
		switch {
		case last.commit == h.Commit:
		case last.commit == "" || strings.HasPrefix(h.Name, "tags/"):
			fresh = append(fresh, headRefspec(h.Name))
		default:
			moved = append(moved, h)
		}
		if err := m.makeRoom(ctx, here, h.Name); err != nil {
			return err
		}
	}
	for _, name := range names {
		if !there[name] && here[git.Ref(name)].commit != "" {
			if _, err := m.Git(ctx, "update-ref", "-d", git.Ref(name)); err != nil {
				return err
			}
		}
	}
	for _, h := range moved {
		if err := m.bringSince(ctx, lock, h.Name, here[git.Ref(h.Name)]); err != nil {
			return err
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	return m.fetch(ctx, lock, fresh, shallowest)
}

// makeRoom forgets the branches and tags whose names cannot stand beside name: "a" and "a/b" are never there
// both, so one of them is gone from the remote repository.
func (m *Mirror) makeRoom(ctx context.Context, here map[string]tip, name string) error {
	ref := git.Ref(name)
	for other := range here {
		if strings.HasPrefix(other, ref+"/") || strings.HasPrefix(ref, other+"/") {
			if _, err := m.Git(ctx, "update-ref", "-d", other); err != nil {
				return err
			}
		}
	}
	return nil
}

func headRefspec(name string) string {
	return "+" + git.Ref(name) + ":" + git.Ref(name)
}
