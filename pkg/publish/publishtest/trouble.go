package publishtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"foundry/pkg/debian"
	"foundry/pkg/message"
	"foundry/pkg/publish"
)

// testOtherSignature signs what is there once more: the first one stays.
func testOtherSignature(t *testing.T, f *fixture) {
	repo := f.open(t)
	upload := f.upload(t, "hello", "1.0-1", "amd64", "all")
	built := read(t, upload.Files[0])
	embed(t, upload.Files[0], built, "one signature")
	first := f.include(t, repo, upload)
	embed(t, upload.Files[0], built, "another")
	again, err := repo.Include(t.Context(), upload)
	if err != nil {
		t.Fatalf("include with another signature: %v", err)
	}
	if first.Release != again.Release || first.Packages[0].SHA256 != again.Packages[0].SHA256 {
		t.Error("another signature changed the repository")
	}
	upload.Codename = "beta"
	if got := f.include(t, repo, upload); got.Packages[0].SHA256 != first.Packages[0].SHA256 {
		t.Error("another codename got other bytes")
	}
	f.lists(t, "beta", amd64, "hello 1.0-1 amd64", "hello-data 1.0-1 all")
}

func embed(t testing.TB, path string, built []byte, signature string) {
	t.Helper()
	deb, err := debian.ReadDeb(bytes.NewReader(built), int64(len(built)))
	if err != nil {
		t.Fatal(err)
	}
	var signed bytes.Buffer
	if err := deb.WriteSigned(&signed, []byte(signature)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, signed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func testBadFiles(t *testing.T, f *fixture) {
	repo := f.open(t)
	good := f.upload(t, "hello", "1.0-1", "amd64")
	data := read(t, good.Files[0])
	binary := func(name string, content []byte) publish.Upload {
		u := good
		path := filepath.Join(f.folder(t), name)
		write(t, path, string(content))
		u.Files, u.Dsc, u.SourceFiles = []string{path}, "", nil
		return u
	}
	f.refused(t, repo, binary("hello_1.0-1_amd64.deb", nil), "not an ar archive")
	f.refused(t, repo, binary("hello_1.0-1_amd64.deb", []byte("!<arch>\nnonsense")), "header cut short")
	f.refused(t, repo, binary("hello_1.0-1_amd64.deb", data[:len(data)/2]), "")
	f.refused(t, repo, binary("hello_1.0-1_amd64.deb", append(bytes.Clone(data), "more"...)), "header cut short")
	f.refused(t, repo, binary("hello_1.0-2_amd64.deb", data), "which the file name does not say")
	f.refused(t, repo, binary("hello_1.0-1_amd64.txt", data), "not a binary package")
	for _, b := range []struct {
		Binary
		words string
	}{
		{Binary{Name: "hello", Version: "1.0-1", Arch: "amd64", Source: "other"}, "its source is other"},
		{Binary{Name: "hello", Version: "1.0-1", Arch: "amd64", Source: "hello (0.9)"}, "its source version is 0.9"},
		{Binary{Name: "hello", Version: "1.0-1", Arch: "i386"}, "no architecture i386"},
	} {
		u := good
		u.Files, u.Dsc, u.SourceFiles = []string{MakeDeb(t, f.folder(t), b.Binary)}, "", nil
		f.refused(t, repo, u, b.words)
	}
	twice := good
	twice.Files = []string{good.Files[0], good.Files[0]}
	f.refused(t, repo, twice, "twice")
	missing := good
	missing.SourceFiles = good.SourceFiles[:1]
	f.refused(t, repo, missing, "which was not given")
	more := good
	more.SourceFiles = append(append([]string{}, good.SourceFiles...), good.Files[0])
	f.refused(t, repo, more, "not listed in")
	f.refused(t, repo, publish.Upload{Package: good.Package}, "nothing to include")
	badSource(t, f, repo, good)
	f.lists(t, "alpha", amd64)
	f.include(t, repo, good)
}

func badSource(t *testing.T, f *fixture, repo publish.Repository, good publish.Upload) {
	text := string(read(t, good.Dsc))
	for replacement, words := range map[[2]string]string{
		{"Source: hello", "Source: other"}:                "describes other",
		{"hello_1.0.orig.tar.xz", "../../etc/passwd"}:     "",
		{"Format: 3.0 (quilt)\n", "\x00\n"}:               "",
		{"Checksums-Sha256:\n ", "Checksums-Sha256:\n 0"}: "",
	} {
		u := good
		u.Dsc = filepath.Join(f.folder(t), filepath.Base(good.Dsc))
		write(t, u.Dsc, strings.ReplaceAll(text, replacement[0], replacement[1]))
		f.refused(t, repo, u, words)
	}
}

func testRefresh(t *testing.T, f *fixture) {
	repo := f.open(t)
	f.include(t, repo, f.upload(t, "hello", "1.0-1", "amd64"))
	path := filepath.Join(f.Output(f.dir), "dists", "alpha", "InRelease")
	before := read(t, path)
	if err := repo.Refresh(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, read(t, path)) {
		t.Error("metadata that is still valid was signed anew")
	}
	if err := repo.Refresh(t.Context(), 10*365*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(before, read(t, path)) {
		t.Error("metadata was not signed anew")
	}
	f.lists(t, "alpha", amd64, "hello 1.0-1 amd64")
}

func testConcurrent(t *testing.T, f *fixture) {
	repo := f.open(t)
	var uploads []publish.Upload
	var want []string
	for i := range 8 {
		uploads = append(uploads, f.upload(t, fmt.Sprintf("hello%d", i), "1.0-1", "amd64"))
		want = append(want, fmt.Sprintf("hello%d 1.0-1 amd64", i))
	}
	var group sync.WaitGroup
	for _, u := range uploads {
		group.Go(func() {
			if _, err := repo.Include(t.Context(), u); err != nil {
				t.Errorf("include %s: %v", u.Source, err)
			}
		})
	}
	group.Wait()
	f.lists(t, "alpha", amd64, want...)
}

// testConcurrentVersions includes versions of one package at once: the highest stays, lower ones
// were there before it or are refused, and what was let in can be fetched.
func testConcurrentVersions(t *testing.T, f *fixture) {
	repo := f.open(t)
	var uploads []publish.Upload
	for i := range 8 {
		uploads = append(uploads, f.upload(t, "hello", fmt.Sprintf("1.0-%d", i+1), "amd64"))
	}
	var group sync.WaitGroup
	for _, u := range uploads {
		group.Go(func() {
			publication, err := repo.Include(t.Context(), u)
			var refused *publish.RefusedError
			if err != nil && !errors.As(err, &refused) {
				t.Errorf("include %s: %v", u.Version, err)
			}
			for _, p := range publication.Packages {
				same(t, filepath.Join(f.Output(f.dir), p.Filename), strconv.FormatInt(p.Size, 10), string(p.SHA256))
			}
		})
	}
	group.Wait()
	f.lists(t, "alpha", amd64, "hello 1.0-8 amd64")
	f.lists(t, "alpha", sources, "hello 1.0-8")
}

func testWaits(t *testing.T, f *fixture) {
	repo := f.open(t)
	short, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	if _, err := f.Open(short, f.dir, f.suites); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("open a second time: %v, want it to wait until its time is up", err)
	}
	opened := make(chan publish.Repository)
	go func() {
		defer close(opened)
		second, err := f.Open(t.Context(), f.dir, f.suites)
		if err != nil {
			t.Errorf("open a second time: %v", err)
			return
		}
		opened <- second
	}()
	f.include(t, repo, f.upload(t, "hello", "1.0-1", "amd64"))
	select {
	case <-opened:
		t.Fatal("two have the repository open")
	default:
	}
	if err := repo.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Include(t.Context(), publish.Upload{Package: message.Package{Codename: "alpha"}}); err == nil {
		t.Error("a closed repository was used")
	}
	second := <-opened
	f.include(t, second, f.upload(t, "hello", "1.0-2", "amd64"))
	f.lists(t, "alpha", amd64, "hello 1.0-2 amd64")
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
}

func testReopened(t *testing.T, f *fixture) {
	repo := f.open(t)
	first := f.include(t, repo, f.upload(t, "hello", "1.0-1", "amd64", "all"))
	if err := repo.Close(); err != nil {
		t.Fatal(err)
	}
	repo = f.open(t)
	f.lists(t, "alpha", amd64, "hello 1.0-1 amd64", "hello-data 1.0-1 all")
	again := f.include(t, repo, f.upload(t, "hello", "1.0-1", "amd64", "all"))
	if first.Release != again.Release {
		t.Error("opening published anew")
	}
}

// testClientMeanwhile runs apt-get update again and again while packages go in.
func testClientMeanwhile(t *testing.T, f *fixture) {
	repo := f.open(t)
	var uploads []publish.Upload
	for i := range 12 {
		uploads = append(uploads, f.upload(t, "hello", fmt.Sprintf("1.0-%d", i+1), "amd64", "all"))
	}
	c := f.client(t, "alpha", "amd64")
	included := make(chan error, 1)
	go func() {
		for _, u := range uploads {
			if _, err := repo.Include(t.Context(), u); err != nil {
				included <- err
				return
			}
		}
		close(included)
	}()
	for updates := 0; ; updates++ {
		if out, err := c.Run("apt-get", "update"); err != nil {
			t.Errorf("update %d: %v", updates, err)
			t.Log(out)
		}
		select {
		case err := <-included:
			if err != nil {
				t.Fatal(err)
			}
			c.Must(t, "apt-get", "update")
			c.Must(t, "apt-get", "download", "hello=1.0-12", "hello-data=1.0-12")
			return
		default:
		}
	}
}
