package sourcepackage

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"foundry/pkg/debian"
)

// Packaging is what a commit's debian folder says.
type Packaging struct {
	Top    debian.Entry // newest of the changelog
	Format debian.Format
	GBP    debian.GBP
	Since  time.Time // date of the first of the newest entries that have the same upstream version
}

// maxRead is how many bytes a file of the debian folder may have to be read here.
const maxRead = 16 << 20

// ReadPackaging reads the debian folder of an exported tree. Symbolic links are followed within the tree
// alone.
func ReadPackaging(tree string) (*Packaging, error) {
	root, err := os.OpenRoot(tree)
	if err != nil {
		return nil, fmt.Errorf("open tree: %w", err)
	}
	defer root.Close()
	p := new(Packaging)
	text, err := readPart(root, "debian/changelog", true)
	if err != nil {
		return nil, err
	}
	changelog, err := debian.ParseChangelog(text)
	if err != nil {
		return nil, PackageFault("debian/changelog: "+strings.TrimPrefix(err.Error(), "parse changelog: "), "dpkg-parsechangelog shows what dpkg makes of it; see deb-changelog(5)")
	}
	p.Top = changelog.Top()
	for _, entry := range changelog {
		if entry.Version.Upstream != p.Top.Version.Upstream || entry.Version.Epoch != p.Top.Version.Epoch {
			break
		}
		if !entry.Date.IsZero() {
			p.Since = entry.Date
		}
	}
	control, err := readPart(root, "debian/control", true)
	if err != nil {
		return nil, err
	}
	c, err := debian.ParseSourceControl(control)
	if err != nil {
		return nil, PackageFault("debian/control: "+strings.TrimPrefix(err.Error(), "parse control file: "), "see deb-src-control(5)")
	}
	if c.Source != p.Top.Source {
		return nil, PackageFault(fmt.Sprintf("debian/changelog is of source package %s and debian/control of %s", p.Top.Source, c.Source), "name the same source package in both")
	}
	if _, err := readPart(root, "debian/rules", true); err != nil {
		return nil, err
	}
	return p, p.readOptional(root)
}

// readOptional reads what may be absent, and checks that format and version go together.
func (p *Packaging) readOptional(root *os.Root) error {
	format, err := readPart(root, "debian/source/format", false)
	if err != nil {
		return err
	}
	if p.Format, err = debian.ParseFormat(format); err != nil {
		return PackageFault("debian/source/format: "+strings.TrimPrefix(err.Error(), "parse source format: "), "write one of: 3.0 (quilt), 3.0 (native), 1.0")
	}
	var configured [][]byte
	for _, name := range []string{".gbp.conf", "debian/gbp.conf"} {
		text, err := readPart(root, name, false)
		if err != nil {
			return err
		}
		configured = append(configured, text)
		if p.GBP, err = debian.ParseGBP(configured...); err != nil {
			return PackageFault(name+": "+strings.TrimPrefix(err.Error(), "parse gbp.conf: "), "see gbp.conf(5)")
		}
	}
	v := p.Top.Version
	switch {
	case strings.Contains(v.Upstream, ":"):
		return PackageFault(fmt.Sprintf("debian/changelog: version %s has a colon beside that of the epoch", v), "choose an upstream version without colon")
	case p.Format == debian.FormatNative && !v.Native():
		return PackageFault(fmt.Sprintf("version %s has a revision, which format 3.0 (native) does not allow", v), "remove the revision from debian/changelog, or write \"3.0 (quilt)\" into debian/source/format")
	case p.Format == debian.FormatQuilt && v.Native():
		return PackageFault(fmt.Sprintf("version %s has no revision, which format 3.0 (quilt) needs", v), fmt.Sprintf("write %s-1 into debian/changelog, or \"3.0 (native)\" into debian/source/format", v))
	}
	return nil
}

// readPart reads a file of the tree; one that is absent is nil unless it must be there.
func readPart(root *os.Root, name string, must bool) ([]byte, error) {
	info, err := root.Stat(name)
	if errors.Is(err, fs.ErrNotExist) && !must {
		return nil, nil
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, PackageFault("the commit has no "+name, "sourcebot needs debian/changelog, debian/control and debian/rules; is this the packaging branch?")
	case err != nil:
		return nil, PackageFault(fmt.Sprintf("%s cannot be read: %v", name, errors.Unwrap(err)), "make it a plain file")
	case !info.Mode().IsRegular():
		return nil, PackageFault(name+" is not a file", "make it a plain file")
	case info.Size() > maxRead:
		return nil, PackageFault(fmt.Sprintf("%s has %d bytes, more than %d", name, info.Size(), maxRead), "shorten it")
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}
