package debian

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"pault.ag/go/debian/version"
)

// maxVersion is how many bytes a version may have. File names are made of it.
const maxVersion = 200

// A Codename names a distribution of an archive, such as "bookworm".
type Codename string

// Valid tells whether c can be a codename: letters, digits and ".+-_~", beginning with a letter
// or digit.
func (c Codename) Valid() bool {
	return c != "" && len(c) <= 128 && alphanumeric(c[0]) && only(string(c), "._+-~") && !strings.Contains(string(c), "..")
}

// A Version is the version of a package (deb-version(7)). The zero Version is less than all others.
type Version struct {
	Epoch    uint
	Upstream string
	Revision string // empty for a native package
}

// ParseVersion reads a version with the rules of dpkg --validate-version.
func ParseVersion(s string) (Version, error) {
	fail := func(reason string) (Version, error) {
		return Version{}, fmt.Errorf("parse version %s: %s", quote(s), reason)
	}
	if s == "" {
		return fail("empty")
	}
	if len(s) > maxVersion {
		return fail(fmt.Sprintf("longer than %d bytes", maxVersion))
	}
	v := Version{Upstream: s}
	if epoch, rest, found := strings.Cut(s, ":"); found {
		n, err := parseEpoch(epoch)
		if err != nil {
			return fail(err.Error())
		}
		v.Epoch, v.Upstream = n, rest
	}
	if i := strings.LastIndexByte(v.Upstream, '-'); i >= 0 {
		v.Upstream, v.Revision = v.Upstream[:i], v.Upstream[i+1:]
		if v.Revision == "" {
			return fail("empty revision")
		}
	}
	switch {
	case v.Upstream == "":
		return fail("empty upstream version")
	case v.Upstream[0] < '0' || v.Upstream[0] > '9':
		return fail("upstream version does not start with a digit")
	case !only(v.Upstream, ".+-~:"):
		return fail("invalid character in upstream version")
	case !only(v.Revision, ".+~"):
		return fail("invalid character in revision")
	}
	return v, nil
}

func parseEpoch(s string) (uint, error) {
	if s == "" || !only(s, "") {
		return 0, errors.New("epoch is not a number")
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n > math.MaxInt32 {
		return 0, errors.New("epoch is not a number or too large")
	}
	return uint(n), nil
}

// String returns the version with its epoch, unless that is 0.
func (v Version) String() string {
	if v.Epoch == 0 {
		return v.WithoutEpoch()
	}
	return strconv.FormatUint(uint64(v.Epoch), 10) + ":" + v.WithoutEpoch()
}

// WithoutEpoch returns the version as it stands in file names.
func (v Version) WithoutEpoch() string {
	if v.Revision == "" {
		return v.Upstream
	}
	return v.Upstream + "-" + v.Revision
}

// Native tells whether the version has no revision.
func (v Version) Native() bool { return v.Revision == "" }

// Compare returns a negative number when v sorts before w, a positive one when after, and 0 when
// dpkg takes them for equal, as it does "1.0" and "1.00".
func (v Version) Compare(w Version) int {
	return version.Compare(
		version.Version{Epoch: v.Epoch, Version: v.Upstream, Revision: v.Revision},
		version.Version{Epoch: w.Epoch, Version: w.Upstream, Revision: w.Revision})
}

// Append returns the version with suffix at its very end: "+b1" makes 1.0-1 to 1.0-1+b1.
func (v Version) Append(suffix string) Version {
	if v.Revision == "" {
		v.Upstream += suffix
	} else {
		v.Revision += suffix
	}
	return v
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// only tells whether s has nothing but ASCII letters, digits and the bytes of others.
func only(s, others string) bool {
	for i := range len(s) {
		if !alphanumeric(s[i]) && strings.IndexByte(others, s[i]) < 0 {
			return false
		}
	}
	return true
}

// quote makes foreign text fit for a one-line message.
func quote(s string) string {
	if len(s) > 60 {
		return strconv.Quote(s[:60]) + "…"
	}
	return strconv.Quote(s)
}
