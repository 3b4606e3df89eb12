package main

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"foundry/pkg/message"
	"foundry/pkg/publish"
	"foundry/pkg/publish/publishtest"
)

// TestNames lets apt and a plain client fetch packages whose names and versions have characters that
// are something else to URLs, over distbot's own server. apt encodes some of them, others encode none
// or all.
func TestNames(t *testing.T) {
	f := newFixture(t)
	dir := t.TempDir()
	var binaries, sources []string
	for name, version := range map[string]string{"libfoo++1": "1:2.0~rc1+git1-1~deb12u0", "0ad": "0.0.26-3", "lib": "1~1-1", "g++-12": "12.2.0-14+b1", "liba": "1"} {
		u := publish.Upload{Package: message.Package{Source: name, Version: version, Codename: "bookworm"}, Architecture: "amd64"}
		u.Files = []string{publishtest.MakeDeb(t, dir, publishtest.Binary{Name: name + "-bin", Version: version, Arch: "amd64", Source: name})}
		u.Dsc, u.SourceFiles = publishtest.MakeSource(t, dir, name, version, "orig")
		if _, err := f.repo.Include(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		binaries, sources = append(binaries, name+"-bin="+version), append(sources, name+"="+version)
	}
	ctx, cancel := context.WithCancel(t.Context())
	listener, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- serve(ctx, listener, f.output) }()
	base := "http://" + listener.Addr().String() + "/"
	client := publishtest.NewClient(t, strings.TrimSuffix(base, "/"), "bookworm", "amd64", filepath.Join(f.output, "test.asc"))
	client.Must(t, "apt-get", "update")
	client.Must(t, "apt-get", append([]string{"download"}, binaries...)...)
	client.Must(t, "apt-get", append([]string{"source", "--download-only"}, sources...)...)
	for _, path := range []string{
		"pool/main/libf/libfoo++1/libfoo++1-bin_2.0~rc1+git1-1~deb12u0_amd64.deb", "pool/main/0/0ad/0ad_0.0.26-3.dsc",
		"pool/main/l/lib/lib_1~1.orig.tar.xz", "pool/main/g/g++-12/g++-12-bin_12.2.0-14+b1_amd64.deb", "pool/main/liba/liba/liba_1.dsc",
	} {
		for _, encoded := range []string{path, encodeAll(path), strings.NewReplacer("+", "%2b", "~", "%7e").Replace(path)} {
			if status, size := fetch(t, base+encoded); status != http.StatusOK || size == 0 {
				t.Errorf("%s: status %d, %d bytes", encoded, status, size)
			}
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// encodeAll encodes everything that may be encoded in a path.
func encodeAll(path string) string {
	parts := strings.Split(path, "/")
	for i := range parts {
		parts[i] = strings.NewReplacer("~", "%7E", "-", "%2D", ".", "%2E", "_", "%5F").Replace(url.QueryEscape(parts[i]))
	}
	return strings.Join(parts, "/")
}

func fetch(t *testing.T, url string) (status, size int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, len(body)
}
