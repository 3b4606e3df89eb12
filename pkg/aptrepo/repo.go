package aptrepo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"foundry/pkg/trust"
)

// Flat is the name of the suite of a flat repository.
const Flat = "./"

// ErrNotFound says that the repository does not have a file.
var ErrNotFound = errors.New("not found")

// errNoListing says that a web server does not tell its suites.
var errNoListing = errors.New("a web server does not say which suites it has")

// Options say what is believed.
type Options struct {
	Keyring       *trust.Keyring // of those who may sign Release files
	AllowUnsigned bool           // believe Release files without checking signatures
	AllowExpired  bool           // believe them after their Valid-Until
	Scratch       string         // folder for indexes; empty: a temporary one for each call
}

// Repo is a repository. It may be used concurrently.
type Repo struct {
	opts Options
	root string   // folder; empty for a web server
	base *url.URL // of a web server
	http *http.Client
}

// The limits of talking to a server.
const (
	answerTimeout = 30 * time.Second // for the head of an answer
	tries         = 3
	maxSmall      = 64 << 20 // bytes of the largest Release file that is read
)

// Open opens the repository at a folder or an http, https or file URL. Nothing is read yet.
func Open(location string, o Options) (*Repo, error) {
	if o.Keyring == nil && !o.AllowUnsigned {
		return nil, fmt.Errorf("open repository %s: no keyring given", location)
	}
	r := &Repo{opts: o}
	u, err := url.Parse(location)
	switch {
	case err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.ResponseHeaderTimeout, transport.DisableCompression = answerTimeout, true
		r.base, r.http = u, &http.Client{Transport: transport}
		return r, nil
	case err == nil && u.Scheme == "file":
		location = u.Path
	case err == nil && u.Scheme != "" && strings.Contains(location, "://"):
		return nil, fmt.Errorf("open repository %s: %s is none of http, https and file", u.Redacted(), u.Scheme)
	}
	if r.root, err = filepath.Abs(location); err != nil {
		return nil, fmt.Errorf("open repository %s: %w", location, err)
	}
	info, err := os.Stat(r.root)
	if err != nil {
		return nil, fmt.Errorf("open repository: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("open repository %s: not a folder", location)
	}
	return r, nil
}

// String names the repository, without a password.
func (r *Repo) String() string {
	if r.base != nil {
		return r.base.Redacted()
	}
	return r.root
}

// Suites lists the suites of a folder: each once, under its codename where it has several names. Web servers do not
// say which they have.
func (r *Repo) Suites() ([]string, error) {
	if r.base != nil {
		return nil, fmt.Errorf("list suites of %s: %w", r, errNoListing)
	}
	dists := filepath.Join(r.root, "dists")
	found := map[string][]string{} // names by the folder that they lead to
	err := filepath.WalkDir(dists, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if name != dists && strings.HasPrefix(base, ".") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		real, err := filepath.EvalSymlinks(name)
		if err != nil || name == dists {
			return nil // a link that leads nowhere is no suite
		}
		if _, err := os.Stat(filepath.Join(real, "Release")); err != nil {
			if _, err := os.Stat(filepath.Join(real, "InRelease")); err != nil {
				return nil
			}
		}
		suite, err := filepath.Rel(dists, name)
		// The folders of components may have Release files of their own.
		if err == nil && !strings.HasPrefix(filepath.Base(real), "binary-") && filepath.Base(real) != "source" {
			found[real] = append(found[real], filepath.ToSlash(suite))
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		if r.has("Packages") || r.has("Packages.gz") || r.has("Packages.xz") || r.has("Sources.gz") || r.has("Sources") {
			return []string{Flat}, nil
		}
		return nil, fmt.Errorf("list suites of %s: there is neither dists nor Packages", r)
	}
	if err != nil {
		return nil, fmt.Errorf("list suites of %s: %w", r, err)
	}
	var suites []string
	for real, names := range found {
		suites = append(suites, preferred(real, names))
	}
	slices.Sort(suites)
	return suites, nil
}

// preferred is the codename among the names of one suite.
func preferred(real string, names []string) string {
	slices.Sort(names)
	for _, file := range []string{"Release", "InRelease"} {
		text, err := os.ReadFile(filepath.Join(real, file))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if codename, ok := strings.CutPrefix(line, "Codename: "); ok && slices.Contains(names, strings.TrimSpace(codename)) {
				return strings.TrimSpace(codename)
			}
		}
	}
	return names[0]
}

func (r *Repo) has(name string) bool {
	_, err := os.Stat(filepath.Join(r.root, name))
	return err == nil
}

// clean returns name, a path with slashes below the repository, or an error for one that leads out of it.
func clean(name string) (string, error) {
	cleaned := strings.TrimPrefix(path.Clean(name), "./")
	if !filepath.IsLocal(filepath.FromSlash(cleaned)) || strings.ContainsAny(cleaned, "\x00\n\\") {
		return "", fmt.Errorf("%q: not a path below the repository", name)
	}
	return cleaned, nil
}

// open opens a file of the repository.
func (r *Repo) open(ctx context.Context, name string) (io.ReadCloser, error) {
	name, err := clean(name)
	if err != nil {
		return nil, err
	}
	if r.base == nil {
		f, err := os.Open(filepath.Join(r.root, filepath.FromSlash(name)))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: %w", name, ErrNotFound)
		}
		if err != nil {
			return nil, err
		}
		if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
			return nil, errors.Join(fmt.Errorf("%s: not a regular file", name), err, f.Close())
		}
		return f, nil
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base.JoinPath(strings.Split(name, "/")...).String(), nil)
	if err != nil {
		return nil, err
	}
	response, err := r.http.Do(request)
	if err != nil {
		return nil, err
	}
	switch {
	case response.StatusCode == http.StatusNotFound || response.StatusCode == http.StatusGone:
		return nil, errors.Join(fmt.Errorf("%s: %w", name, ErrNotFound), response.Body.Close())
	case response.StatusCode != http.StatusOK:
		return nil, errors.Join(fmt.Errorf("%s: the server says %s", name, response.Status), response.Body.Close())
	}
	return response.Body, nil
}

// small returns a file of at most maxSmall bytes.
func (r *Repo) small(ctx context.Context, name string) (text []byte, err error) {
	err = r.again(ctx, func() error {
		f, err := r.open(ctx, name)
		if err != nil {
			return err
		}
		defer f.Close()
		if text, err = io.ReadAll(io.LimitReader(f, maxSmall+1)); err == nil && len(text) > maxSmall {
			err = fmt.Errorf("%s has more than %d bytes", name, maxSmall)
		}
		return err
	})
	return text, err
}

// again calls f until it succeeds, a few times where that may help.
func (r *Repo) again(ctx context.Context, f func() error) (err error) {
	for try := 1; ; try++ {
		var differs *DiffersError
		if err = f(); err == nil || r.base == nil || try == tries || errors.Is(err, ErrNotFound) || errors.As(err, &differs) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(try) * time.Second):
		}
	}
}

// File is a file as an index or Release lists it.
type File struct {
	Path   string // below the repository
	Size   int64
	SHA256 string
}

// DiffersError says that a file does not have the bytes that it should have.
type DiffersError struct {
	Path   string
	Reason string
}

func (e *DiffersError) Error() string { return e.Path + ": " + e.Reason }

// fetch copies a file to w, unless that is nil, and compares it with what is listed.
func (r *Repo) fetch(ctx context.Context, f File, w io.Writer) error {
	content, err := r.open(ctx, f.Path)
	if err != nil {
		return err
	}
	defer content.Close()
	sum := sha256.New()
	var to io.Writer = sum
	if w != nil {
		to = io.MultiWriter(sum, w)
	}
	n, err := io.Copy(to, io.LimitReader(content, f.Size+1))
	switch {
	case err != nil:
		return fmt.Errorf("read %s: %w", f.Path, err)
	case n < f.Size && r.base != nil && n > 0:
		return fmt.Errorf("read %s: %d of %d bytes", f.Path, n, f.Size)
	case n != f.Size:
		return &DiffersError{f.Path, fmt.Sprintf("has not the %d bytes that are listed", f.Size)}
	case hex.EncodeToString(sum.Sum(nil)) != f.SHA256:
		return &DiffersError{f.Path, "has another SHA-256 than is listed"}
	}
	return nil
}

// Check reads a file and compares it with what is listed: other bytes are a *DiffersError, a missing file is ErrNotFound.
func (r *Repo) Check(ctx context.Context, f File) error {
	return r.again(ctx, func() error { return r.fetch(ctx, f, nil) })
}

// Fetch copies a file to the local path to, which has all of it, compared with what is listed, or is not there.
func (r *Repo) Fetch(ctx context.Context, f File, to string) error {
	return r.again(ctx, func() (err error) {
		part, err := os.Create(to + ".part")
		if err != nil {
			return err
		}
		err = errors.Join(r.fetch(ctx, f, part), part.Close())
		if err == nil {
			return os.Rename(to+".part", to)
		}
		return errors.Join(err, os.Remove(to+".part"))
	})
}
