package aptly

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"

	"foundry/pkg/publish/aptly/disk"
)

// export writes the public key, and for each codename a source list that apt can use as it is
// (sources.list(5), deb822 style).
func (r *Repo) export() error {
	key, err := r.opts.Signer.Public()
	if err != nil {
		return fmt.Errorf("export key: %w", err)
	}
	if err := disk.WriteChanged(filepath.Join(r.opts.Output, r.opts.Archive+".asc"), key); err != nil {
		return err
	}
	if r.opts.URI == "" {
		return nil
	}
	for _, s := range r.opts.Suites {
		var b bytes.Buffer
		fmt.Fprintf(&b, "Types: deb deb-src\nURIs: %s\nSuites: %s\nComponents: %s\nSigned-By:\n", r.opts.URI, s.Codename, s.Component)
		for line := range strings.Lines(strings.TrimSpace(string(key)) + "\n") {
			if strings.TrimSpace(line) == "" {
				line = ".\n"
			}
			b.WriteString(" " + line)
		}
		if err := disk.WriteChanged(filepath.Join(r.opts.Output, r.opts.Archive+"-"+s.Codename+".sources"), b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}
