package aptly

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aptly-dev/aptly/deb"
	"github.com/aptly-dev/aptly/utils"
	"golang.org/x/sync/errgroup"

	"foundry/pkg/message"
	"foundry/pkg/publish"
	"foundry/pkg/publish/aptly/contents"
	"foundry/pkg/publish/publishtest"
)

// BenchmarkInclude measures the time from an upload of one package to its publication, in repositories
// of so many packages.
func BenchmarkInclude(b *testing.B) {
	for _, n := range []int{0, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			if n > 10_000 && testing.Short() {
				b.Skip("takes long")
			}
			dir := b.TempDir()
			opts, err := options(dir, publishtest.Suites())
			if err != nil {
				b.Fatal(err)
			}
			r, err := Open(b.Context(), opts)
			if err != nil {
				b.Fatal(err)
			}
			seed(b, r, n)
			if err := r.Close(); err != nil {
				b.Fatal(err)
			}
			start := time.Now()
			if r, err = Open(b.Context(), opts); err != nil {
				b.Fatal(err)
			}
			defer r.Close()
			opened := time.Since(start)
			include(b, r)
			b.ReportMetric(float64(opened.Milliseconds()), "ms-to-open")
		})
	}
}

func include(b *testing.B, r *Repo) {
	dir := b.TempDir()
	i := 0
	for b.Loop() {
		b.StopTimer()
		i++
		u := publish.Upload{Package: message.Package{Source: "hello", Version: fmt.Sprintf("1.0-%d", i), Codename: "alpha"}, Owned: true}
		u.Files = []string{publishtest.MakeDeb(b, dir, publishtest.Binary{Name: "hello", Version: u.Version, Arch: "amd64"})}
		u.Dsc, u.SourceFiles = publishtest.MakeSource(b, dir, "hello", u.Version, "orig")
		b.StartTimer()
		if _, err := r.Include(b.Context(), u); err != nil {
			b.Fatal(err)
		}
	}
}

// seed puts n packages into alpha, as if they had been included.
func seed(b *testing.B, r *Repo, n int) {
	b.Helper()
	s := r.suites["alpha"]
	for done := 0; done < n; {
		j := newJudgement(s, false)
		for range min(n-done, 10_000) {
			c := invent(b, r, s.Suite, done)
			j.Add(c.Entry)
			j.accept([]*candidate{c})
			done++
		}
		if err := r.publish(b.Context(), s, j.plan("seed")); err != nil {
			b.Fatal(err)
		}
	}
}

// invent makes a package whose file is in the pool.
func invent(b *testing.B, r *Repo, s publish.Suite, i int) *candidate {
	b.Helper()
	name := fmt.Sprintf("lib%c-package-%06d", 'a'+i*7919%26, i*7919%1_000_003)
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(name)))
	p := deb.NewPackageFromControlFile(deb.Stanza{
		"Package": name, "Version": "1.2-3", "Architecture": "amd64", "Section": "libs", "Priority": "optional",
		"Maintainer": "Test Maintainers <test@example.org>", "Installed-Size": "123", "Multi-Arch": "same",
		"Homepage":    "https://example.org/" + name,
		"Depends":     "libc6 (>= 2.34), libgcc-s1 (>= 3.0), lib" + sum[:8] + "1 (>= 1.2)",
		"Description": " library number " + sum[:12] + "\n This package has been made to fill an index, with words that\n are about as many as others have: " + sum + "\n",
	})
	file := name + "_1.2-3_amd64.deb"
	p.UpdateFiles(deb.PackageFiles{{Filename: file, Checksums: utils.ChecksumInfo{MD5: sum[:32], SHA256: sum, Size: 4}}})
	c, err := newCandidate(s, &contents.Package{Package: p, Section: "libs", Paths: []string{
		"usr/lib/x86_64-linux-gnu/" + name + ".so.1", "usr/lib/x86_64-linux-gnu/" + name + ".so.1.2",
		"usr/share/doc/" + name + "/changelog.Debian.gz", "usr/share/doc/" + name + "/copyright", "usr/share/lintian/overrides/" + name,
	}})
	if err != nil {
		b.Fatal(err)
	}
	c.built, c.pkg = sum, nil
	c.Files[0].Pool = fmt.Sprintf("seed/%02d", i%50)
	path := filepath.Join(r.opts.Dir, "pool", c.Files[0].Pool)
	if i < 50 {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("deb\n"), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return c
}

// BenchmarkBulk measures how long 2,000 uploads take that come 100 at a time, for each.
func BenchmarkBulk(b *testing.B) {
	const uploads, together = 2000, 100
	dir := b.TempDir()
	for b.Loop() {
		b.StopTimer()
		opts, err := options(b.TempDir(), publishtest.Suites())
		if err != nil {
			b.Fatal(err)
		}
		r, err := Open(b.Context(), opts)
		if err != nil {
			b.Fatal(err)
		}
		list := make([]publish.Upload, uploads)
		for i := range list {
			name := fmt.Sprintf("hello%05d", i)
			u := publish.Upload{Package: message.Package{Source: name, Version: "1.0", Codename: "alpha"}, Owned: true}
			u.Files = []string{filepath.Join(dir, name+"_1.0_amd64.deb")}
			control := fmt.Sprintf("Package: %s\nVersion: 1.0\nArchitecture: amd64\nDescription: small\n package\n", name)
			deb := publishtest.RawDeb(b, "control.tar", publishtest.MakeTar(b, "control", int64(len(control)), strings.NewReader(control)))
			if err := os.Rename(deb, u.Files[0]); err != nil {
				b.Fatal(err)
			}
			list[i] = u
		}
		b.StartTimer()
		var group errgroup.Group
		group.SetLimit(together)
		for _, u := range list {
			group.Go(func() error { _, err := r.Include(b.Context(), u); return err })
		}
		if err := group.Wait(); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N)/uploads, "ms-each")
}
