package debian

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A GBP is what foundry honors of debian/gbp.conf (gbp.conf(5)).
type GBP struct {
	PristineTar    bool     // default false
	UpstreamTag    string   // default "upstream/%(version)s"
	UpstreamBranch string   // default "upstream"
	DebianBranch   string   // where the packaging is; empty where it is not said
	Components     []string // additional tarballs
	Compression    string   // "gz", "bz2", "lzma", "xz", or "" where it is left open
}

// DefaultGBP is what holds without a gbp.conf.
func DefaultGBP() GBP {
	return GBP{UpstreamTag: "upstream/%(version)s", UpstreamBranch: "upstream"}
}

// ParseGBP reads a gbp.conf: the sections DEFAULT, git-buildpackage (an old name) and buildpackage,
// the later over the earlier. Options it does not know are passed over.
func ParseGBP(data []byte) (GBP, error) {
	g := DefaultGBP()
	if len(data) > 64<<10 {
		return g, fmt.Errorf("parse gbp.conf: %d bytes", len(data))
	}
	sections, err := parseINI(string(data))
	if err != nil {
		return g, fmt.Errorf("parse gbp.conf: %w", err)
	}
	for _, section := range []string{"default", "git-buildpackage", "buildpackage"} {
		for key, value := range sections[section] {
			if err := g.set(key, value); err != nil {
				return g, fmt.Errorf("parse gbp.conf: option %s: %w", key, err)
			}
		}
	}
	return g, nil
}

func (g *GBP) set(key, value string) error {
	// Older gbp.conf files double the percent signs, which its parser once needed.
	plain := strings.ReplaceAll(value, "%%(", "%(")
	switch key {
	case "pristine-tar":
		switch strings.ToLower(value) {
		case "true", "yes", "on", "1":
			g.PristineTar = true
		case "false", "no", "off", "0":
			g.PristineTar = false
		default:
			return fmt.Errorf("%s is neither true nor false", quote(value))
		}
	case "upstream-tag":
		g.UpstreamTag = plain
	case "upstream-branch":
		g.UpstreamBranch = value
	case "debian-branch":
		g.DebianBranch = value
	case "compression":
		return g.setCompression(value)
	case "component":
		return g.setComponents(value)
	}
	return nil
}

func (g *GBP) setCompression(value string) error {
	switch value {
	case "auto", "":
		g.Compression = ""
	case "gzip", "gz":
		g.Compression = "gz"
	case "bzip2", "bz2":
		g.Compression = "bz2"
	case "lzma", "xz":
		g.Compression = value
	default:
		return fmt.Errorf("unknown compression %s", quote(value))
	}
	return nil
}

func (g *GBP) setComponents(value string) error {
	g.Components = nil
	for _, c := range strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(" \t\n,[]'\"", r) }) {
		if !ValidComponent(c) {
			return fmt.Errorf("invalid component %s", quote(c))
		}
		if !slices.Contains(g.Components, c) {
			g.Components = append(g.Components, c)
		}
	}
	return nil
}

// parseINI reads the dialect of Python's configparser: "[section]", "key = value" or "key: value",
// "#" and ";" comments on their own lines, indented lines continue a value. Section and option
// names come back in lower case.
func parseINI(text string) (map[string]map[string]string, error) {
	sections := map[string]map[string]string{}
	var section map[string]string
	var last string
	number := 0
	for line := range strings.Lines(text) {
		number++
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';':
		case (line[0] == ' ' || line[0] == '\t') && last != "":
			section[last] += "\n" + trimmed
		case trimmed[0] == '[':
			name, _, closed := strings.Cut(trimmed[1:], "]")
			if !closed {
				return nil, fmt.Errorf("line %d: section without \"]\"", number)
			}
			name = strings.ToLower(strings.TrimSpace(name))
			if sections[name] == nil {
				sections[name] = map[string]string{}
			}
			section, last = sections[name], ""
		default:
			i := strings.IndexAny(trimmed, "=:")
			if i <= 0 {
				return nil, fmt.Errorf("line %d: neither section nor option", number)
			}
			if section == nil {
				return nil, fmt.Errorf("line %d: option before the first section", number)
			}
			last = strings.ToLower(strings.TrimSpace(trimmed[:i]))
			section[last] = strings.TrimSpace(trimmed[i+1:])
		}
	}
	return sections, nil
}

var (
	mangled = regexp.MustCompile(`%\(version%([^%])%((?:[^%]|\\%)+)\)s`)
	awkward = regexp.MustCompile(`\.(\.|$|lock$)`)
)

// TagName fills a tag format of gbp.conf with a version: "%(version)s", "%(hversion)s" (dots as
// hyphens), and "%(version%A%B)s" (A replaced by B). What git does not take in a tag is written as
// DEP-14 says: "~" as "_", ":" as "%", and "#" after a dot that git would stumble over.
func TagName(format, version string) string {
	if m := mangled.FindStringSubmatch(format); m != nil {
		version = strings.ReplaceAll(version, m[1], strings.ReplaceAll(m[2], `\%`, "%"))
		format = strings.Replace(format, m[0], "%(version)s", 1)
	}
	version = tagVersion(version)
	return strings.NewReplacer("%(version)s", version,
		"%(hversion)s", strings.ReplaceAll(version, ".", "-")).Replace(format)
}

func tagVersion(version string) string {
	version = strings.NewReplacer("~", "_", ":", "%").Replace(version)
	for { // dots may overlap, "a...b"
		fixed := awkward.ReplaceAllString(version, ".#$1")
		if fixed == version {
			return version
		}
		version = fixed
	}
}
