package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestServe serves a folder over IPv4 and IPv6 and checks what is given out and what is not.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "secret")
	for path, text := range map[string]string{
		filepath.Join(dir, "pool", "main", "libf", "libfoo++1", "libfoo++1_1~rc1_amd64.deb"): "0123456789",
		filepath.Join(dir, "dists", ".bookworm", "1", "InRelease"):                           "signed",
		outside: "secret",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for path, target := range map[string]string{"dists/bookworm": ".bookworm/1", "leak": outside, "up": "../../../../../../etc"} {
		if err := os.Symlink(target, filepath.Join(dir, path)); err != nil {
			t.Fatal(err)
		}
	}
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		ctx, cancel := context.WithCancel(t.Context())
		listener, err := listen(ctx, address)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- serve(ctx, listener, dir) }()
		ask(t, listener.Addr())
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func ask(t *testing.T, address net.Addr) {
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
		{"GET", "/", "", 404, "", ""},
		{"GET", "/pool/", "", 404, "", ""},
		{"GET", "/leak", "", 404, "", ""},
		{"GET", "/up/passwd", "", 404, "", ""},
		{"GET", "/../../../../etc/passwd", "", 404, "", ""},
		{"GET", "/%2e%2e/%2e%2e/etc/passwd", "", 404, "", ""},
		{"GET", "/pool/%00", "", 404, "", ""},
		{"POST", deb, "", 405, "", ""},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+address.String()+c.path, nil)
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
