package aptrepo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"foundry/pkg/trust"
)

// VerifyOptions say how far Verify goes.
type VerifyOptions struct {
	MetadataOnly bool // leave the files of packages out
	// PackageKeys are those that may sign packages and source packages; nil leaves these signatures out.
	PackageKeys *trust.Keyring
}

// soon is how long before Valid-Until a warning comes.
const soon = 24 * time.Hour

// verification is a Verify under way.
type verification struct {
	*Repository
	options VerifyOptions
	report  *Report
	files   map[string]*listed
}

// listed is a file of a package, and who lists it.
type listed struct {
	File
	pkg *Package // of a binary package; nil for a file of a source
}

// Verify reads everything that the repository shows, from signatures to packages, and tells all that is wrong.
// Suites whose signature is missing, bad or too old are findings, and looked at all the same. An error says
// that the repository could not be read at all.
func Verify(ctx context.Context, location string, o Options, vo VerifyOptions) (*Report, error) {
	r, err := find(location, o)
	if err != nil {
		return nil, err
	}
	v := &verification{Repository: r, options: vo, report: &Report{Findings: []Finding{}, Signers: []string{}}, files: map[string]*listed{}}
	real := map[string]bool{}
	for _, name := range r.options.Suites {
		s := v.suite(ctx, name)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if s == nil {
			continue
		}
		f, local := r.origin.(*folder)
		if local && len(o.Suites) == 0 && !s.first(f, real) {
			continue
		}
		v.report.Suites++
		if err := v.indexes(ctx, s); err != nil {
			return nil, err
		}
	}
	if !vo.MetadataOnly {
		if err := v.pool(ctx); err != nil {
			return nil, err
		}
		if f, local := r.origin.(*folder); local && len(o.Suites) == 0 {
			v.unlisted(f)
		}
	}
	v.report.Bytes = r.progress.Bytes
	v.report.sort()
	return v.report, ctx.Err()
}

// suite reads and judges the Release files of a suite.
func (v *verification) suite(ctx context.Context, name string) *Suite {
	s, err := v.openSuite(ctx, name)
	if err != nil {
		hint := ""
		if unbelieved := new(UnbelievedError); errors.As(err, &unbelieved) {
			hint = unbelieved.Help
		}
		v.report.add(Error, name, err.Error(), hint)
		lax := v.Repository.with(func(o *Options) { o.AllowUnsigned, o.AllowExpired = true, true })
		if s, err = lax.openSuite(ctx, name); err != nil {
			return nil
		}
		s.repo = v.Repository
	}
	if s.Signer != "" {
		v.report.Signers = append(v.report.Signers, s.Signer)
	}
	v.terms(s)
	v.pair(ctx, s)
	return s
}

// with is a repository with other options.
func (r *Repository) with(change func(*Options)) *Repository {
	o := r.options
	change(&o)
	return &Repository{location: r.location, origin: r.origin, options: o}
}

// terms looks at the dates and names of a Release.
func (v *verification) terms(s *Suite) {
	where, now := path.Join(s.dir, "Release"), time.Now()
	if s.Release.Date.After(now.Add(10 * time.Second)) {
		v.report.add(Error, where, "its Date lies ahead: "+s.Release.Date.Format(time.RFC1123), "set the clock of the machine that signs, and sign anew")
	}
	if until := s.Release.ValidUntil; !until.IsZero() && until.After(now) && until.Before(now.Add(soon)) {
		v.report.add(Warning, where, "it is valid for less than a day, until "+until.Format(time.RFC1123), "have it signed anew")
	}
	names := []string{s.Release.Codename, s.Release.Suite}
	if base := base(s.Name); s.Name != "./" && !slices.Contains(names, s.Name) && !slices.Contains(names, base) {
		v.report.add(Warning, where, fmt.Sprintf("it calls itself %s, not %s", strings.Join(names, ", "), s.Name), "")
	}
}

// pair compares InRelease with Release and Release.gpg.
func (v *verification) pair(ctx context.Context, s *Suite) {
	inline, errInline := s.small(ctx, "InRelease")
	text, errText := s.small(ctx, "Release")
	signature, errSignature := s.small(ctx, "Release.gpg")
	if errInline != nil {
		v.report.add(Warning, path.Join(s.dir, "InRelease"), "it is not there: "+errInline.Error(), "clients read Release and Release.gpg, which may not be of the same moment")
	}
	switch {
	case errText != nil:
		v.report.add(Warning, path.Join(s.dir, "Release"), "it is not there: "+errText.Error(), "")
		return
	case errInline == nil:
		if plain, err := unsign(inline); err == nil && !bytes.Equal(trimmed(plain), trimmed(text)) {
			v.report.add(Error, path.Join(s.dir, "InRelease"), "it says other things than Release", "a publish was interrupted, or only one of them was copied")
		}
	}
	if v.Repository.options.Keyring == nil {
		return
	}
	if errSignature != nil {
		v.report.add(Warning, path.Join(s.dir, "Release.gpg"), "it is not there: "+errSignature.Error(), "")
		return
	}
	print, err := v.Repository.options.Keyring.Verify(text, signature)
	if err != nil {
		v.report.add(Error, path.Join(s.dir, "Release.gpg"), err.Error(), "")
		return
	}
	v.report.Signers = append(v.report.Signers, print)
}

// trimmed is a text without what no clear signature covers.
func trimmed(text []byte) []byte {
	var out []byte
	for line := range bytes.Lines(text) {
		out = append(append(out, bytes.TrimRight(line, " \t\r\n")...), '\n')
	}
	return bytes.TrimRight(out, "\n")
}

// indexes checks every form of every index of a suite, and what they list.
func (v *verification) indexes(ctx context.Context, s *Suite) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(v.Repository.options.Jobs)
	indexes := s.Release.Indexes()
	for _, x := range indexes {
		group.Go(func() error {
			v.index(groupCtx, s, x)
			return groupCtx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, x := range indexes {
		if x.Kind != Packages && x.Kind != Sources {
			continue
		}
		for p, err := range s.packagesOf(ctx, x) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if errors.Is(err, ErrAbsent) {
				break // which index has told
			}
			if err != nil {
				v.report.add(Error, path.Join(s.dir, x.Path), err.Error(), "")
				break
			}
			v.list(p, seen)
		}
	}
	return nil
}

// list takes note of the files of a package.
func (v *verification) list(p *Package, seen map[string]bool) {
	if id := p.Files[0].Path + " " + p.Files[0].SHA256; !seen[id] {
		seen[id] = true
		v.report.Packages++
	}
	for _, f := range p.Files {
		there := v.files[f.Path]
		if there != nil && there.File != f {
			v.report.add(Error, f.Path, "indexes list it with different sizes or hashes", "")
		}
		if there != nil {
			continue
		}
		there = &listed{File: f}
		if p.Architecture != Source {
			there.pkg = p
		}
		v.files[f.Path] = there
	}
}

// index checks the forms of one index: those that are there are what Release lists, by name and by hash, and
// all have the same content.
func (v *verification) index(ctx context.Context, s *Suite, x *Index) {
	there := 0
	for _, form := range x.Forms {
		where := s.path(form).Path
		err := v.form(ctx, s, x, form)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, ErrAbsent):
			continue
		case err != nil:
			v.report.add(Error, where, err.Error(), "publish anew, or copy the repository again")
		}
		there++
		if !s.Release.ByHash {
			continue
		}
		named := form
		named.Path = byHash(form)
		if err := v.check(ctx, s.path(named)); err != nil && ctx.Err() == nil {
			v.report.add(Error, s.path(named).Path, "clients ask for "+form.Path+" by its hash: "+err.Error(), "publish anew, or copy by-hash too")
		}
	}
	v.report.mu.Lock()
	v.report.Indexes += there
	v.report.mu.Unlock()
	if there == 0 {
		v.report.add(Error, s.path(File{Path: x.Path}).Path, "Release lists it, and it is there in no form", "publish anew, or copy the repository again")
	}
}

// form checks one form of an index.
func (v *verification) form(ctx context.Context, s *Suite, x *Index, form File) (err error) {
	plain := x.Forms[len(x.Forms)-1]
	if form.Path == x.Path || plain.Path != x.Path {
		return v.check(ctx, s.path(form))
	}
	file, err := os.CreateTemp(v.Repository.options.Scratch, ".index-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	if err := v.copyTo(ctx, s.path(form), file); err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return s.plain(ctx, x, form, file, func(r io.Reader) error {
		sum := sha256.New()
		n, err := io.Copy(sum, &cancelled{ctx, r})
		if err == nil && (n != plain.Size || hexSum(sum) != plain.SHA256) {
			err = errors.New("decompressed it is not what Release lists as " + plain.Path)
		}
		return err
	})
}

// pool checks the files of packages.
func (v *verification) pool(ctx context.Context) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(v.Repository.options.Jobs)
	for _, l := range v.files {
		if groupCtx.Err() != nil {
			break
		}
		group.Go(func() error {
			err := v.file(groupCtx, l)
			if groupCtx.Err() != nil {
				return groupCtx.Err()
			}
			if err != nil {
				v.report.add(Error, l.Path, err.Error(), "")
			}
			v.report.mu.Lock()
			v.report.Files++
			v.report.mu.Unlock()
			v.tell(l.Path, len(v.files))
			return nil
		})
	}
	return group.Wait()
}

// tell tells how far it is.
func (r *Repository) tell(what string, total int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.Done++
	r.progress.Total, r.progress.What = total, what
	if r.options.Progress != nil {
		r.options.Progress(r.progress)
	}
}

// unlisted finds files of the pool that no index lists.
func (v *verification) unlisted(f *folder) {
	n := 0
	err := filepath.WalkDir(filepath.Join(f.dir, "pool"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		below, err := filepath.Rel(f.dir, name)
		if err == nil && v.files[filepath.ToSlash(below)] == nil {
			n++
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		v.report.add(Warning, "pool", err.Error(), "")
	}
	if n > 0 {
		v.report.add(Warning, "pool", fmt.Sprintf("%d files that no index lists", n), "they are kept for clients with older indexes, or left over")
	}
}
