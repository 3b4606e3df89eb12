// Package importer takes an apt repository of any make over into one of ours: each version of a source package
// with the binary packages that were built from it, the lower versions first, so that none is taken for a
// step back.
//
// An import that was interrupted goes on where it was when it is called again: what is there already is
// passed over.
package importer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"foundry/pkg/aptrepo"
	"foundry/pkg/debian"
	"foundry/pkg/publish"
)

// defaultJobs is so many that they are published together.
const defaultJobs = 64

// Options say what is imported where.
type Options struct {
	Archive publish.Archive
	Suites  map[string]publish.Suite // of the archive, by codename
	// From are the suites of the origin that are imported; none are all.
	From []string
	// Codename gives suites of the origin, by name, the codename of the archive that they go to. The others go
	// to that of the same name, or that they say to be.
	Codename map[string]string
	Scratch  string // folder for files on their way, on the file system of the archive where possible
	Jobs     int    // how many versions are under way; 0 is 64
	Progress func(aptrepo.Progress)
}

// Outcome is what has become of one version of a source package.
type Outcome string

// Outcomes.
const (
	Imported Outcome = "imported"
	There    Outcome = "there"   // it was there already
	Refused  Outcome = "refused" // by the archive, or since the origin is damaged
	Left     Outcome = "left"    // out: for an architecture that the codename does not have
)

// A Row tells of one version of a source package, with the binary packages built from it.
type Row struct {
	Codename  string  `json:"codename"`
	Source    string  `json:"source"`
	Version   string  `json:"version"`
	Component string  `json:"component"` // of the origin
	Packages  int     `json:"packages"`  // binary packages and the source package
	Outcome   Outcome `json:"outcome"`
	Reason    string  `json:"reason,omitempty"`
	Hint      string  `json:"hint,omitempty"`
}

// Result is what an import has come to.
type Result struct {
	Rows []Row `json:"rows"` // by codename, source and version
}

// Count returns how many rows have an outcome.
func (r *Result) Count(o Outcome) (n int) {
	for _, row := range r.Rows {
		if row.Outcome == o {
			n++
		}
	}
	return n
}

// run is an import under way.
type run struct {
	Options
	origin *aptrepo.Repository

	mu       sync.Mutex
	progress aptrepo.Progress
	result   *Result
}

// Import takes suites of origin over. What is refused stands in the result; an error says that the import has
// ended before all were tried, and the result then tells how far it came.
func Import(ctx context.Context, origin *aptrepo.Repository, o Options) (*Result, error) {
	r := &run{Options: o, origin: origin, result: &Result{Rows: []Row{}}}
	r.Jobs = cmp.Or(r.Jobs, defaultJobs)
	pairs, err := r.pairs()
	if err != nil {
		return r.result, err
	}
	for _, p := range pairs {
		if err := r.suite(ctx, p.suite, p.codename); err != nil {
			r.result.sort()
			return r.result, fmt.Errorf("import %s into %s: %w", p.suite.Name, p.codename, err)
		}
	}
	r.result.sort()
	return r.result, nil
}

func (r *Result) sort() {
	slices.SortStableFunc(r.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Codename, b.Codename), cmp.Compare(a.Source, b.Source), compareVersions(a.Version, b.Version))
	})
}

func compareVersions(a, b string) int {
	v, errV := debian.ParseVersion(a)
	w, errW := debian.ParseVersion(b)
	if errV != nil || errW != nil {
		return cmp.Compare(a, b)
	}
	return v.Compare(w)
}

// suite imports one suite.
func (r *run) suite(ctx context.Context, s *aptrepo.Suite, codename string) error {
	there, err := r.there(ctx, codename)
	if err != nil {
		return err
	}
	all, err := r.plan(ctx, s, codename)
	if err != nil {
		return err
	}
	r.progress.Total += len(all)
	var open []*group
	for _, g := range all {
		if g.in(there) {
			r.done(g, There, "", "")
		} else {
			open = append(open, g)
		}
	}
	for _, round := range rounds(open) {
		jobs, roundCtx := errgroup.WithContext(ctx)
		jobs.SetLimit(r.Jobs)
		for _, g := range round {
			if roundCtx.Err() != nil {
				break
			}
			jobs.Go(func() error { return r.include(roundCtx, g) })
		}
		if err := jobs.Wait(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// there returns what the codename has, by name, version, architecture and hash.
func (r *run) there(ctx context.Context, codename string) (map[string]bool, error) {
	list, err := r.Archive.Packages(ctx, codename, 0)
	if err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for _, p := range list {
		there[identity(p.Package, p.Version, p.Architecture, string(p.SHA256))] = true
	}
	return there, nil
}

func identity(name, version, arch, sum string) string {
	if v, err := debian.ParseVersion(version); err == nil {
		version = v.String()
	}
	return name + " " + version + " " + arch + " " + sum
}

// include fetches the files of a group, which checks them, and puts them in.
func (r *run) include(ctx context.Context, g *group) error {
	dir, err := os.MkdirTemp(r.Scratch, ".import-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	upload, err := r.fetch(ctx, g, dir)
	if err == nil {
		_, err = r.Archive.Include(ctx, upload)
	}
	var refused *publish.RefusedError
	var mismatch *aptrepo.MismatchError
	switch {
	case err == nil:
		r.done(g, Imported, "", "")
	case errors.As(err, &refused):
		r.done(g, Refused, refused.Error(), refused.Hint)
	case errors.As(err, &mismatch), errors.Is(err, aptrepo.ErrAbsent):
		r.done(g, Refused, err.Error(), "the origin is damaged: mend it there and import again")
	default:
		return fmt.Errorf("import %s %s: %w", g.source, g.version, err)
	}
	return nil
}

// fetch fetches the files of a group into dir, under the names that their fields give them.
func (r *run) fetch(ctx context.Context, g *group, dir string) (publish.Upload, error) {
	upload := publish.Upload{Package: g.about(), Component: g.component, Owned: true}
	for _, p := range g.packages {
		for i, f := range p.Files {
			name := filepath.Base(filepath.FromSlash(f.Path))
			if i == 0 {
				name = p.FileName()
			}
			target := filepath.Join(dir, name)
			if err := r.origin.Fetch(ctx, f, target); err != nil {
				return upload, err
			}
			switch {
			case p.Architecture != aptrepo.Source:
				upload.Files = append(upload.Files, target)
				upload.Architecture = p.Architecture
			case i == 0:
				upload.Dsc = target
			default:
				upload.SourceFiles = append(upload.SourceFiles, target)
			}
		}
	}
	return upload, nil
}

// done takes note of what has become of a group.
func (r *run) done(g *group, o Outcome, reason, hint string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Rows = append(r.result.Rows, Row{g.codename, g.source, g.version.String(), g.component, len(g.packages), o, reason, hint})
	r.progress.Done++
	r.progress.What = g.source + " " + g.version.String()
	for _, p := range g.packages {
		for _, f := range p.Files {
			r.progress.Bytes += f.Size
		}
	}
	if r.Progress != nil {
		r.Progress(r.progress)
	}
}
