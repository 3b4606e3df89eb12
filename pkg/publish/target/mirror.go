package target

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// checkEvery is how often a target is asked what it has.
const checkEvery = 24 * time.Hour

// maxReads is how often the folder is read anew because something newer was published meanwhile.
const maxReads = 10

// mirror keeps one target like a folder.
type mirror struct {
	root    string // folder of the repository
	list    string // file that says what the target has
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
	if err := m.check(ctx); err != nil {
		return err
	}
	for s := range steps {
		var files []File
		for name, mark := range t.marks {
			if step(name) == s && m.have[name] != mark {
				files = append(files, File{Name: name, Path: filepath.Join(t.root, t.from[name])})
			}
		}
		if len(files) == 0 {
			continue
		}
		slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
		for _, f := range files {
			m.have[f.Name] = "" // until it is known to be there
		}
		if err := m.save(); err != nil {
			return err
		}
		if err := m.target.Put(ctx, files); err != nil {
			return err
		}
		for _, f := range files {
			m.have[f.Name] = t.marks[f.Name]
		}
	}
	var gone []string
	for name := range m.have {
		if _, kept := t.marks[name]; !kept {
			gone = append(gone, name)
		}
	}
	slices.Sort(gone)
	if len(gone) > 0 {
		if err := m.target.Remove(ctx, gone); err != nil {
			return err
		}
		for _, name := range gone {
			delete(m.have, name)
		}
	}
	return m.save()
}

// check reads what the target has: from the list, less what the target says is not there.
func (m *mirror) check(ctx context.Context) error {
	if m.have != nil && time.Since(m.checked) < checkEvery {
		return nil
	}
	have := m.have
	if have == nil {
		have = map[string]string{}
		text, err := os.ReadFile(m.list)
		if err == nil {
			err = json.Unmarshal(text, &have)
		}
		if have == nil || err != nil && !errors.Is(err, fs.ErrNotExist) {
			have = map[string]string{} // then everything is pushed once more
		}
	}
	there, err := m.target.List(ctx)
	if err != nil {
		return err
	}
	for name := range have {
		size, ok := there[name]
		if info, err := os.Stat(filepath.Join(m.root, name)); !ok || err == nil && have[name] == immutable && info.Size() != size {
			have[name] = ""
		}
	}
	m.have, m.checked = have, time.Now()
	return nil
}

// save writes down what the target has. What is pushed stands there before it is, so that it can be removed again.
func (m *mirror) save() error {
	text, err := json.Marshal(m.have)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(m.list), 0o755)
	}
	if err == nil {
		err = os.WriteFile(m.list+".new", text, 0o644)
	}
	if err == nil {
		err = os.Rename(m.list+".new", m.list)
	}
	if err != nil {
		return fmt.Errorf("write down what a target has: %w", err)
	}
	return nil
}
