package debian

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// maxChangelog is how many bytes a changelog may have; the kernel's has 3 MB.
const maxChangelog = 16 << 20

// A Changelog is debian/changelog (deb-changelog(5)), newest entry first. It has at least one.
type Changelog []Entry

// An Entry is one version's part of a changelog. Only of the first it is certain that all fields are
// set, since old changelogs have entries in forms that dpkg passes over too.
type Entry struct {
	Source        string
	Version       Version
	Distributions []string
	Urgency       string // lower case, "medium" where none is given
	Changes       string // the lines between heading and signature
	Maintainer    string // "Name <address>"
	Date          time.Time
	Line          int // of the heading, counted from 1
}

var (
	entryHeading = regexp.MustCompile(`(?i)^(\w[-+0-9a-z.]*) \(([^()\s]+)\)((?:\s+[-+0-9a-z.]+)+);(.*)$`)
	entryTrailer = regexp.MustCompile(`^ -- (.*) <(.*)> ?  (\S.*)$`)
	entryTail    = regexp.MustCompile(`(?i)^(?:(?:;;\s*)?Local variables:|vim:|Old Changelog:)`)
)

// ParseChangelog reads a changelog. The first entry must be complete and correct; of the others,
// those that can be read are returned.
func ParseChangelog(data []byte) (Changelog, error) {
	if len(data) > maxChangelog {
		return nil, fmt.Errorf("parse changelog: %d bytes, more than %d", len(data), maxChangelog)
	}
	p := changelogParser{}
	for line := range bytes.Lines(data) {
		p.line++
		text := strings.TrimRight(string(line), " \t\r\n")
		if entryTail.MatchString(text) {
			break
		}
		if err := p.take(text); err != nil && len(p.done) == 0 {
			return nil, fmt.Errorf("parse changelog: line %d: %w", p.line, err)
		}
	}
	if len(p.done) == 0 {
		if p.current != nil {
			return nil, fmt.Errorf("parse changelog: line %d: the entry has no line \" -- Name <address>  date\"", p.current.Line)
		}
		return nil, errors.New("parse changelog: no entry")
	}
	return p.done, nil
}

// Top returns the newest entry.
func (c Changelog) Top() Entry { return c[0] }

type changelogParser struct {
	line    int
	done    Changelog
	current *Entry
	changes strings.Builder
}

func (p *changelogParser) take(line string) error {
	switch {
	case line == "" || line[0] == ' ' && !strings.HasPrefix(line, " --"):
		return p.takeChange(line)
	case strings.HasPrefix(line, " --"):
		return p.takeTrailer(line)
	case line[0] == '\t':
		return p.takeChange(line)
	case line[0] == '$' || strings.HasPrefix(line, "# ") || strings.HasPrefix(line, "/*"):
		return nil // keywords of version control and comments, which dpkg passes over
	}
	return p.takeHeading(line)
}

func (p *changelogParser) takeChange(line string) error {
	if p.current == nil {
		if line != "" {
			return errors.New("found changes where an entry's heading was expected: " + quote(line))
		}
		return nil
	}
	p.changes.WriteString(line + "\n")
	return nil
}

func (p *changelogParser) takeHeading(line string) error {
	unfinished := p.current != nil
	p.current = nil
	m := entryHeading.FindStringSubmatch(line)
	if m == nil {
		return errors.New("heading is not of the form \"source (version) distribution; urgency=…\": " + quote(line))
	}
	if unfinished && len(p.done) == 0 {
		return errors.New("found the next heading where \" -- Name <address>  date\" was expected")
	}
	if !ValidPackageName(m[1]) {
		return fmt.Errorf("invalid source package name %s", quote(m[1]))
	}
	v, err := ParseVersion(m[2])
	if err != nil {
		return err
	}
	p.changes.Reset()
	p.current = &Entry{
		Source: m[1], Version: v, Distributions: strings.Fields(m[3]), Urgency: "medium", Line: p.line,
	}
	for option := range strings.SplitSeq(m[4], ",") {
		key, value, _ := strings.Cut(option, "=")
		if words := strings.Fields(value); strings.EqualFold(strings.TrimSpace(key), "urgency") && len(words) > 0 {
			p.current.Urgency = strings.ToLower(words[0])
		}
	}
	return nil
}

func (p *changelogParser) takeTrailer(line string) error {
	if p.current == nil {
		return errors.New("found \" -- \" where an entry's heading was expected")
	}
	e := *p.current
	m := entryTrailer.FindStringSubmatch(line)
	if m == nil {
		return errors.New("line is not of the form \" -- Name <address>  date\" with two spaces before the date: " + quote(line))
	}
	date, err := ParseDate(m[3])
	if err != nil && len(p.done) == 0 {
		return err
	}
	e.Maintainer, e.Date = strings.TrimSpace(m[1])+" <"+m[2]+">", date
	e.Changes = strings.Trim(p.changes.String(), "\n")
	p.done, p.current = append(p.done, e), nil
	return nil
}

// ParseDate reads the date of a changelog entry or .changes: RFC 5322, the day of the week optional.
func ParseDate(s string) (time.Time, error) {
	s, _, _ = strings.Cut(s, " (") // a comment that names the time zone
	s = strings.Join(strings.Fields(s), " ")
	for _, layout := range []string{"Mon, 2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 -0700", "Mon, 2 January 2006 15:04:05 -0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("date is not of the form \"Fri, 20 Nov 2026 23:15:01 +0000\": " + quote(s))
}

// String returns the entry as it stands in a changelog, with an empty line after it.
func (e Entry) String() string {
	return fmt.Sprintf("%s (%s) %s; urgency=%s\n\n%s\n\n -- %s  %s\n\n", e.Source, e.Version,
		strings.Join(e.Distributions, " "), e.Urgency, e.Changes, e.Maintainer, e.Date.Format(time.RFC1123Z))
}
