package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestServe serves a folder over IPv4 and IPv6 and checks what is given out and what is not.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "secret")
	for path, text := range map[string]string{
		filepath.Join(dir, "pool", "main", "libf", "libfoo++1", "libfoo++1_1~rc1_amd64.deb"): "0123456789",
		filepath.Join(dir, "dists", ".bookworm", "1", "InRelease"):                           "signed",
		filepath.Join(dir, "index.html"):                                                     "<html>",
		outside:                                                                              "secret",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	for path, target := range map[string]string{"dists/bookworm": ".bookworm/1", "leak": outside, "up": "../../../../../../etc"} {
		if err := os.Symlink(target, filepath.Join(dir, path)); err != nil {
			t.Fatal(err)
		}
	}
	for address, hosts := range map[string][]string{"127.0.0.1:0": {"127.0.0.1"}, "[::1]:0": {"::1"}, ":0": {"127.0.0.1", "::1"}} {
		ctx, cancel := context.WithCancel(t.Context())
		listener, err := listen(ctx, address)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- serve(ctx, listener, dir) }()
		for _, host := range hosts {
			ask(t, net.JoinHostPort(host, strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)))
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func ask(t *testing.T, address string) {
	t.Helper()
	const deb = "/pool/main/libf/libfoo++1/libfoo++1_1~rc1_amd64.deb"
	for _, c := range []struct {
		method, path, span string
		status             int
		text, caching      string
	}{
		{"GET", deb, "", 200, "0123456789", "immutable"},
		{"GET", strings.ReplaceAll(deb, "+", "%2b"), "", 200, "0123456789", "immutable"},
		{"GET", deb, "bytes=3-5", 206, "345", "immutable"},
		{"GET", deb, "bytes=99-", 416, "", ""},
		{"HEAD", deb, "", 200, "", "immutable"},
		{"GET", "/dists/bookworm/InRelease", "", 200, "signed", "no-cache"},
		{"GET", "/dists/.bookworm/1/InRelease", "", 404, "", ""},
		{"GET", "/", "", 200, "<html>", "no-cache"},
		{"HEAD", "/", "", 200, "", "no-cache"},
		{"GET", "/dists/", "", 404, "", "no-cache"},
		{"GET", "/pool/", "", 404, "", ""},
		{"GET", "/pipe", "", 404, "", ""},
		{"GET", "/leak", "", 404, "", ""},
		{"GET", "/up/passwd", "", 404, "", ""},
		{"GET", "/../../../../etc/passwd", "", 404, "", ""},
		{"GET", "/%2e%2e/%2e%2e/etc/passwd", "", 404, "", ""},
		{"GET", "/pool/%00", "", 404, "", ""},
		{"POST", deb, "", 405, "", ""},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+address+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.span != "" {
			request.Header.Set("Range", c.span)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if c.method == "HEAD" && response.ContentLength <= 0 {
			t.Errorf("%s %s: no length", c.method, c.path)
		}
		if response.StatusCode != c.status || c.status < 300 && string(body) != c.text || !strings.Contains(response.Header.Get("Cache-Control"), c.caching) {
			t.Errorf("%s %s: %s %q %q", c.method, c.path, response.Status, body, response.Header.Get("Cache-Control"))
		}
	}
}

func TestAddressInUse(t *testing.T) {
	listener, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if _, err := listen(t.Context(), listener.Addr().String()); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("%v, want it to say that the address is in use", err)
	}
}

// served serves a folder until the test ends, and returns its URL.
func served(t *testing.T, dir string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	listener, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- serve(ctx, listener, dir) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + listener.Addr().String()
}

// fetchIf gets a file with some header fields.
func fetchIf(t *testing.T, url string, fields map[string]string) (status int, header http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range fields {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Error(err)
	}
	return response.StatusCode, response.Header
}

// TestConditional asks again for a file that has not changed, and for one that has within the same second, of which
// the time that apt asks with tells nothing.
func TestConditional(t *testing.T) {
	dir := t.TempDir()
	url := served(t, dir) + "/InRelease"
	write := func(text string, modified time.Time) {
		t.Helper()
		path := filepath.Join(dir, "InRelease")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, modified, modified); err != nil {
			t.Fatal(err)
		}
	}
	since := func(h http.Header) map[string]string {
		return map[string]string{"If-Modified-Since": h.Get("Last-Modified")}
	}
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	write("one", old.Add(300*time.Millisecond))
	_, header := fetchIf(t, url, nil)
	if got, want := header.Get("Last-Modified"), old.UTC().Format(http.TimeFormat); got != want {
		t.Errorf("Last-Modified %q, want %q", got, want)
	}
	tag := header.Get("ETag")
	for _, c := range []struct {
		fields map[string]string
		status int
	}{
		{since(header), 304},
		{map[string]string{"If-None-Match": tag}, 304},
		{map[string]string{"If-None-Match": `"other"`}, 200},
		{map[string]string{"Range": "bytes=1-", "If-Range": tag}, 206},
		{map[string]string{"Range": "bytes=1-", "If-Range": `"other"`}, 200},
		{map[string]string{"If-Match": `"other"`}, 412},
		{map[string]string{"Range": "bytes=1-", "If-Range": header.Get("Last-Modified")}, 206},
	} {
		if status, _ := fetchIf(t, url, c.fields); status != c.status {
			t.Errorf("%v: status %d, want %d", c.fields, status, c.status)
		}
	}
	now := time.Now().Truncate(time.Second)
	write("one", now)
	_, header = fetchIf(t, url, nil)
	write("two", now.Add(time.Millisecond))
	if status, next := fetchIf(t, url, since(header)); status != 200 || next.Get("ETag") == header.Get("ETag") {
		t.Errorf("changed within the second: status %d, ETag %s and %s", status, header.Get("ETag"), next.Get("ETag"))
	}
	write("two", now.Add(-time.Minute)) // some time later
	if status, _ := fetchIf(t, url, since(header)); status != 304 {
		t.Errorf("status %d, want 304", status)
	}
}

// TestSlowClient lets a client read a file to its end that has been replaced and removed since it began, while others
// get what is new.
func TestSlowClient(t *testing.T) {
	const blocks = 12 << 20 // more than the kernel takes of a connection that is not read
	dir := t.TempDir()
	for serial, text := range []string{strings.Repeat("old\n", blocks), "new"} {
		path := filepath.Join(dir, "dists", ".bookworm", strconv.Itoa(serial), "Packages")
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(dir, "dists", "bookworm")
	if err := os.Symlink(".bookworm/0", link); err != nil {
		t.Fatal(err)
	}
	url := served(t, dir) + "/dists/bookworm/Packages"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.ReadFull(response.Body, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(link), os.Symlink(".bookworm/1", link), os.RemoveAll(filepath.Join(dir, "dists", ".bookworm", "0"))); err != nil {
		t.Fatal(err)
	}
	if got := get(t, url); got != "new" {
		t.Errorf("another client gets %q", got)
	}
	rest, err := io.ReadAll(response.Body)
	if err != nil || string(rest) != strings.Repeat("old\n", blocks-1) {
		t.Errorf("%v, %d bytes", err, len(rest))
	}
}

// TestManyClients: those beyond the limit wait for others to end.
func TestManyClients(t *testing.T) {
	inner, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	listener := &limited{inner, make(chan struct{}, 2)}
	accepted := make(chan net.Conn)
	go func() {
		for range 3 {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	for range 3 {
		conn, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	first := <-accepted
	<-accepted
	select {
	case <-accepted:
		t.Fatal("a third is served")
	case <-time.After(50 * time.Millisecond):
	}
	for range 2 { // http.Server closes twice
		if err := first.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Fatal(err)
		}
	}
	<-accepted
}
