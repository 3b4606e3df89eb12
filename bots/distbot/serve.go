package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"foundry/pkg/publish/headers"
)

// listen opens the address, IPv4 or IPv6.
func listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve repository: %w", err)
	}
	return listener, nil
}

const (
	// maxClients is how many connections are served at a time; further ones wait.
	maxClients = 2000
	// stalled is how long a client may take for the next piece of a file before its connection is ended.
	stalled = 2 * time.Minute
	// piece is how many bytes are sent before a client is given more time.
	piece = 256 << 10
)

// serve serves the folder until ctx ends. Requests cannot reach out of the folder, by dots or by
// symbolic links.
func serve(ctx context.Context, listener net.Listener, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return errors.Join(fmt.Errorf("serve repository: %w", err), listener.Close())
	}
	defer root.Close()
	server := &http.Server{
		Handler:           handler(root),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if server.Shutdown(limit) != nil {
			_ = server.Close()
		}
	}()
	err = server.Serve(&limited{listener, make(chan struct{}, maxClients)})
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	<-stopped
	return err
}

// handler serves the regular files of a repository, and index.html for the folder itself. There are no
// listings, and what begins with a dot is for the repository's own use.
//
// A file is opened once for each request: a client that reads slowly gets to its end what it has begun, whatever is
// published or removed meanwhile.
func handler(root *os.Root) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
		if name == "" {
			name = "index.html"
		}
		f, info := open(root, name)
		if f == nil {
			w.Header().Set("Cache-Control", "no-cache")
			http.NotFound(w, r)
			return
		}
		defer f.Close()
		modified := info.ModTime()
		if time.Since(modified) < settled {
			modified = modified.Add(-time.Second)
			r.Header.Del("If-Modified-Since")
		}
		w.Header().Set("Cache-Control", headers.CacheControl(name))
		w.Header().Set("Content-Type", headers.ContentType(name))
		w.Header().Set("ETag", fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size()))
		http.ServeContent(&patient{w, http.NewResponseController(w)}, r, "", modified, f)
	})
}

// settled is how old a file is before its Last-Modified, which has whole seconds, tells it from the one before it. apt
// asks with no more than that; a younger file therefore says that it is older than it is, and is sent
// again.
const settled = 2 * time.Second

// open opens a file that may be served, or returns nil.
func open(root *os.Root, name string) (*os.File, os.FileInfo) {
	if strings.HasPrefix(name, ".") || strings.Contains(name, "/.") {
		return nil, nil
	}
	// A pipe would be waited for until somebody writes.
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		_ = f.Close()
		return nil, nil
	}
	return f, info
}
