// Package delivery checks what one bot hands to the next: that the .changes of a build agrees with
// the message that names its files. Signbot asks before it signs, distbot before it publishes, each
// for itself, since neither believes that the other has.
package delivery

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"foundry/pkg/debian"
	"foundry/pkg/message"
)

// MaxText is the size in bytes of the largest .dsc, .changes or .buildinfo that is read.
const MaxText = 8 << 20

// ErrTooLarge says that a text file has more bytes than any that is honest.
var ErrTooLarge = fmt.Errorf("more than %d bytes", MaxText)

// ReadText reads a .dsc, .changes or .buildinfo. One that is not there is fs.ErrNotExist.
func ReadText(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxText+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Base(path), err)
	}
	if len(text) > MaxText {
		return nil, fmt.Errorf("%s has %w", filepath.Base(path), ErrTooLarge)
	}
	return text, nil
}

// Check tells what is wrong when c, the .changes called name, is not about pkg, or does not list
// exactly the other files of the message, which has itself among them.
func Check(c *debian.Changes, name string, pkg message.Package, files []message.Artifact) error {
	switch {
	case c.Source != pkg.Source:
		return fmt.Errorf("%s is about %s, not %s", name, c.Source, pkg.Source)
	case c.Version.String() != pkg.Version && c.SourceVersion.String() != pkg.Version:
		return fmt.Errorf("%s is about version %s, not %s", name, c.Version, pkg.Version)
	case c.Distribution != pkg.Codename:
		return fmt.Errorf("%s is for %s, not %s", name, c.Distribution, pkg.Codename)
	}
	given := map[string]message.Artifact{}
	for _, a := range files {
		given[a.Name] = a
	}
	if _, ok := given[name]; !ok || !strings.HasSuffix(name, ".changes") {
		return fmt.Errorf("the build has no file %q", name)
	}
	delete(given, name)
	for _, f := range c.Files {
		a, ok := given[f.Name]
		if !ok {
			return fmt.Errorf("%s lists %s, which the build does not have", name, f.Name)
		}
		if string(a.SHA256) != f.SHA256 || a.Size != f.Size {
			return fmt.Errorf("%s does not list the bytes of %s", name, f.Name)
		}
		delete(given, f.Name)
	}
	for other := range given {
		return fmt.Errorf("%s does not list %s", name, other)
	}
	return nil
}
