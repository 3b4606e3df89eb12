package orig

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// maxDelta is how many bytes a delta of pristine-tar may unpack to.
const maxDelta = 512 << 20

// deltaPart matches the names of the files that a delta has: version, type, manifest, delta, wrapper,
// params, sha256sum and more of the kind.
var deltaPart = regexp.MustCompile(`^[a-z0-9]{1,32}$`)

// checkDelta finds out whether pristine-tar can be let at a delta. It makes the files of the manifest
// in a temporary folder, sets their times and gives them to tar, without a look at where they lead;
// so a name that climbs, or goes through a symbolic link of the upstream tree, would alter files of
// this host or put them into the tarball. links are the symbolic links of that tree.
func checkDelta(delta []byte, links map[string]bool) error {
	parts, err := unpackDelta(delta)
	if err != nil {
		return err
	}
	if parts["manifest"] == nil {
		return errors.New("it has no manifest")
	}
	lines := bufio.NewScanner(bytes.NewReader(parts["manifest"]))
	lines.Buffer(nil, 64<<10)
	for lines.Scan() {
		line := lines.Text()
		for _, name := range []string{line, unquoteManifest(line), buggyUnquote.Replace(line)} {
			if err := checkManifestName(name, links); err != nil {
				return err
			}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if wrapper := parts["wrapper"]; wrapper != nil {
		if _, err := unpackDelta(wrapper); err != nil {
			return fmt.Errorf("wrapper: %w", err)
		}
	}
	return nil
}

// unpackDelta reads a delta, which is a tar file, perhaps compressed. It holds plain files alone.
func unpackDelta(delta []byte) (map[string][]byte, error) {
	var r io.Reader = bytes.NewReader(delta)
	if bytes.HasPrefix(delta, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("unpack: %w", err)
		}
		r = z
	}
	archive := tar.NewReader(io.LimitReader(r, maxDelta))
	parts := map[string][]byte{}
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return parts, nil
		}
		if err != nil {
			return nil, fmt.Errorf("unpack: %w", err)
		}
		if h.Typeflag != tar.TypeReg || !deltaPart.MatchString(h.Name) || parts[h.Name] != nil {
			return nil, fmt.Errorf("it has an unexpected part %q", h.Name)
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			return nil, fmt.Errorf("unpack %s: %w", h.Name, err)
		}
		parts[h.Name] = data
	}
}

func checkManifestName(name string, links map[string]bool) error {
	if name == "" || name == "." || name == "./" {
		return nil
	}
	if !filepath.IsLocal(name) || strings.HasPrefix(name, "-") || hasDots(name) || strings.ContainsRune(name, 0) {
		return fmt.Errorf("manifest has an unsafe name %q", name)
	}
	// The names in the tarball usually stand below one folder that the tree does not have.
	clean := filepath.Clean(name)
	_, below, _ := strings.Cut(clean, "/")
	for _, path := range []string{clean, below} {
		for dir := filepath.Dir(path); dir != "." && dir != "/"; dir = filepath.Dir(dir) {
			if links[dir] {
				return fmt.Errorf("manifest has %q, which leads through the symbolic link %q", name, dir)
			}
		}
	}
	return nil
}

// hasDots tells whether a name has ".." as an element, even one that does not lead out.
func hasDots(name string) bool {
	for element := range strings.SplitSeq(name, "/") {
		if element == ".." {
			return true
		}
	}
	return false
}

var (
	manifestEscape = regexp.MustCompile(`\\([abfnrtv\\]|[0-9]{3})`)
	plainEscapes   = strings.NewReplacer("a", "\a", "b", "\b", "f", "\f", "n", "\n", "r", "\r", "t", "\t", "v", "\x11", `\`, `\`)
	// Old versions of pristine-tar took escapes apart like this.
	buggyUnquote = strings.NewReplacer(`\a`, "\a", `\b`, "\b", `\f`, "\f", `\n`, "\n", `\r`, "\r", `\t`, "\t", `\v`, "\x11", `\\`, `\`)
)

// unquoteManifest takes escapes apart as pristine-tar does.
func unquoteManifest(line string) string {
	return manifestEscape.ReplaceAllStringFunc(line, func(escape string) string {
		code := escape[1:]
		if len(code) != 3 {
			return plainEscapes.Replace(code)
		}
		n, err := strconv.ParseUint(code, 8, 16)
		if err != nil { // "8" or "9", which perl's oct reads up to; not to be had from tar
			return "/../"
		}
		return string([]byte{byte(n)})
	})
}
