package repoctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"foundry/pkg/bot"
	"foundry/pkg/publish"
)

// beat is how often a client hears that its request is being worked on.
const beat = time.Second

// grace is how long requests that are being worked on have when the server is to end.
const grace = 20 * time.Second

// Serve answers requests until ctx ends.
func Serve(ctx context.Context, listener net.Listener, archive publish.Archive, about About) error {
	working, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	server := &http.Server{
		Handler: handler(archive, about), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		BaseContext: func(net.Listener) context.Context { return working },
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		limit, cancel := context.WithTimeout(working, grace)
		defer cancel()
		if server.Shutdown(limit) != nil {
			abandon()
			_ = server.Close()
		}
	}()
	err := server.Serve(listener)
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	<-stopped
	return err
}

// handler has a path for each method.
func handler(archive publish.Archive, about About) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /v1/about", method(func(context.Context, none) (About, error) { return about, nil }))
	mux.Handle("POST /v1/snapshots", method(func(ctx context.Context, q ofSuite) ([]publish.Snapshot, error) {
		return archive.Snapshots(ctx, q.Codename)
	}))
	mux.Handle("POST /v1/packages", method(func(ctx context.Context, q ofSnapshot) ([]publish.Listed, error) {
		return archive.Packages(ctx, q.Codename, q.Serial)
	}))
	mux.Handle("POST /v1/sources", method(func(_ context.Context, q ofSuite) (map[string]string, error) {
		return archive.Sources(q.Codename)
	}))
	mux.Handle("POST /v1/change", method(archive.Change))
	mux.Handle("POST /v1/resign", method(func(ctx context.Context, q ofSuite) (none, error) {
		return none{}, archive.Resign(ctx, q.Codename)
	}))
	mux.Handle("POST /v1/refresh", method(func(ctx context.Context, q refresh) (none, error) {
		return none{}, archive.Refresh(ctx, q.Within)
	}))
	mux.Handle("POST /v1/include", method(func(ctx context.Context, u publish.Upload) (publish.Publication, error) {
		for _, path := range slices.Concat([]string{u.Changes, u.Dsc}, u.Files, u.SourceFiles, u.Buildinfo) {
			if path != "" && !filepath.IsAbs(path) {
				return publish.Publication{}, fmt.Errorf("file %q: not the whole path", path)
			}
		}
		return archive.Include(ctx, u)
	}))
	return mux
}

// method answers requests with f.
func method[Q, A any](f func(context.Context, Q) (A, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var question Q
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&question)
		if _, more := decoder.Token(); err == nil && !errors.Is(more, io.EOF) {
			err = errors.New("more than one value")
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		encoder := json.NewEncoder(w)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			_ = encoder.Encode(line[A]{Error: &problem{Text: fmt.Sprintf("read request: %v", err), Hint: "use the foundry of this distbot's version, " + bot.Version}})
			return
		}
		answer := await(w, encoder, func() line[A] { return work(r.Context(), question, f) })
		_ = encoder.Encode(answer) // a client that has gone does not mind
	})
}

// work calls f; a panic in it is an error like any other.
func work[Q, A any](ctx context.Context, question Q, f func(context.Context, Q) (A, error)) (answer line[A]) {
	defer func() {
		if r := recover(); r != nil {
			answer = line[A]{Error: &problem{Text: fmt.Sprintf("panic: %v", r)}}
		}
	}()
	result, err := f(ctx, question)
	if err != nil {
		return line[A]{Error: describe(err)}
	}
	return line[A]{Result: &result}
}

// await returns what f does, and tells the client meanwhile that it lasts.
func await[A any](w http.ResponseWriter, encoder *json.Encoder, f func() line[A]) line[A] {
	done := make(chan line[A], 1)
	go func() { done <- f() }()
	begun := time.Now()
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case answer := <-done:
			return answer
		case <-tick.C:
			_ = encoder.Encode(line[A]{Waiting: int(time.Since(begun).Seconds())}) // as above
			_ = http.NewResponseController(w).Flush()
		}
	}
}
