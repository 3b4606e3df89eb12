package main

import (
	"fmt"
	"regexp"
	"strings"

	"foundry/bots/internal/sourcepackage"
	"foundry/pkg/debian"
	"foundry/pkg/gitrepo"
	"foundry/pkg/message"
)

// versionSuffix sets the version of a package for one of several codenames apart. It sorts below no
// suffix, and for known distributions by release. The newest of all (sid) has none. Any other
// codename stands for itself.
func versionSuffix(codename debian.Codename) string {
	const debianSuffix, ubuntuSuffix = "~deb%su0", "~ubuntu%s.0"
	for _, known := range []struct {
		codename debian.Codename
		suffix   string
		release  string
	}{
		{"stretch", debianSuffix, "9"},
		{"buster", debianSuffix, "10"},
		{"bullseye", debianSuffix, "11"},
		{"bookworm", debianSuffix, "12"},
		{"trixie", debianSuffix, "13"},
		{"forky", debianSuffix, "14"},
		{"duke", debianSuffix, "15"},
		{"bionic", ubuntuSuffix, "18.04"},
		{"focal", ubuntuSuffix, "20.04"},
		{"jammy", ubuntuSuffix, "22.04"},
		{"noble", ubuntuSuffix, "24.04"},
		{"oracular", ubuntuSuffix, "24.10"},
		{"plucky", ubuntuSuffix, "25.04"},
		{"questing", ubuntuSuffix, "25.10"},
		{"resolute", ubuntuSuffix, "26.04"},
	} {
		if codename == known.codename {
			return fmt.Sprintf(known.suffix, known.release)
		}
	}
	if codename == "sid" || codename == "unstable" {
		return ""
	}
	return "~" + strings.NewReplacer("-", ".", "_", ".", "~", ".").Replace(string(codename))
}

// A release is what one source package is made as.
type release struct {
	codename debian.Codename
	version  debian.Version
	entry    *debian.Entry // to be put on top of the changelog; nil for none
}

// releaseFor decides version and changelog entry of the package for one of the codenames that the
// commit is built for. The entry names the codename only where the version does too, so that the
// same version always comes with the same changelog, whatever branch the commit is on.
func (o *options) releaseFor(codename debian.Codename, several bool, top debian.Entry, c gitrepo.Commit, about *message.Commit) (release, error) {
	r := release{codename: codename, version: top.Version}
	entry := top
	var changes []string
	if o.autobump {
		r.version = r.version.Append(o.bump.fill(occasion{c.Time, c.Hash, about.Branch, codename, about.Count}))
		changes = append(changes, strings.TrimRight(fmt.Sprintf("  * Commit %s: %s", c.Hash[:12], c.Subject), " "))
	}
	if suffix := versionSuffix(codename); several && suffix != "" {
		r.version = r.version.Append(suffix)
		changes = append(changes, fmt.Sprintf("  * Build for %s.", codename))
		entry.Distributions = []string{string(codename)}
	}
	// Last, so that it stays below the next release's suffix.
	if about.Bump && about.Count > 0 {
		r.version = r.version.Append(fmt.Sprintf("+build%d", about.Count))
		changes = append(changes, "  * Rebuild.")
	}
	if changes == nil {
		return r, nil
	}
	if _, err := debian.ParseVersion(r.version.String()); err != nil {
		return r, err
	}
	entry.Version, entry.Date, entry.Changes = r.version, c.Time.UTC(), strings.Join(changes, "\n")
	r.entry = &entry
	return r, nil
}

// binaryRebuild is the end of a version by which dpkg knows a rebuild without change of source
// (binNMU; Debian Developer's Reference 5.10.2.1): a source package may not have it.
var binaryRebuild = regexp.MustCompile(`\+b[0-9]+$`)

// releasesFor decides them for all codenames.
func (o *options) releasesFor(codenames []debian.Codename, top debian.Entry, c gitrepo.Commit, about *message.Commit) ([]release, error) {
	var all []release
	for _, codename := range codenames {
		r, err := o.releaseFor(codename, len(codenames) > 1, top, c, about)
		if err != nil {
			return nil, sourcepackage.PackageFault("debian/changelog: "+err.Error(), "choose a shorter version")
		}
		if binaryRebuild.MatchString(r.version.String()) {
			return nil, sourcepackage.PackageFault(fmt.Sprintf("debian/changelog: version %s ends like that of a binary-only rebuild", r.version),
				`choose one that does not end in "+b" and a number, which dpkg takes off again`)
		}
		for _, other := range all {
			if other.version == r.version {
				return nil, sourcepackage.PolicyFault(fmt.Sprintf("codenames %s and %s would get packages of the same version %s", other.codename, codename, r.version),
					"build one of them from another branch: --codename BRANCH:"+string(codename))
			}
		}
		all = append(all, r)
	}
	return all, nil
}
