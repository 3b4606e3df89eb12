package metadata

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"foundry/pkg/publish"
)

// dateBehind is how far back Date lies, so that clients whose clocks are a little slow believe it.
const dateBehind = 2 * time.Minute

// releaseDate is the format of dates in Release files (Debian repository format, RFC 5322 with "UTC").
const releaseDate = "Mon, 02 Jan 2006 15:04:05 MST"

// A Release is what a Release file says.
type Release struct {
	Date       time.Time
	ValidUntil time.Time
	Files      map[string]File // by path below the folder of Release
	Modified   time.Time       // of the file itself
	SHA256     string          // of the file itself
}

// A File is one index file as Release lists it.
type File struct {
	Size   int64
	SHA256 string
}

// Read reads a Release file that this package wrote.
func Read(path string) (Release, error) {
	release := Release{Files: map[string]File{}}
	info, err := os.Stat(path)
	if err != nil {
		return release, err
	}
	release.Modified = info.ModTime()
	text, err := os.ReadFile(path)
	if err != nil {
		return release, err
	}
	release.SHA256 = Digest(text)
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
			release.Files[fields[2]] = File{size, fields[0]}
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

// Text renders the Release file of s (Debian repository format). No line may end in a blank or
// begin with a dash, so that the signed text of InRelease is these very bytes.
//
// Architectures does not name "all": those packages are in the index of each architecture, and
// apt would otherwise look for an index of their own.
func (release *Release) Text(s publish.Suite) []byte {
	var b bytes.Buffer
	line := func(name, value string) {
		if value = strings.TrimSpace(value); value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	line("Origin", s.Origin)
	line("Label", s.Label)
	line("Suite", s.Suite)
	if s.Suite == "" {
		line("Suite", s.Codename)
	}
	line("Version", s.Version)
	line("Codename", s.Codename)
	line("Date", release.Date.UTC().Format(releaseDate))
	line("Valid-Until", release.ValidUntil.UTC().Format(releaseDate))
	line("Acquire-By-Hash", "yes")
	if s.NotAutomatic {
		line("NotAutomatic", "yes")
		if s.ButAutomaticUpgrades {
			line("ButAutomaticUpgrades", "yes")
		}
	}
	line("Signed-By", strings.Join(s.SignedBy, ","))
	line("Architectures", strings.Join(s.Architectures, " "))
	line("Components", strings.Join(Components(s), " "))
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

// Follow sets the dates of the release that follows previous. Date never goes back, since apt keeps
// what it has when it does. The files' own times grow by a second at least, since clients ask
// for what has been modified since a second.
func (release *Release) Follow(previous Release, now time.Time, valid time.Duration) {
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
