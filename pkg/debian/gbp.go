package debian

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// A Switch is an option that may be left open.
type Switch int8

// What a Switch can be.
const (
	Open Switch = iota
	On
	Off
)

// A GBP is what foundry honors of git-buildpackage's configuration (gbp.conf(5)). What the files do not say
// is empty, nil or Open.
type GBP struct {
	PristineTar    Switch   // tarballs come from the branch pristine-tar
	UpstreamTag    string   // format of tags, see TagName; git-buildpackage's default is "upstream/%(version)s"
	UpstreamBranch string   // git-buildpackage's default is "upstream"
	UpstreamTree   string   // "TAG" (git-buildpackage's default), "BRANCH", "SLOPPY", or a commit, tag or branch
	DebianBranch   string   // where the packaging is
	Components     []string // additional tarballs
	Compression    string   // "gz", "bz2", "lzma" or "xz"
	Level          string   // of compression, "0" to "9"
	Signatures     Switch   // tarballs come with upstream's signatures
	Submodules     Switch   // are part of the upstream tree
	Overlay        Switch   // the branch has the packaging alone, which goes over the upstream source
	TarballDir     string   // where the maintainer keeps tarballs
}

// ParseGBP reads files of git-buildpackage's configuration, of which a later one counts more: the sections
// DEFAULT, gbp-buildpackage and git-buildpackage (old names) and buildpackage, the later over the earlier.
// Options it does not know are passed over.
func ParseGBP(files ...[]byte) (GBP, error) {
	var g GBP
	all := map[string]map[string]string{}
	for _, data := range files {
		if len(data) > 64<<10 {
			return g, fmt.Errorf("parse gbp.conf: %d bytes", len(data))
		}
		sections, err := parseINI(string(data))
		if err != nil {
			return g, fmt.Errorf("parse gbp.conf: %w", err)
		}
		for name, section := range sections {
			if all[name] == nil {
				all[name] = map[string]string{}
			}
			maps.Copy(all[name], section)
		}
	}
	for _, section := range []string{"default", "gbp-buildpackage", "git-buildpackage", "buildpackage"} {
		for _, key := range slices.Sorted(maps.Keys(all[section])) {
			if err := g.set(key, all[section][key]); err != nil {
				return g, fmt.Errorf("parse gbp.conf: option %s: %w", key, err)
			}
		}
	}
	return g, nil
}

func (g *GBP) set(key, value string) error {
	// Older gbp.conf files double the percent signs, which its parser once needed.
	plain := strings.ReplaceAll(value, "%%", "%")
	switch key {
	case "pristine-tar":
		return setSwitch(&g.PristineTar, value)
	case "upstream-signatures":
		return setSwitch(&g.Signatures, value)
	case "submodules":
		return setSwitch(&g.Submodules, value)
	case "overlay":
		return setSwitch(&g.Overlay, value)
	case "upstream-tag":
		g.UpstreamTag = plain
	case "upstream-branch":
		g.UpstreamBranch = value
	case "upstream-tree":
		g.UpstreamTree = plain
	case "debian-branch":
		g.DebianBranch = value
	case "tarball-dir":
		g.TarballDir = value
	case "compression":
		return g.setCompression(value)
	case "compression-level":
		if len(value) > 1 || strings.Trim(value, "0123456789") != "" {
			return fmt.Errorf("%s is not a level from 0 to 9", quote(value))
		}
		g.Level = value
	case "component", "components":
		return g.setComponents(value)
	}
	return nil
}

// setSwitch reads a boolean as git-buildpackage does, with a comment after it, or "auto".
func setSwitch(s *Switch, value string) error {
	word, _, _ := strings.Cut(value, " #")
	switch strings.ToLower(strings.TrimSpace(word)) {
	case "true", "yes", "on", "1":
		*s = On
	case "false", "no", "off", "0":
		*s = Off
	case "auto":
		*s = Open
	default:
		return fmt.Errorf("%s is neither true nor false", quote(value))
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
