package aptrepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"foundry/pkg/trust"
)

// Options say how a repository is read.
type Options struct {
	Keyring       *trust.Keyring // who may sign; nil needs AllowUnsigned
	AllowUnsigned bool           // read also what no key of the keyring has signed
	AllowExpired  bool           // read also what Valid-Until says to be too old
	// Suites are named as below dists, "bookworm" or "bookworm/updates", or "./" for a flat repository. None
	// are all of a folder, or of a URL the flat repository that is there.
	Suites   []string
	Scratch  string         // folder for temporary files; empty is that of the system
	Jobs     int            // files at a time; 0 is the number of processors
	Progress func(Progress) // told how far it is, by one goroutine at a time; may be nil
}

// Progress tells how far it is.
type Progress struct {
	Done, Total int   // files
	Bytes       int64 // that have been read
	What        string
}

// Repository is an apt repository that is read. Its methods may be called concurrently.
type Repository struct {
	location string
	origin   origin
	options  Options
	suites   []*Suite

	mu       sync.Mutex
	progress Progress
}

// Suite is a suite of a repository, of whose Release file the signature has been checked.
type Suite struct {
	Name    string // below dists; "./" for a flat repository
	Signer  string // fingerprint of the key that has signed; empty where none is believed
	Release *Release

	repo *Repository
	dir  string // of Release, below the repository
}

// UnbelievedError says why a suite is not believed.
type UnbelievedError struct {
	Suite string
	Why   string
	Help  string
}

func (e *UnbelievedError) Error() string { return fmt.Sprintf("suite %s: %s", e.Suite, e.Why) }

// Hint tells what can be done about it.
func (e *UnbelievedError) Hint() string { return e.Help }

// Open reads the Release files of a repository, which is a folder or a URL of file, http or https.
func Open(ctx context.Context, location string, options Options) (*Repository, error) {
	r, err := find(location, options)
	if err != nil {
		return nil, err
	}
	real := map[string]bool{}
	for _, name := range r.options.Suites {
		s, err := r.openSuite(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("open repository %s: %w", location, err)
		}
		if f, ok := r.origin.(*folder); ok && len(options.Suites) == 0 && !s.first(f, real) {
			continue
		}
		r.suites = append(r.suites, s)
	}
	return r, nil
}

// find finds the suites, and reads nothing of them.
func find(location string, options Options) (*Repository, error) {
	o, err := newOrigin(location)
	if err != nil {
		return nil, err
	}
	if options.Jobs <= 0 {
		options.Jobs = runtime.NumCPU()
	}
	options.Suites = slices.Clone(options.Suites)
	r := &Repository{location: location, origin: o, options: options}
	if len(options.Suites) > 0 {
		return r, nil
	}
	f, ok := o.(*folder)
	if !ok {
		r.options.Suites = []string{"./"}
		return r, nil
	}
	if r.options.Suites, err = f.suites(); err != nil {
		return nil, fmt.Errorf("find suites of %s: %w", location, err)
	}
	if len(r.options.Suites) == 0 {
		return nil, fmt.Errorf("%s is no apt repository: it has neither dists/*/Release nor Release", location)
	}
	return r, nil
}

// maxDepth is how deep below dists a suite may be.
const maxDepth = 3

// suites returns the names of suites of a folder: first those that are no second names of others.
func (f *folder) suites() (names []string, err error) {
	var walk func(dir string, depth int) error
	walk = func(dir string, depth int) error {
		if f.hasRelease(filepath.Join("dists", dir)) {
			names = append(names, filepath.ToSlash(dir))
			return nil
		}
		entries, err := os.ReadDir(filepath.Join(f.dir, "dists", dir))
		if errors.Is(err, fs.ErrNotExist) || depth == maxDepth {
			return nil
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			info, err := os.Stat(filepath.Join(f.dir, "dists", dir, e.Name()))
			if err != nil || !info.IsDir() || strings.HasPrefix(e.Name(), ".") {
				continue
			}
			if err := walk(filepath.Join(dir, e.Name()), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	if err := walk("", 0); err != nil {
		return nil, err
	}
	slices.SortStableFunc(names, func(a, b string) int { return f.links(a) - f.links(b) })
	if len(names) == 0 && f.hasRelease(".") {
		names = []string{"./"}
	}
	return names, nil
}

func (f *folder) hasRelease(dir string) bool {
	for _, name := range []string{"InRelease", "Release"} {
		if info, err := os.Stat(filepath.Join(f.dir, dir, name)); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}

// links is 1 for the name of a suite that is a link to the name of another.
func (f *folder) links(name string) int {
	target, err := os.Readlink(filepath.Join(f.dir, "dists", filepath.FromSlash(name)))
	if err == nil && !strings.HasPrefix(target, ".") {
		return 1
	}
	return 0
}

// first tells whether the folder of a suite has not been seen by another name.
func (s *Suite) first(f *folder, seen map[string]bool) bool {
	dir, err := filepath.EvalSymlinks(filepath.Join(f.dir, filepath.FromSlash(s.dir)))
	if err != nil {
		return true
	}
	was := seen[dir]
	seen[dir] = true
	return !was
}

// Suites returns the suites.
func (r *Repository) Suites() []*Suite { return r.suites }

// path is where a file of the suite is in the repository.
func (s *Suite) path(f File) File {
	f.Path = path.Join(s.dir, f.Path)
	return f
}

// newSuite checks the name of a suite.
func (r *Repository) newSuite(name string) (*Suite, error) {
	s := &Suite{Name: name, repo: r}
	flat, found := strings.CutSuffix(name, "/")
	if !found {
		flat = "dists/" + name
	}
	if flat = strings.TrimPrefix(flat, "./"); flat == "." {
		flat = ""
	}
	if flat == "" {
		return s, nil
	}
	var err error
	s.dir, err = checkPath(flat)
	return s, err
}

// openSuite reads the Release file of a suite and believes it if a key of the keyring has signed it.
func (r *Repository) openSuite(ctx context.Context, name string) (*Suite, error) {
	s, err := r.newSuite(name)
	if err != nil {
		return nil, err
	}
	text, signer, err := s.signed(ctx)
	if err != nil {
		return nil, err
	}
	s.Signer = signer
	if s.Release, err = ParseRelease(text); err != nil {
		return nil, fmt.Errorf("suite %s: %w", name, err)
	}
	if until := s.Release.ValidUntil; !until.IsZero() && time.Now().After(until) && !r.options.AllowExpired {
		return nil, &UnbelievedError{name, "its Release was valid until " + until.Format(time.RFC1123), "have it signed anew, or take it as it is by allowing what has expired"}
	}
	return s, nil
}

// signed returns the text of Release and the fingerprint of the key that has signed it.
func (s *Suite) signed(ctx context.Context) (text []byte, signer string, err error) {
	ring := s.repo.options.Keyring
	if ring == nil && !s.repo.options.AllowUnsigned {
		return nil, "", &UnbelievedError{s.Name, "no keyring is given to check its signature", "name the public key of the repository, or allow repositories without a signature"}
	}
	inline, err := s.small(ctx, "InRelease")
	if err == nil {
		if ring != nil {
			text, signer, err = ring.VerifyClearsigned(inline)
		}
		if text == nil && s.repo.options.AllowUnsigned {
			text, err = unsign(inline)
		}
		return text, signer, s.unbelieved("InRelease", err)
	}
	if !errors.Is(err, ErrAbsent) {
		return nil, "", fmt.Errorf("read InRelease of %s: %w", s.Name, err)
	}
	text, err = s.small(ctx, "Release")
	if err != nil {
		return nil, "", fmt.Errorf("read Release of %s: %w", s.Name, err)
	}
	if ring == nil {
		return text, "", nil
	}
	signature, err := s.small(ctx, "Release.gpg")
	if err == nil {
		signer, err = ring.Verify(text, signature)
	}
	if err != nil && s.repo.options.AllowUnsigned {
		return text, "", nil
	}
	return text, signer, s.unbelieved("Release.gpg", err)
}

func (s *Suite) unbelieved(name string, err error) error {
	if err == nil {
		return nil
	}
	u := &UnbelievedError{s.Name, fmt.Sprintf("%s: %v", name, err), "name the public key of the repository"}
	if untrusted := new(trust.UntrustedError); errors.As(err, &untrusted) && untrusted.Hint() != "" {
		u.Help = untrusted.Hint()
	}
	return u
}

// maxRelease is the size of the largest Release file or signature that is read.
const maxRelease = 32 << 20

// small reads a file of the suite whose size nothing tells.
func (s *Suite) small(ctx context.Context, name string) ([]byte, error) {
	r, _, err := s.repo.origin.open(ctx, path.Join(s.dir, name), 0)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(r, maxRelease+1))
	if err == nil && len(data) > maxRelease {
		err = fmt.Errorf("larger than %d bytes", maxRelease)
	}
	return data, errors.Join(err, r.Close())
}
