package metadata

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"foundry/pkg/publish/index"
)

// A draft is a Set in the making.
type draft struct {
	old      *Set
	stanzas  map[string]map[string][]byte // by path of the index and key; nil texts are removed
	contents map[string][]use             // by path of the index
	// translations are how many more packages need a stanza, by path of the index and key.
	translations map[string]map[string]need
}

// A need is a text and how many more packages need it.
type need struct {
	text []byte
	more int
}

func newDraft(old *Set) *draft {
	return &draft{
		old: old, stanzas: map[string]map[string][]byte{}, contents: map[string][]use{},
		translations: map[string]map[string]need{},
	}
}

// change adds a package once more, or drops it once.
func (d *draft) change(p Package, by int) error {
	if p.Architecture == "source" {
		return d.stanza(sourcesPath(p.Component), p, by)
	}
	listed := false
	for _, arch := range d.old.suite.Architectures {
		if p.Architecture != arch && p.Architecture != "all" {
			continue
		}
		listed = true
		if err := d.stanza(packagesPath(p.Component, arch, p.Udeb), p, by); err != nil {
			return err
		}
		name := contentsPath(p.Component, arch, p.Udeb)
		uses, err := appendUses(d.contents[name], p, by)
		if err != nil {
			return err
		}
		d.contents[name] = uses
	}
	if listed && len(p.Translation) > 0 {
		return d.translation(p, by)
	}
	return nil
}

func (d *draft) stanza(name string, p Package, by int) error {
	if p.Key == "" || len(p.Stanza) == 0 {
		return errors.New("no key or no stanza")
	}
	changed := d.stanzas[name]
	if changed == nil {
		changed = map[string][]byte{}
		d.stanzas[name] = changed
	}
	text, known := changed[p.Key]
	if f := d.old.files[name]; !known && f != nil {
		text, _ = f.Get(p.Key)
	}
	switch there := text != nil; {
	case by > 0 && there:
		return fmt.Errorf("%s has it", name)
	case by < 0 && !there:
		return fmt.Errorf("%s does not have it", name)
	case by > 0:
		changed[p.Key] = p.Stanza
	default:
		changed[p.Key] = nil
	}
	return nil
}

// translation puts down that one package more, or less, needs its stanza. Packages of several architectures
// and versions have the same.
func (d *draft) translation(p Package, by int) error {
	_, rest, found := bytes.Cut(p.Translation, []byte("\nDescription-md5: "))
	sum, _, _ := bytes.Cut(rest, []byte("\n"))
	if !found {
		return errors.New("no Description-md5 in its translation")
	}
	name, key := translationPath(p.Component), p.Name+"\x00"+string(sum)
	if d.translations[name] == nil {
		d.translations[name] = map[string]need{}
	}
	n := d.translations[name][key]
	d.translations[name][key] = need{p.Translation, n.more + by}
	return nil
}

// finish returns the new Set.
func (d *draft) finish() (*Set, error) {
	x := d.old.clone()
	for name, texts := range d.stanzas {
		changes := make([]index.Change, 0, len(texts))
		for key, text := range texts {
			changes = append(changes, index.Change{Key: key, Text: text})
		}
		x.apply(x.files, name, stanzas, changes)
	}
	for name, needs := range d.translations {
		var texts, counts []index.Change
		for key, need := range needs {
			n := x.count(name, key, key)
			if n+need.more < 0 {
				return nil, fmt.Errorf("change %s: fewer than no packages need %q", name, key)
			}
			switch {
			case n == 0 && need.more > 0:
				texts = append(texts, index.Change{Key: key, Text: need.text})
			case n > 0 && n+need.more == 0:
				texts = append(texts, index.Change{Key: key})
			}
			counts = append(counts, counted(key, n+need.more))
		}
		x.apply(x.files, name, stanzas, texts)
		x.apply(x.more, name, stanzas, counts)
	}
	for name, uses := range d.contents {
		if err := x.use(name, uses); err != nil {
			return nil, fmt.Errorf("change %s: %w", name, err)
		}
	}
	return x, nil
}

// apply changes one of the files, which may be absent.
func (x *Set) apply(files map[string]*index.File, name string, perSegment int, changes []index.Change) {
	f := files[name]
	if f == nil {
		f = index.New(perSegment)
	}
	files[name] = f.With(changes)
}

// count returns how many packages need what key stands for, which is in the record of an index.
func (x *Set) count(name, record, key string) int {
	if f := x.files[name]; f == nil {
		return 0
	} else if _, ok := f.Get(record); !ok {
		return 0
	}
	return x.counted(name, key)
}

// counted returns how many packages need what key stands for, which at least one does.
func (x *Set) counted(name, key string) int {
	if f := x.more[name]; f != nil {
		if text, ok := f.Get(key); ok {
			if n, err := strconv.Atoi(string(text)); err == nil {
				return n
			}
		}
	}
	return 1
}

// counted is the change that puts down that n packages need what key stands for.
func counted(key string, n int) index.Change {
	if n < 2 {
		return index.Change{Key: key}
	}
	return index.Change{Key: key, Text: strconv.AppendInt(nil, int64(n), 10)}
}
