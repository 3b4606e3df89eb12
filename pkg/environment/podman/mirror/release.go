// Package mirror looks at the Release files of repositories: only whether they have changed, with one
// conditional question each, all at once.
package mirror

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"foundry/pkg/environment"
	"foundry/pkg/environment/podman/index"
)

// maxRelease is the size of the largest Release file that is read.
const maxRelease = 32 << 20

// releaseTimeout is how long a mirror may take to answer.
const releaseTimeout = 30 * time.Second

// Kind is that of the values that a Client remembers in its index.
const Kind = "releases"

// A Client asks mirrors. It may be used concurrently.
type Client struct {
	index *index.Folder
	http  *http.Client
}

// New makes a Client that remembers in folder what mirrors have answered.
func New(folder *index.Folder) *Client { return &Client{folder, newHTTP()} }

// A Release is what a source's Release file was when it was looked at.
type Release struct {
	URL      string `json:"url"`
	ETag     string `json:"etag,omitempty"`
	Modified string `json:"modified,omitempty"` // the Last-Modified header
	SHA256   string `json:"sha256"`
	Alone    bool   `json:"alone,omitempty"` // there is no InRelease beside it
}

// proxy is the key of a context's value: the URL of the proxy that mirrors are asked through.
type proxy struct{}

// LookAt looks at the Release files of all sources at once. Nothing is verified here: the hashes
// only tell whether anything has changed, what is installed is verified by apt.
func (c *Client) LookAt(ctx context.Context, sources []environment.SourceList, through string) ([]Release, error) {
	ctx = context.WithValue(ctx, proxy{}, through)
	found := make([]Release, len(sources))
	group, ctx := errgroup.WithContext(ctx)
	for n, source := range sources {
		group.Go(func() error {
			r, err := c.release(ctx, source)
			if err != nil {
				return fmt.Errorf("read release %s of %s: %w", source.Suite, source.URI, err)
			}
			found[n] = r
			return nil
		})
	}
	return found, group.Wait()
}

// release looks at InRelease or, where a repository has none, at Release. It is empty for an optional
// source that is not there.
func (c *Client) release(ctx context.Context, source environment.SourceList) (Release, error) {
	look := c.askRelease
	if strings.HasPrefix(source.URI, "file:") {
		look = findRelease
	}
	r, err := look(ctx, releaseFolder(source))
	if source.Optional && errors.Is(err, environment.ErrNoRelease) {
		return Release{}, nil
	}
	return r, err
}

// releaseFolder is where the Release files of a source are (sources.list(5)).
func releaseFolder(source environment.SourceList) string {
	uri := strings.TrimRight(source.URI, "/") + "/"
	if flat, found := strings.CutSuffix(source.Suite, "/"); found {
		if flat = strings.Trim(strings.TrimPrefix(flat, "./"), "/"); flat != "" && flat != "." {
			uri += flat + "/"
		}
		return uri
	}
	return uri + "dists/" + source.Suite + "/"
}

// The names that a Release file has, the first with its signature in it.
const (
	inRelease    = "InRelease"
	plainRelease = "Release"
)

func findRelease(ctx context.Context, folder string) (Release, error) {
	r, err := readRelease(ctx, folder+inRelease)
	if errors.Is(err, environment.ErrNoRelease) {
		r, err = readRelease(ctx, folder+plainRelease)
	}
	return r, err
}

// askRelease asks a mirror one question while nothing has changed, also where there is no InRelease.
func (c *Client) askRelease(ctx context.Context, folder string) (Release, error) {
	var known, plain Release
	if c.index.Load(Kind, index.Digest(folder+plainRelease), &known) && known.Alone {
		r, err := c.fetchRelease(ctx, folder+plainRelease)
		if err == nil && r.SHA256 == known.SHA256 || err != nil && !errors.Is(err, environment.ErrNoRelease) {
			return r, err
		}
		plain = r
	}
	r, err := c.fetchRelease(ctx, folder+inRelease)
	if !errors.Is(err, environment.ErrNoRelease) {
		if known.Alone {
			err = errors.Join(err, c.index.Forget(Kind, index.Digest(folder+plainRelease)))
		}
		return r, err
	}
	if plain.SHA256 == "" {
		plain, err = c.fetchRelease(ctx, folder+plainRelease)
		if err != nil {
			return Release{}, err
		}
	}
	plain.Alone = true
	return plain, c.index.Save(Kind, index.Digest(folder+plainRelease), plain)
}

func readRelease(_ context.Context, location string) (Release, error) {
	path, err := FilePath(location)
	if err != nil {
		return Release{}, err
	}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return Release{}, environment.ErrNoRelease
	}
	if err != nil {
		return Release{}, err
	}
	defer f.Close()
	sum, err := HashRelease(f)
	return Release{URL: location, SHA256: sum}, err
}

// FilePath is the folder or file that a file URI names.
func FilePath(uri string) (string, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return "", err
	}
	path := u.Path
	if path == "" {
		path = u.Opaque
	}
	if u.Host != "" || !filepath.IsAbs(path) {
		return "", fmt.Errorf("%s is not file: and an absolute folder", uri)
	}
	return filepath.Clean(path), nil
}

// fetchRelease asks the mirror whether the file has changed since it was looked at last.
func (c *Client) fetchRelease(ctx context.Context, location string) (Release, error) {
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return Release{}, err
	}
	request.Header.Set("User-Agent", "foundry")
	key := index.Digest(location)
	var last Release
	if c.index.Load(Kind, key, &last) && last.URL == location {
		if last.ETag != "" {
			request.Header.Set("If-None-Match", last.ETag)
		}
		if last.Modified != "" {
			request.Header.Set("If-Modified-Since", last.Modified)
		}
	}
	response, err := c.http.Do(request)
	if err != nil {
		return Release{}, err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusNotModified:
		if last.SHA256 != "" {
			return last, nil
		}
		return Release{}, errors.New("mirror says that an unknown file is unchanged")
	case http.StatusNotFound, http.StatusForbidden, http.StatusGone: // S3 says forbidden
		return Release{}, environment.ErrNoRelease
	default:
		return Release{}, fmt.Errorf("mirror answers %s", response.Status)
	}
	sum, err := HashRelease(response.Body)
	if err != nil {
		return Release{}, err
	}
	r := Release{URL: location, ETag: response.Header.Get("ETag"), Modified: response.Header.Get("Last-Modified"), SHA256: sum}
	r.Alone = last.Alone
	if r != last {
		if err := c.index.Save(Kind, key, r); err != nil {
			return Release{}, err
		}
	}
	return r, nil
}

// HashRelease is the SHA-256 of a Release file, which must not be empty nor beyond what is read of one.
func HashRelease(r io.Reader) (string, error) {
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(r, maxRelease+1))
	switch {
	case err != nil:
		return "", err
	case n > maxRelease:
		return "", fmt.Errorf("it is larger than %d bytes", maxRelease)
	case n == 0:
		return "", errors.New("it is empty")
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// newHTTP is a client that neither this host's proxy nor its cookies have a part in; the proxy is
// that of the request's context.
func newHTTP() *http.Client {
	transport := &http.Transport{
		Proxy: func(r *http.Request) (*url.URL, error) {
			through, ok := r.Context().Value(proxy{}).(string)
			if !ok || through == "" {
				return nil, nil
			}
			return url.Parse(through)
		},
		MaxIdleConnsPerHost: 4, IdleConnTimeout: 2 * time.Minute,
		TLSHandshakeTimeout: releaseTimeout, ResponseHeaderTimeout: releaseTimeout,
		ForceAttemptHTTP2: true,
	}
	return &http.Client{Transport: transport}
}
