package aptrepo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"foundry/pkg/debian"
	"foundry/pkg/trust"
)

// The levels of a Finding.
const (
	Wrong   = "error"   // a client would fail, or be deceived
	Unusual = "warning" // no client fails
)

// Finding is one thing that is not as it should be.
type Finding struct {
	Level   string `json:"level"`
	Suite   string `json:"suite"`
	File    string `json:"file"` // below the repository
	Problem string `json:"problem"`
}

// Report is what a verification has found.
type Report struct {
	Suite    string    `json:"suite"`
	Signer   string    `json:"signer,omitempty"`
	Indexes  int       `json:"indexes"`  // files that Release lists and that are there
	Packages int       `json:"packages"` // binary and source
	Files    int       `json:"files"`    // of packages, that were compared
	Bytes    int64     `json:"bytes"`    // of those
	Signed   int       `json:"signed"`   // packages with a signature of their own that is good
	Findings []Finding `json:"findings"`
}

// Whole tells whether nothing is wrong.
func (r *Report) Whole() bool {
	return !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Level == Wrong })
}

// VerifyOptions say how far a verification goes.
type VerifyOptions struct {
	MetadataOnly bool           // leave the packages themselves out
	PackageKeys  *trust.Keyring // of the signatures in .deb and .dsc files; nil leaves these out
	Progress     func(files int, bytes int64)
}

// verification is one that is under way.
type verification struct {
	suite *Suite
	opts  VerifyOptions

	mu     sync.Mutex
	report *Report
}

// Verify follows everything that a suite shows from its signatures to the packages. What is not as it should be stands in
// the report; an error says that the suite could not be read at all.
func (r *Repo) Verify(ctx context.Context, name string, o VerifyOptions) (*Report, error) {
	s, err := r.Suite(ctx, name)
	if err != nil {
		return nil, err
	}
	v := &verification{suite: s, opts: o, report: &Report{Suite: name, Signer: s.Signer, Findings: []Finding{}}}
	if err := s.Detached(ctx); errors.Is(err, ErrNotFound) {
		v.find(Unusual, path.Join(s.dir, "Release.gpg"), errors.New("not there: only clients that read InRelease are served"))
	} else if err != nil {
		v.find(Wrong, path.Join(s.dir, "Release.gpg"), err)
	}
	if err := v.indexes(ctx); err != nil {
		return nil, err
	}
	if err := v.packages(ctx); err != nil {
		return nil, err
	}
	slices.SortFunc(v.report.Findings, func(a, b Finding) int {
		return strings.Compare(a.Level+a.File+a.Problem, b.Level+b.File+b.Problem)
	})
	return v.report, ctx.Err()
}

func (v *verification) find(level, file string, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Findings = append(v.report.Findings, Finding{level, v.suite.Name, file, err.Error()})
}

// each calls f for all of list, some at a time.
func each[T any](ctx context.Context, list []T, f func(context.Context, T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0) * 2)
	for _, one := range list {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { return f(ctx, one) })
	}
	return group.Wait()
}

// indexes checks each file that Release lists, in all its forms, by name and by hash.
func (v *verification) indexes(ctx context.Context) error {
	groups := map[string][]string{} // forms by the name without extension
	for name := range v.suite.Files {
		plain := strings.TrimSuffix(name, path.Ext(name))
		if !slices.Contains(forms, path.Ext(name)) {
			plain = name
		}
		groups[plain] = append(groups[plain], name)
	}
	return each(ctx, slices.Sorted(maps.Keys(groups)), func(ctx context.Context, plain string) error {
		there := 0
		for _, name := range groups[plain] {
			found, err := v.index(ctx, plain, name)
			if err != nil {
				return err
			}
			if found {
				there++
			}
		}
		if there == 0 {
			v.find(Wrong, v.suite.Files[groups[plain][0]].Path, errors.New("listed in Release, and there in no form"))
		}
		return nil
	})
}

// index checks one form of an index. One that is not there at all is for the caller to judge, since a Release file may
// list forms that nobody is served.
func (v *verification) index(ctx context.Context, plain, name string) (found bool, err error) {
	listed := v.suite.Files[name]
	err = v.suite.repo.Check(ctx, listed)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	byHash := ErrNotFound
	if v.suite.ByHash {
		byHash = v.suite.repo.Check(ctx, listed.ByHash())
	}
	switch {
	case errors.Is(err, ErrNotFound) && errors.Is(byHash, ErrNotFound):
		return false, ctx.Err()
	case err != nil:
		v.find(Wrong, listed.Path, err)
		return true, ctx.Err()
	}
	v.mu.Lock()
	v.report.Indexes++
	v.mu.Unlock()
	if v.suite.ByHash && byHash != nil {
		v.find(Wrong, listed.ByHash().Path, fmt.Errorf("clients ask for it by its hash: %w", byHash))
	}
	if want, ok := v.suite.Files[plain]; ok && plain != name {
		if err := v.sameContent(ctx, listed, strings.TrimPrefix(name, plain), want); err != nil {
			v.find(Wrong, listed.Path, err)
		}
	}
	return true, ctx.Err()
}

// sameContent compares the plain form of a compressed file with what is listed of it.
func (v *verification) sameContent(ctx context.Context, listed File, form string, want File) error {
	f, err := v.suite.fetchForm(ctx, listed)
	if err != nil {
		return err
	}
	plain, err := decoder(form, f)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	defer plain.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(plain, want.Size+1))
	if err != nil {
		return fmt.Errorf("decompress: %w", err)
	}
	if n != want.Size || hex.EncodeToString(sum.Sum(nil)) != want.SHA256 {
		return errors.New("its content is not what Release lists without compression")
	}
	return nil
}

// packages checks the files of all packages.
func (v *verification) packages(ctx context.Context) error {
	var files []File
	seen := map[string]File{}
	for p, err := range v.suite.Packages(ctx) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			v.find(Wrong, v.suite.dir, err)
			break
		}
		v.report.Packages++
		v.named(p)
		for _, f := range p.Files {
			other, known := seen[f.Path]
			if known && other != f {
				v.find(Wrong, f.Path, errors.New("listed with different hashes"))
			}
			if !known {
				seen[f.Path] = f
				files = append(files, f)
			}
		}
	}
	if v.opts.MetadataOnly {
		return nil
	}
	return each(ctx, files, func(ctx context.Context, f File) error {
		err := v.suite.repo.Check(ctx, f)
		if err == nil && v.opts.PackageKeys != nil {
			err = v.signature(ctx, f)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			v.find(Wrong, f.Path, err)
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		v.report.Files++
		v.report.Bytes += f.Size
		if v.opts.Progress != nil {
			v.opts.Progress(v.report.Files, v.report.Bytes)
		}
		return nil
	})
}

// named compares a package with the name of its file.
func (v *verification) named(p *Package) {
	version, err := debian.ParseVersion(p.Version)
	if err != nil {
		return // which was told
	}
	base := path.Base(p.Main().Path)
	want := p.Name + "_" + version.WithoutEpoch() + "_" + p.Architecture
	if p.IsSource() {
		want = strings.TrimSuffix(debian.DscName(p.Name, version), ".dsc")
	}
	if strings.TrimSuffix(base, path.Ext(base)) != want {
		v.find(Unusual, p.Main().Path, fmt.Errorf("the file of %s %s for %s is not named after it", p.Name, p.Version, p.Architecture))
	}
}

// signature checks the signature that a package has of its own, which is in files that can be opened only.
func (v *verification) signature(ctx context.Context, f File) (err error) {
	signed := false
	switch path.Ext(f.Path) {
	case ".dsc":
		text, err := v.suite.repo.small(ctx, f.Path)
		if err != nil {
			return err
		}
		if _, _, err := v.opts.PackageKeys.VerifyClearsigned(text); err != nil {
			return fmt.Errorf("signature: %w", err)
		}
		signed = true
	case ".deb", ".udeb", ".ddeb":
		if v.suite.repo.base != nil {
			return nil
		}
		if signed, err = v.embedded(f); err != nil {
			return err
		}
	}
	if signed {
		v.mu.Lock()
		v.report.Signed++
		v.mu.Unlock()
	}
	return nil
}

// embedded checks the signature in a binary package. Not all have one: what the repository makes itself has none.
func (v *verification) embedded(f File) (signed bool, err error) {
	deb, err := debian.OpenDeb(filepath.Join(v.suite.repo.root, filepath.FromSlash(f.Path)))
	if err != nil {
		return false, err
	}
	defer deb.Close()
	if deb.BuiltSize() == deb.Size() {
		v.find(Unusual, f.Path, errors.New("it carries no signature of its own"))
		return false, nil
	}
	signature, err := deb.Signature()
	if err != nil {
		return false, fmt.Errorf("signature: %w", err)
	}
	if _, err := v.opts.PackageKeys.VerifyStream(deb.Payload, signature); err != nil {
		return false, fmt.Errorf("signature: %w", err)
	}
	return true, nil
}
