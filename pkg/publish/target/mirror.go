package target

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// checkEvery is how often a target is asked what it has.
const checkEvery = 24 * time.Hour

// batch is how many files are sent at a time, so that what a push has done counts when it is stopped.
const batch = 500

// maxReads is how often the folder is read anew because something newer was published meanwhile.
const maxReads = 10

// mirror keeps one target like a folder.
type mirror struct {
	root    string // folder of the repository
	list    *list  // of what the target has
	target  Target
	have    map[string]string // marks by name, of what was pushed and is there; "" where it may be anything
	checked time.Time         // when the target was asked
}

// push makes the target like the folder. Killed or failed anywhere, the next push mends what this one left.
//
// It begins anew as long as files go away since something newer is published. That ends: whoever publishes waits
// for this push or the next.
func (m *mirror) push(ctx context.Context) error {
	for {
		t, err := m.read(ctx)
		if err != nil {
			return err
		}
		if err = m.pushTree(ctx, t); err == nil || ctx.Err() != nil || !t.moved() {
			return err
		}
	}
}

// read reads the folder, which others change meanwhile.
func (m *mirror) read(ctx context.Context) (t *tree, err error) {
	for range maxReads {
		if t, err = readTree(m.root); !errors.Is(err, fs.ErrNotExist) || ctx.Err() != nil {
			break
		}
	}
	return t, err
}

func (m *mirror) pushTree(ctx context.Context, t *tree) error {
	if err := m.check(ctx, t); err != nil {
		return err
	}
	err := m.bring(ctx, t)
	if err == nil {
		err = m.clear(ctx, t)
	}
	if noted := m.list.flush(); noted != nil {
		m.have = nil // it is read again, up to where it is whole
		err = errors.Join(err, noted)
	}
	return err
}

// bring sends what the target has not, in order.
func (m *mirror) bring(ctx context.Context, t *tree) error {
	todo := make([][]File, steps)
	for name, mark := range t.marks {
		if m.have[name] != mark {
			s := step(name)
			todo[s] = append(todo[s], File{Name: name, Path: filepath.Join(t.root, t.from[name])})
		}
	}
	for _, files := range todo {
		slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
		for some := range slices.Chunk(files, batch) {
			for _, f := range some {
				m.set(f.Name, "") // until it is known to be there
			}
			if err := m.list.flush(); err != nil {
				return err
			}
			if err := m.target.Put(ctx, some); err != nil {
				return err
			}
			for _, f := range some {
				m.set(f.Name, t.marks[f.Name])
			}
		}
	}
	return nil
}

// clear removes what the folder has no longer.
func (m *mirror) clear(ctx context.Context, t *tree) error {
	var gone []string
	for name := range m.have {
		if _, kept := t.marks[name]; !kept {
			gone = append(gone, name)
		}
	}
	slices.Sort(gone)
	for some := range slices.Chunk(gone, batch) {
		if err := m.target.Remove(ctx, some); err != nil {
			return err
		}
		for _, name := range some {
			delete(m.have, name)
			m.list.drop(name)
		}
	}
	return nil
}

func (m *mirror) set(name, mark string) {
	m.have[name] = mark
	m.list.set(name, mark)
}

// check reads what the target has: from the list, less what the target says is not there.
func (m *mirror) check(ctx context.Context, t *tree) error {
	if m.have != nil && time.Since(m.checked) < checkEvery {
		return nil
	}
	have := m.have
	if have == nil {
		var err error
		if have, err = m.list.read(); err != nil {
			return err
		}
	}
	there, err := m.target.List(ctx)
	if err != nil {
		return err
	}
	for name, mark := range have {
		size, ok := there[name]
		info, err := os.Stat(filepath.Join(t.root, t.from[name]))
		if !ok || err == nil && info.Mode().IsRegular() && mark == t.marks[name] && info.Size() != size {
			have[name] = ""
		}
	}
	if err := m.list.write(have); err != nil {
		return err
	}
	m.have, m.checked = have, time.Now()
	return nil
}
