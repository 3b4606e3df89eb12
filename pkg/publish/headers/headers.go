// Package headers says what HTTP tells clients and caches of the files of a repository, wherever they are served.
package headers

import (
	"path"
	"strings"
)

// CacheControl tells how long a file may be kept by caches (RFC 9111): what is named by its hash or version never
// changes, all else must be asked for anew. Name is its path below the repository's folder.
func CacheControl(name string) string {
	if strings.HasPrefix(name, "pool/") || strings.Contains(name, "/by-hash/") {
		return "public, max-age=31536000, immutable"
	}
	return "no-cache"
}

// ContentType is the media type of a file.
func ContentType(name string) string {
	base := path.Base(name)
	switch ext := path.Ext(base); {
	case ext == ".html":
		return "text/html; charset=utf-8"
	case ext == ".deb" || ext == ".udeb" || ext == ".ddeb":
		return "application/vnd.debian.binary-package"
	case ext == ".gz":
		return "application/gzip"
	case ext == ".xz":
		return "application/x-xz"
	case ext == ".zst":
		return "application/zstd"
	case ext == ".asc" || ext == ".dsc" || ext == ".sources" || ext == ".buildinfo" || base == "Release.gpg",
		base == "Release" || base == "InRelease" || base == "Packages" || base == "Sources":
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}
