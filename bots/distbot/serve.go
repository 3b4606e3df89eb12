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
	"time"
)

// listen opens the address, IPv4 or IPv6.
func listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve repository: %w", err)
	}
	return listener, nil
}

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
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
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
	err = server.Serve(listener)
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	<-stopped
	return err
}

// handler serves the regular files of a repository. There are no listings, and what begins with a
// dot is for the repository's own use.
func handler(root *os.Root) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
		if name == "" || strings.HasPrefix(name, ".") || strings.Contains(name, "/.") {
			http.NotFound(w, r)
			return
		}
		f, err := root.Open(name)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil || !info.Mode().IsRegular() {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", caching(name))
		w.Header().Set("Content-Type", contentType(name))
		w.Header().Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, "", info.ModTime(), f)
	})
}

// caching tells how long a file may be kept by caches: what is named by its hash or version never
// changes, all else must be asked for anew.
func caching(name string) string {
	if strings.HasPrefix(name, "pool/") || strings.Contains(name, "/by-hash/") {
		return "public, max-age=31536000, immutable"
	}
	return "no-cache"
}

func contentType(name string) string {
	base := path.Base(name)
	switch ext := path.Ext(base); {
	case ext == ".deb" || ext == ".udeb" || ext == ".ddeb":
		return "application/vnd.debian.binary-package"
	case ext == ".gz":
		return "application/gzip"
	case ext == ".xz":
		return "application/x-xz"
	case ext == ".asc" || ext == ".gpg" || ext == ".dsc" || ext == ".sources" || ext == ".buildinfo",
		base == "Release" || base == "InRelease" || base == "Packages" || base == "Sources":
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}
