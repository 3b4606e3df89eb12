package index

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// stanza is a record as Packages has it, of about 900 bytes.
func stanza(r *rand.Rand, i, version int) Change {
	name := fmt.Sprintf("package-%06d", i)
	sum := func() string {
		return fmt.Sprintf("%016x%016x%016x%016x", r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64())
	}
	text := fmt.Sprintf(`Package: %s
Version: 1.%d-1
Architecture: amd64
Maintainer: Somebody of the Team <team+%d@lists.example.org>
Installed-Size: %d
Depends: libc6 (>= 2.%d), libstdc++6 (>= %d), lib%s-common (= 1.%d-1), python3:any, init-system-helpers (>= 1.52)
Recommends: lib%s-plugins
Homepage: https://www.example.org/projects/%s
Section: utils
Priority: optional
Multi-Arch: foreign
Filename: pool/main/p/%s/%s_1.%d-1_amd64.deb
Size: %d
MD5sum: %s
SHA256: %s
Description: does what number %d has to do for whoever needs it
Description-md5: %s
Tag: implemented-in::c, interface::commandline, role::program, scope::utility, use::converting, works-with::file
`, name, version, i%50, r.IntN(100000), r.IntN(36), r.IntN(13), name, version, name, name, name, name, version,
		r.IntN(10000000), sum()[:32], sum(), i, sum()[:32])
	for len(text) < 898 {
		text += fmt.Sprintf("X-Comment: %d\n", r.IntN(1000))
	}
	return Change{name, []byte(text + "\n")}
}

// BenchmarkChange changes one record and builds all forms of the file.
func BenchmarkChange(b *testing.B) {
	for _, records := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(records), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 1))
			changes := make([]Change, records)
			for i := range changes {
				changes[i] = stanza(r, i, 0)
			}
			f := New(200).With(changes)
			forms := []Form{Plain, Gzip, Xz}
			if _, err := f.Build(b.Context(), forms); err != nil {
				b.Fatal(err)
			}
			for version := 1; b.Loop(); version++ {
				f = f.With([]Change{stanza(r, r.IntN(records), version)})
				if _, err := f.Build(b.Context(), forms); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
