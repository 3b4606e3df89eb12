package repoctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"foundry/pkg/bot"
	"foundry/pkg/publish"
)

// Client speaks to a running distbot. Its methods may be called concurrently.
type Client struct {
	About About
	// Waiting, if set, is called about every second while a request is worked on.
	Waiting func(since time.Duration)

	http *http.Client
	path string
}

var _ publish.Archive = (*Client)(nil)

// lookUp is how long an answer may take for which nothing is done.
const lookUp = time.Minute

// Dial connects to the distbot that listens on path, or returns ErrNotRunning.
func Dial(ctx context.Context, path string) (*Client, error) {
	c := &Client{path: path, http: &http.Client{Transport: &http.Transport{
		DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, path) },
		MaxIdleConnsPerHost: 16,
	}}}
	limit, cancel := context.WithTimeout(ctx, lookUp)
	defer cancel()
	about, err := call[About](limit, c, "about", none{})
	if err != nil {
		return nil, err
	}
	c.About = about
	return c, nil
}

// call asks for one method.
func call[A any](ctx context.Context, c *Client, method string, question any) (answer A, err error) {
	body, err := json.Marshal(question)
	if err != nil {
		return answer, fmt.Errorf("encode request: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://distbot/v1/"+method, bytes.NewReader(body))
	if err != nil {
		return answer, err
	}
	response, err := c.http.Do(request)
	if errors.Is(err, ErrNotRunning) {
		return answer, ErrNotRunning
	}
	if err != nil {
		return answer, c.broken(ctx, err)
	}
	defer response.Body.Close()
	decoder := json.NewDecoder(response.Body)
	for {
		var l line[A]
		if err := decoder.Decode(&l); err != nil {
			return answer, c.broken(ctx, err)
		}
		switch {
		case l.Error != nil:
			return answer, l.Error.err()
		case l.Waiting == 0 && l.Result != nil:
			return *l.Result, nil
		case l.Waiting == 0:
			return answer, nil // "null"
		case c.Waiting != nil:
			c.Waiting(time.Duration(l.Waiting) * time.Second)
		}
	}
}

// broken is the error of a connection that has given no answer.
func (c *Client) broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return bot.Hint(fmt.Errorf("ask distbot through %s: %w", c.path, err), "see whether distbot is well (foundry list), as the user that it runs as; what was asked may be done or not")
}

// Include puts an upload in, whose paths are local files that distbot can read.
func (c *Client) Include(ctx context.Context, upload publish.Upload) (publish.Publication, error) {
	return call[publish.Publication](ctx, c, "include", upload)
}

// Sources returns the version of each source package.
func (c *Client) Sources(codename string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), lookUp)
	defer cancel()
	return call[map[string]string](ctx, c, "sources", ofSuite{codename})
}

// Refresh signs metadata anew that would soon be out of date.
func (c *Client) Refresh(ctx context.Context, within time.Duration) error {
	_, err := call[none](ctx, c, "refresh", refresh{within})
	return err
}

// Snapshots returns those of the codename.
func (c *Client) Snapshots(ctx context.Context, codename string) ([]publish.Snapshot, error) {
	return call[[]publish.Snapshot](ctx, c, "snapshots", ofSuite{codename})
}

// Packages returns what a snapshot lists.
func (c *Client) Packages(ctx context.Context, codename string, serial uint64) ([]publish.Listed, error) {
	return call[[]publish.Listed](ctx, c, "packages", ofSnapshot{codename, serial})
}

// Change makes a change.
func (c *Client) Change(ctx context.Context, change publish.Change) ([]publish.Changed, error) {
	return call[[]publish.Changed](ctx, c, "change", change)
}

// Resign signs the metadata anew.
func (c *Client) Resign(ctx context.Context, codename string) error {
	_, err := call[none](ctx, c, "resign", ofSuite{codename})
	return err
}

// Close gives the connection up. The repository stays open.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}
