package debian

import (
	"fmt"
	"strings"
)

// A Format is a source package format (dpkg-source(1)).
type Format string

// The formats whose packages can be made. The others (3.0 (git), 3.0 (bzr), 3.0 (custom), 2.0) run
// version control on the package's own data or are not meant for archives.
const (
	Format1      Format = "1.0"
	FormatNative Format = "3.0 (native)"
	FormatQuilt  Format = "3.0 (quilt)"
)

// ParseFormat reads debian/source/format. An absent or empty file (nil) means 1.0, as it does to
// dpkg-source.
func ParseFormat(data []byte) (Format, error) {
	if len(data) > 1<<10 {
		return "", fmt.Errorf("parse source format: %d bytes", len(data))
	}
	line, _, _ := strings.Cut(string(data), "\n")
	f := Format(strings.Join(strings.Fields(line), " "))
	switch f {
	case "":
		return Format1, nil
	case Format1, FormatNative, FormatQuilt:
		return f, nil
	}
	return "", fmt.Errorf("unsupported source format %s", quote(string(f)))
}

// Native tells whether a package of the format and version has no orig tarball.
func (f Format) Native(v Version) bool {
	switch f {
	case FormatNative:
		return true
	case FormatQuilt:
		return false
	}
	return v.Native()
}
