package debian

import (
	"fmt"
	"path"
	"strings"
)

// maxName is how many bytes a file name may have; file systems take 255.
const maxName = 255

// maxPackage is how many bytes the name of a package may have; the longest in Debian has some 70.
const maxPackage = 128

// ValidPackageName tells whether s can be the name of a source or binary package (Debian policy
// 5.6.1): at least two of a-z, 0-9, "+", "-" and ".", the first a letter or digit.
func ValidPackageName(s string) bool {
	if len(s) < 2 || len(s) > maxPackage || !alphanumeric(s[0]) || !only(s, "+-.") {
		return false
	}
	return s == strings.ToLower(s)
}

// ValidFileName tells whether s can be the name of a file of a package: plain, without slash,
// leading dot or hyphen, space or control character.
func ValidFileName(s string) bool {
	return s != "" && len(s) <= maxName && s[0] != '.' && s[0] != '-' && only(s, "+-.~_:%,=@")
}

// ValidComponent tells whether s can name a component of an orig tarball, as in
// hello_1.0.orig-COMPONENT.tar.xz (dpkg-source(1)).
func ValidComponent(s string) bool {
	return s != "" && len(s) <= 100 && s[0] != '-' && only(s, "-")
}

// DscName is the file name of the .dsc.
func DscName(source string, v Version) string {
	return source + "_" + v.WithoutEpoch() + ".dsc"
}

// ChangesName is the file name of the .changes of a build for arch.
func ChangesName(source string, v Version, arch Architecture) string {
	return fmt.Sprintf("%s_%s_%s.changes", source, v.WithoutEpoch(), arch)
}

// OrigName is the file name of the orig tarball, or with a component of that component's.
// compression is a file extension: "gz", "bz2", "lzma" or "xz".
func OrigName(source string, v Version, component, compression string) string {
	if component != "" {
		component = "-" + component
	}
	return fmt.Sprintf("%s_%s.orig%s.tar.%s", source, v.Upstream, component, compression)
}

// PoolDir is the folder of a source package in an archive's pool: "pool/main/libh/libhello".
func PoolDir(component, source string) string {
	prefix := source
	switch {
	case strings.HasPrefix(source, "lib") && len(source) > 3:
		prefix = source[:4]
	case source != "":
		prefix = source[:1]
	}
	return path.Join("pool", component, prefix, source)
}
