package aptly

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"foundry/pkg/debian"
)

// dateBehind is how far back Date lies, so that clients whose clocks are a little slow believe it.
const dateBehind = 2 * time.Minute

// releaseDate is the format of dates in Release files (Debian repository format, RFC 5322 with "UTC").
const releaseDate = "Mon, 02 Jan 2006 15:04:05 MST"

// releaseFile is what a Release file says.
type releaseFile struct {
	Date       time.Time
	ValidUntil time.Time
	Files      map[string]indexFile // by path below the generation
	Modified   time.Time            // of the file itself
	sha256     string
}

// indexFile is one index file as Release lists it.
type indexFile struct {
	Size   int64
	SHA256 string
}

// readRelease reads a Release file that this package wrote.
func readRelease(path string) (releaseFile, error) {
	release := releaseFile{Files: map[string]indexFile{}}
	info, err := os.Stat(path)
	if err != nil {
		return release, err
	}
	release.Modified = info.ModTime()
	text, err := os.ReadFile(path)
	if err != nil {
		return release, err
	}
	release.sha256 = digest(text)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case strings.HasPrefix(line, " "):
			fields := strings.Fields(line)
			if len(fields) != 3 {
				return release, fmt.Errorf("read %s: bad line %q", path, line)
			}
			size, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return release, fmt.Errorf("read %s: %w", path, err)
			}
			release.Files[fields[2]] = indexFile{size, fields[0]}
		case name == "Date":
			release.Date, err = time.Parse(releaseDate, value)
		case name == "Valid-Until":
			release.ValidUntil, err = time.Parse(releaseDate, value)
		}
		if err != nil {
			return release, fmt.Errorf("read %s: %w", path, err)
		}
	}
	return release, nil
}

// text renders the Release file of s (Debian repository format). No line may end in a blank or
// begin with a dash, so that the signed text of InRelease is these very bytes.
//
// Architectures does not name "all": those packages are in the index of each architecture, and
// apt would otherwise look for an index of their own.
func (release *releaseFile) text(s *suite) []byte {
	var b bytes.Buffer
	line := func(name, value string) {
		if value = strings.TrimSpace(value); value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	line("Origin", s.Origin)
	line("Label", s.Label)
	line("Suite", s.Suite.Suite)
	if s.Suite.Suite == "" {
		line("Suite", s.Codename)
	}
	line("Codename", s.Codename)
	line("Date", release.Date.UTC().Format(releaseDate))
	line("Valid-Until", release.ValidUntil.UTC().Format(releaseDate))
	line("Acquire-By-Hash", "yes")
	line("Architectures", strings.Join(s.Architectures, " "))
	line("Components", s.Component)
	line("Description", s.Description)
	b.WriteString("SHA256:\n")
	paths := make([]string, 0, len(release.Files))
	for path := range release.Files {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		fmt.Fprintf(&b, " %s %d %s\n", release.Files[path].SHA256, release.Files[path].Size, path)
	}
	return b.Bytes()
}

// sign writes Release, Release.gpg and InRelease into dir.
func (r *Repo) sign(ctx context.Context, dir string, text []byte, modified time.Time) error {
	var inline, detached []byte
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { inline, err = r.opts.Signer.Clearsign(groupCtx, text); return err })
	group.Go(func() (err error) { detached, err = r.opts.Signer.Detach(groupCtx, text); return err })
	if err := group.Wait(); err != nil {
		return err
	}
	// The last line end is not part of signed text (RFC 9580, 7.2).
	if signed, err := debian.Unsign(inline); err != nil || !bytes.Equal(bytes.TrimRight(signed, "\n"), bytes.TrimRight(text, "\n")) {
		return errors.Join(errors.New("sign metadata: the signed text is not the text given"), err)
	}
	for name, data := range map[string][]byte{"Release": text, "Release.gpg": detached, "InRelease": inline} {
		path := filepath.Join(dir, name)
		r.step("write " + name)
		if err := writeFile(path, data); err != nil {
			return err
		}
		if err := os.Chtimes(path, modified, modified); err != nil {
			return err
		}
	}
	return nil
}

// dates sets those of the release that follows previous. Date never goes back, since apt keeps
// what it has when it does. The files' own times grow by a second at least, since clients ask
// for what has been modified since a second.
func (release *releaseFile) dates(previous releaseFile, now time.Time, valid time.Duration) {
	release.Date = now.Add(-dateBehind).UTC().Truncate(time.Second)
	if release.Date.Before(previous.Date) {
		release.Date = previous.Date
	}
	release.ValidUntil = now.Add(valid).UTC().Truncate(time.Second)
	release.Modified = now.UTC().Truncate(time.Second)
	if next := previous.Modified.UTC().Truncate(time.Second).Add(time.Second); release.Modified.Before(next) {
		release.Modified = next
	}
}
