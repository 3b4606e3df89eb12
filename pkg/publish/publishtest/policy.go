package publishtest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foundry/pkg/publish"
)

// testComponents sorts packages into components by rule, by Section and by what they are for.
func testComponents(t *testing.T, f *fixture) {
	f.suites[0].Components, f.suites[0].DebugComponent = []string{"contrib", "vendor"}, "debug"
	f.suites[0].Rules = []publish.Rule{{Source: "acme-*", Component: "vendor"}}
	repo := f.open(t)
	in := func(name, fields string, more ...Binary) publish.Upload {
		u := f.upload(t, name, "1.0-1", "amd64")
		u.Files = []string{MakeDeb(t, f.folder(t), Binary{Name: name, Version: "1.0-1", Arch: "amd64", Fields: fields})}
		for _, b := range more {
			u.Files = append(u.Files, MakeDeb(t, filepath.Dir(u.Files[0]), b))
		}
		return u
	}
	f.include(t, repo, in("plain", "Section: net\n", Binary{Name: "plain-dbgsym", Version: "1.0-1", Arch: "amd64", Source: "plain", Fields: "Section: debug\n"}))
	f.include(t, repo, in("free", "Section: contrib/net\n"))
	f.include(t, repo, in("acme-tool", "Section: contrib/net\n"))
	f.lists(t, "alpha", amd64, "plain 1.0-1 amd64")
	f.lists(t, "alpha", "debug/binary-amd64/Packages", "plain-dbgsym 1.0-1 amd64")
	f.lists(t, "alpha", "contrib/binary-amd64/Packages", "free 1.0-1 amd64")
	f.lists(t, "alpha", "contrib/source/Sources", "free 1.0-1")
	f.lists(t, "alpha", "vendor/binary-amd64/Packages", "acme-tool 1.0-1 amd64")
	f.lists(t, "alpha", "vendor/source/Sources", "acme-tool 1.0-1")
	f.refused(t, repo, in("odd", "Section: non-free/net\n"), "alpha has no component non-free")
	for _, path := range []string{"contrib/f/free/free_1.0-1_amd64.deb", "contrib/f/free/free_1.0.orig.tar.xz", "debug/p/plain/plain-dbgsym_1.0-1_amd64.deb"} {
		if _, err := os.Stat(filepath.Join(f.Output(f.dir), "pool", path)); err != nil {
			t.Error(err)
		}
	}
	// beta has one component, where all packages go.
	for _, name := range []string{"free", "plain"} {
		f.changed(t, repo, publish.Change{Kind: publish.Copy, Codename: "beta", From: "alpha", Select: []publish.Select{{Name: name}}})
	}
	f.lists(t, "beta", amd64, "free 1.0-1 amd64", "plain 1.0-1 amd64", "plain-dbgsym 1.0-1 amd64")
	f.include(t, repo, f.upload(t, "plain", "1.0-2", "amd64"))
	f.lists(t, "alpha", "debug/binary-amd64/Packages", "plain-dbgsym 1.0-1 amd64")
	c := f.client(t, "alpha", "amd64")
	c.Source(t, "Types: deb deb-src\nURIs: "+c.uri+"\nSuites: alpha\nComponents: main contrib vendor debug\nSigned-By: "+f.Key(f.dir)+"\n")
	c.Must(t, "apt-get", "update")
	c.Must(t, "apt-get", "download", "plain", "plain-dbgsym", "free", "acme-tool")
	c.Must(t, "apt-get", "source", "--download-only", "free", "acme-tool")
	if err := repo.Close(); err != nil {
		t.Fatal(err)
	}
	f.suites[0].Components, f.suites[0].Rules, f.suites[0].DebugComponent = nil, nil, ""
	f.open(t)
	f.lists(t, "alpha", amd64, "acme-tool 1.0-1 amd64", "free 1.0-1 amd64", "plain 1.0-2 amd64", "plain-dbgsym 1.0-1 amd64")
}

// testKeep keeps two versions of each package, with their sources.
func testKeep(t *testing.T, f *fixture) {
	f.suites[0].Keep = 2
	repo := f.open(t)
	for _, version := range []string{"1.0-1", "1.0-2", "1.0-3"} {
		f.include(t, repo, f.upload(t, "hello", version, "amd64", "all"))
	}
	f.lists(t, "alpha", amd64, "hello 1.0-2 amd64", "hello 1.0-3 amd64", "hello-data 1.0-2 all", "hello-data 1.0-3 all")
	f.lists(t, "alpha", sources, "hello 1.0-2", "hello 1.0-3")
	f.include(t, repo, f.upload(t, "hello", "1.0-1", "arm64"))
	f.lists(t, "alpha", sources, "hello 1.0-1", "hello 1.0-2", "hello 1.0-3")
	c := f.client(t, "alpha", "amd64")
	c.Must(t, "apt-get", "update")
	c.Must(t, "apt-get", "download", "hello=1.0-2", "hello-data=1.0-2")
	c.Must(t, "apt-get", "download", "hello=1.0-3")
}

// testRemembered refuses other bytes for a version that has been removed, also when its files have gone.
func testRemembered(t *testing.T, f *fixture) {
	repo := f.open(t)
	first := f.upload(t, "hello", "1.0-1", "amd64")
	f.include(t, repo, first)
	f.changed(t, repo, publish.Change{Kind: publish.Remove, Codename: "alpha", Select: []publish.Select{{Name: "hello"}}})
	other := f.upload(t, "hello", "1.0-1", "amd64")
	other.Files = []string{MakeDeb(t, f.folder(t), Binary{Name: "hello", Version: "1.0-1", Arch: "amd64", Content: "altered"})}
	f.refused(t, repo, other, "hello 1.0-1 was in the repository with other content")
	other.Files = nil
	other.Dsc, other.SourceFiles = MakeSource(t, f.folder(t), "hello", "1.0-1", "altered")
	f.refused(t, repo, other, "hello 1.0-1 was in the repository with other content")
	if err := repo.Close(); err != nil {
		t.Fatal(err)
	}
	repo = f.open(t)
	// Signed anew it is the same, and the first one stays.
	built := read(t, first.Files[0])
	embed(t, first.Files[0], built, "another")
	f.include(t, repo, first)
	f.lists(t, "alpha", amd64, "hello 1.0-1 amd64")
	if served := read(t, filepath.Join(f.Output(f.dir), "pool/main/h/hello/hello_1.0-1_amd64.deb")); !bytes.Equal(served, built) {
		t.Error("the first bytes have not come back")
	}
}

// testDowngrade lets lower versions in where that is allowed, and then they are what clients get.
func testDowngrade(t *testing.T, f *fixture) {
	repo := f.open(t)
	f.include(t, repo, f.upload(t, "hello", "2.0-1", "amd64", "all"))
	lower := f.upload(t, "hello", "1.0-1", "amd64", "all")
	f.refused(t, repo, lower, "has the higher version 2.0-1")
	if err := repo.Close(); err != nil {
		t.Fatal(err)
	}
	f.suites[0].AllowDowngrade = true
	repo = f.open(t)
	f.include(t, repo, lower)
	f.lists(t, "alpha", amd64, "hello 1.0-1 amd64", "hello-data 1.0-1 all")
	f.lists(t, "alpha", sources, "hello 1.0-1")
	f.include(t, repo, f.upload(t, "hello", "2.0-1", "amd64", "all"))
	f.lists(t, "alpha", amd64, "hello 2.0-1 amd64", "hello-data 2.0-1 all")
}

func testResign(t *testing.T, f *fixture) {
	repo := f.open(t)
	f.include(t, repo, f.upload(t, "hello", "1.0-1", "amd64"))
	release := func(codename string) string {
		return string(read(t, filepath.Join(f.Output(f.dir), "dists", codename, "InRelease")))
	}
	alpha, beta := release("alpha"), release("beta")
	if err := repo.Resign(t.Context(), "alpha"); err != nil {
		t.Fatal(err)
	}
	if release("alpha") == alpha || release("beta") != beta {
		t.Error("not alpha alone is signed anew")
	}
	if err := repo.Resign(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if release("beta") == beta {
		t.Error("beta is not signed anew")
	}
	if err := repo.Resign(t.Context(), "gamma"); err == nil || !strings.Contains(err.Error(), "gamma") {
		t.Errorf("%v, want an error that names gamma", err)
	}
	f.lists(t, "alpha", amd64, "hello 1.0-1 amd64")
	f.lists(t, "beta", amd64)
}
