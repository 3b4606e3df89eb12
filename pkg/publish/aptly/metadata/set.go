package metadata

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"foundry/pkg/publish"
	"foundry/pkg/publish/index"
)

// Mean numbers of records of a segment.
const (
	stanzas = 200
	lines   = 2000
)

// A Set is all indexes of a suite. It never changes, and may be used by several goroutines at once.
type Set struct {
	suite publish.Suite
	files map[string]*index.File // by path below the folder of Release
	// more counts what several packages need: by path of the index, and then by key of the record, or for
	// Contents by path and package; decimal, and from 2 on.
	more map[string]*index.File
}

// An Index is an index file in one form.
type Index struct {
	Path string // below the folder of Release
	index.Output
}

// New returns the indexes of a suite without packages.
func New(s publish.Suite) *Set {
	x := &Set{suite: s, files: map[string]*index.File{}, more: map[string]*index.File{}}
	for _, component := range Components(s) {
		x.files[sourcesPath(component)] = index.New(stanzas)
		x.files[translationPath(component)] = index.New(stanzas)
		for _, arch := range s.Architectures {
			x.files[packagesPath(component, arch, false)] = index.New(stanzas)
			x.files[contentsPath(component, arch, false)] = index.New(lines)
		}
	}
	return x
}

func sourcesPath(component string) string { return path.Join(component, "source", "Sources") }

func translationPath(component string) string { return path.Join(component, "i18n", "Translation-en") }

func packagesPath(component, arch string, udeb bool) string {
	if udeb {
		component = path.Join(component, "debian-installer")
	}
	return path.Join(component, "binary-"+arch, "Packages")
}

func contentsPath(component, arch string, udeb bool) string {
	if udeb {
		arch = "udeb-" + arch
	}
	return path.Join(component, "Contents-"+arch)
}

// With returns the indexes with packages added and dropped, which are those of the given Set but for
// that. It is an error to drop what is not there, or to add what is there and not dropped.
func (x *Set) With(add, drop []Package) (*Set, error) {
	d := newDraft(x)
	for _, p := range drop {
		if err := d.change(p, -1); err != nil {
			return nil, fmt.Errorf("drop %s from indexes: %w", p, err)
		}
	}
	for _, p := range add {
		if err := d.change(p, 1); err != nil {
			return nil, fmt.Errorf("add %s to indexes: %w", p, err)
		}
	}
	return d.finish()
}

func (x *Set) clone() *Set { return &Set{x.suite, maps.Clone(x.files), maps.Clone(x.more)} }

// stable tells whether the index is there also without packages. Others come and go: those of udebs, and
// those of components that the suite has no more.
func (x *Set) stable(name string) bool {
	component, rest, _ := strings.Cut(name, "/")
	return slices.Contains(Components(x.suite), component) &&
		!strings.HasPrefix(rest, "debian-installer/") && !strings.HasPrefix(rest, "Contents-udeb-")
}

// Build makes the index files in all forms, in order of their paths. What has not changed since it was
// built costs nothing.
func (x *Set) Build(ctx context.Context) ([]Index, error) {
	forms := []index.Form{index.Plain, index.Gzip, index.Xz}
	if x.suite.Zstd {
		forms = append(forms, index.Zstd)
	}
	var names []string
	var files []*index.File
	for _, name := range slices.Sorted(maps.Keys(x.files)) {
		if f := x.files[name]; f.Len() > 0 || x.stable(name) {
			names, files = append(names, name), append(files, f)
		}
	}
	outputs, err := index.Build(ctx, forms, files...)
	if err != nil {
		return nil, fmt.Errorf("build indexes: %w", err)
	}
	list := make([]Index, 0, len(names)*len(forms))
	for i, name := range names {
		for _, o := range outputs[i] {
			list = append(list, Index{name + string(o.Form), o})
		}
	}
	return list, nil
}

// Adopt takes over what can be of an index file that an earlier process has built, so that Build need not
// compress it again. The caller knows that data is what was built: it has the size and the hash that Release
// lists. Of files in other forms than xz nothing is taken.
func (x *Set) Adopt(name string, data []byte) error {
	f := x.files[strings.TrimSuffix(name, string(index.Xz))]
	if f == nil || !strings.HasSuffix(name, string(index.Xz)) {
		return nil
	}
	return f.Adopt(data)
}
