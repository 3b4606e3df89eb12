package metadata

import (
	"fmt"
	"testing"
)

// BenchmarkAdd adds a package to a suite that has many, of ten files each, and builds its indexes.
func BenchmarkAdd(b *testing.B) {
	for _, packages := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(packages), func(b *testing.B) {
			list := make([]Package, packages)
			for i := range list {
				list[i] = numbered(i)
			}
			s := suite()
			s.Components = nil
			x, err := New(s).With(list, nil)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := x.Build(b.Context()); err != nil {
				b.Fatal(err)
			}
			for i := packages; b.Loop(); i++ {
				p := numbered(i * 7919 % packages)
				p.Paths[0] += ".new"
				p.Key, p.Stanza = p.Key+"+new", append([]byte("X-New: yes\n"), p.Stanza...)
				next, err := x.With([]Package{p}, nil)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := next.Build(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func numbered(i int) Package {
	name := fmt.Sprintf("package-%06d", i)
	paths := make([]string, 10)
	for n := range paths {
		paths[n] = fmt.Sprintf("usr/share/%s/file-%d", name, n)
	}
	p := pkg(name, fmt.Sprintf("1.%d-1", i%100), "amd64", "misc", paths...)
	p.Stanza = fmt.Appendf(nil, "Package: %s\nFilename: pool/main/p/%s/%s_1.%d-1_amd64.deb\nSize: %d\nSHA256: %s\nDepends: libc6 (>= 2.%d), %s-data\n\n",
		name, name, name, i%100, i*977, Digest([]byte(name)), i%36, name)
	return p
}
