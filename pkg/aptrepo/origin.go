package aptrepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ErrAbsent says that a repository does not have a file.
var ErrAbsent = errors.New("no such file")

// origin is where a repository is. Its methods may be called concurrently.
type origin interface {
	// open reads a file from an offset on. The origin may begin earlier, and says where.
	open(ctx context.Context, name string, offset int64) (r io.ReadCloser, from int64, err error)
	// size tells how large a file is, and whether it is there; -1 where that is not known.
	size(ctx context.Context, name string) (int64, error)
}

// newOrigin returns the origin of a folder, a file: or a http(s): URL.
func newOrigin(location string) (origin, error) {
	scheme, _, found := strings.Cut(location, ":")
	if !found || strings.ContainsAny(scheme, "/.") {
		return newFolder(location)
	}
	u, err := url.Parse(location)
	if err != nil {
		return nil, fmt.Errorf("read location: %w", err)
	}
	switch u.Scheme {
	case "file":
		if u.Host != "" && u.Host != "localhost" || !filepath.IsAbs(u.Path) {
			return nil, fmt.Errorf("%s is not file: and an absolute folder", location)
		}
		return newFolder(u.Path)
	case "http", "https":
		if u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("%s is not the address of a repository", u.Redacted())
		}
		return &web{base: u, client: newClient(u.Scheme), stall: stall}, nil
	}
	return nil, fmt.Errorf("%s: unknown kind of location, give a folder or a URL of http, https or file", location)
}

// checkPath refuses a path that leads out of the repository, and returns it without "./" before it.
func checkPath(name string) (string, error) {
	clean := strings.TrimPrefix(name, "./")
	if clean == "" || !fs.ValidPath(clean) || clean == "." || strings.ContainsAny(clean, "\\\x00\n") {
		return "", fmt.Errorf("path %q leads out of the repository", name)
	}
	return clean, nil
}

// folder is a repository on disk.
type folder struct{ dir string }

func newFolder(dir string) (*folder, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("find repository: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("find repository: %s is not a folder", dir)
	}
	return &folder{dir}, nil
}

func (f *folder) open(_ context.Context, name string, offset int64) (io.ReadCloser, int64, error) {
	// A pipe must not hold this up, so it is opened as one that has no data.
	file, err := os.OpenFile(filepath.Join(f.dir, filepath.FromSlash(name)), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, 0, ErrAbsent
	}
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a file", name)
	}
	if err == nil {
		_, err = file.Seek(offset, io.SeekStart)
	}
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, offset, nil
}

func (f *folder) size(_ context.Context, name string) (int64, error) {
	info, err := os.Stat(filepath.Join(f.dir, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return 0, ErrAbsent
	}
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%s is not a file", name)
	}
	return info.Size(), nil
}

// Bounds of what a server may take.
const (
	stall     = 60 * time.Second // without a byte
	redirects = 10
)

// web is a repository behind a URL.
type web struct {
	base   *url.URL
	client *http.Client
	stall  time.Duration
}

func newClient(scheme string) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 16, IdleConnTimeout: 2 * time.Minute,
			TLSHandshakeTimeout: 30 * time.Second, ForceAttemptHTTP2: true,
			DisableCompression: true, // sizes are those of the files
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) >= redirects {
				return fmt.Errorf("more than %d redirects", redirects)
			}
			if scheme == "https" && r.URL.Scheme != "https" {
				return fmt.Errorf("redirected from https to %s", r.URL.Scheme)
			}
			return nil
		},
	}
}

// statusError is an answer that is no file.
type statusError struct {
	code   int
	status string
}

func (e *statusError) Error() string { return "server answers " + e.status }

// ask sends a request whose answer must not stand still.
func (w *web) ask(ctx context.Context, method, name string, offset int64) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(w.stall, func() { cancel(fmt.Errorf("server sends nothing for %s", w.stall)) })
	done := func() {
		timer.Stop()
		cancel(nil)
	}
	u := *w.base
	u.Path, u.RawPath = path.Join("/", u.Path, name), ""
	request, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		done()
		return nil, err
	}
	request.Header.Set("User-Agent", "foundry")
	if offset > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	response, err := w.client.Do(request)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		done()
		return nil, err
	}
	response.Body = &moving{response.Body, ctx, timer, w.stall, done}
	return response, nil
}

func (w *web) open(ctx context.Context, name string, offset int64) (io.ReadCloser, int64, error) {
	response, err := w.ask(ctx, http.MethodGet, name, offset)
	if err != nil {
		return nil, 0, err
	}
	switch response.StatusCode {
	case http.StatusOK:
		return response.Body, 0, nil
	case http.StatusPartialContent:
		if strings.HasPrefix(response.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", offset)) {
			return response.Body, offset, nil
		}
		err = errors.New("server answers with another range")
	case http.StatusRequestedRangeNotSatisfiable:
		_ = response.Body.Close()
		return w.open(ctx, name, 0)
	default:
		err = absent(response)
	}
	return nil, 0, errors.Join(err, response.Body.Close())
}

func (w *web) size(ctx context.Context, name string) (int64, error) {
	response, err := w.ask(ctx, http.MethodHead, name, 0)
	if err != nil {
		return 0, err
	}
	if err := response.Body.Close(); err != nil {
		return 0, err
	}
	if response.StatusCode != http.StatusOK {
		return 0, absent(response)
	}
	return response.ContentLength, nil
}

// absent is the error of an answer that is no file.
func absent(response *http.Response) error {
	switch response.StatusCode {
	case http.StatusNotFound, http.StatusForbidden, http.StatusGone: // S3 says forbidden
		return ErrAbsent
	}
	return &statusError{response.StatusCode, response.Status}
}

// moving is a body that must not stand still.
type moving struct {
	io.ReadCloser
	ctx   context.Context
	timer *time.Timer
	stall time.Duration
	done  func()
}

func (m *moving) Read(p []byte) (int, error) {
	m.timer.Reset(m.stall)
	n, err := m.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		if cause := context.Cause(m.ctx); cause != nil {
			err = cause
		}
	}
	return n, err
}

func (m *moving) Close() error {
	m.done()
	return m.ReadCloser.Close()
}
