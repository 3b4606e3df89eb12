package apt

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// saidShowpkg is what apt-cache 2.6 has said of hello, awk, provided and libhalf.
const saidShowpkg = `Package: hello
Versions: 
2.10-3 (/var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_main_binary-amd64_Packages.lz4) (/var/lib/dpkg/status)
 Description Language: 
                 File: /var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_main_binary-amd64_Packages.lz4
                  MD5: c4a4aec43084cfb4a44c959b27e3a6d6


Reverse Depends: 
  junior-system,hello
  hello-traditional,hello 9
Dependencies: 
2.10-3 - libc6 (2 2.34) hello-traditional (0 (null)) 
Provides: 
2.10-3 - 
Reverse Provides: 
hello-traditional 2.10-6 (= )
Package: awk
Versions: 

Reverse Depends: 
  base-files,awk
Dependencies: 
Provides: 
Reverse Provides: 
original-awk 2022-09-12-1 (= )
gawk 1:5.2.1-2 (= )
Package: provided
Versions: 

Reverse Depends: 
Dependencies: 
Provides: 
Reverse Provides: 
provider 7 (= 1:3.2)
`

func TestAbsent(t *testing.T) {
	for _, test := range []struct {
		name, depends string
		missing, want []string
	}{
		{"Nowhere", "hello, none", []string{"none"}, []string{"none"}},
		{"Older", "hello (>= 3), awk", []string{"hello (>= 3)"}, []string{"hello (>= 3)"}},
		{"Newer", "hello (<< 2)", []string{"hello (< 2)"}, []string{"hello (<< 2)"}},
		{"Alternatives", "hello (>= 3) | none", []string{"hello (>= 3) | none"}, []string{"hello (>= 3) | none"}},
		{"OneAlternativeIsThere", "none | hello", []string{"none | hello"}, nil},
		{"SomethingElse", "hello, none", []string{"hello", "none"}, nil},
		{"Conflict", "none", []string{"none", "conflicts hello"}, nil},
		{"Provided", "awk, none", []string{"none"}, []string{"none"}},
		{"ProvidedWithoutVersion", "awk (>= 1)", []string{"awk (>= 1)"}, []string{"awk (>= 1)"}},
		{"ProvidedVersion", "provided (>= 1:3), none", []string{"none"}, []string{"none"}},
		{"ProvidedOtherVersion", "provided (>= 1:4)", []string{"provided (>= 1:4)"}, []string{"provided (>= 1:4)"}},
		{"OtherArchitecture", "none:arm64", []string{"none:arm64"}, nil},
		{"AnyArchitecture", "none:any, hello:native (>= 3)", []string{"none:any", "hello (>= 3)"}, []string{"none:any", "hello:native (>= 3)"}},
		{"NotAsked", "none, hello", nil, []string{"none"}},
		{"Nonsense", "none (", []string{"none"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Absent(test.depends, test.missing, saidShowpkg)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestNames(t *testing.T) {
	if diff := cmp.Diff([]string{"a", "b", "c"}, Names("b (>= 1) | c, a:any, b")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
