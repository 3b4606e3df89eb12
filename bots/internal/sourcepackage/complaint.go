package sourcepackage

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxComplaint is how many bytes of dpkg-source's output are kept to be explained.
const maxComplaint = 256 << 10

// tail keeps the end of what is written to it.
type tail struct {
	text  []byte
	limit int
}

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if over := len(t.text) - t.limit; over > t.limit {
		t.text = slices.Clone(t.text[over:])
	}
	return len(p), nil
}

var (
	changedFile  = regexp.MustCompile(`(?m)^ (\S.*)$`)
	changedFiles = regexp.MustCompile(`(?m)local changes detected, the modified files are:\n((?: .*\n)+)`)
	cannotShow   = regexp.MustCompile(`(?m)error: cannot represent change to (.*?):(?: (.*))?$`)
	missingPatch = regexp.MustCompile(`(?m)cannot (?:read|stat) \S*?debian/patches/(.*?): No such file`)
	unwantedFile = regexp.MustCompile(`(?m)error: unwanted binary file: (.*)$`)
	failedPatch  = regexp.MustCompile(`(?m)error: (?:LC_ALL=C )?patch .*debian/patches/(.*?) subprocess returned`)
	alreadyIn    = regexp.MustCompile(`(?m)^Reversed \(or previously applied\) patch detected`)
	wrongTarball = regexp.MustCompile(`(?m)error: tar -xf .*subprocess returned`)
)

// explain says what dpkg-source's more usual complaints mean and what to do about them. output is all that
// it wrote, last its last word.
func explain(output, last string) (reason, hint string) {
	switch {
	case strings.Contains(last, "unexpected upstream changes"):
		reason = "the branch differs from the orig tarball outside of debian"
		if m := changedFiles.FindStringSubmatch(output); m != nil {
			reason += ": " + Enumerate(withoutTop(changedFile.FindAllStringSubmatch(m[1], -1)))
		}
		return reason + " (aborting due to unexpected upstream changes)",
			"make patches of the changes in debian/patches, have branch and orig tarball of the same upstream version, or name files that do not matter in debian/source/options (extend-diff-ignore)"
	case strings.Contains(last, "unrepresentable changes"):
		reason = "unrepresentable changes to the upstream source"
		if m := cannotShow.FindAllStringSubmatch(output, -1); m != nil {
			reason += ": " + Enumerate(withoutTop(m))
		}
		return reason, "a patch cannot make them: put them back as they are in the orig tarball, or list changed binary files in debian/source/include-binaries"
	case strings.Contains(last, "unwanted binary file"):
		reason = "binary files in debian"
		if m := unwantedFile.FindAllStringSubmatch(output, -1); m != nil {
			reason += ": " + Enumerate(column(m))
		}
		return reason, "list them in debian/source/include-binaries, or encode them as text"
	}
	if m := failedPatch.FindStringSubmatch(output); m != nil {
		reason = fmt.Sprintf("patch debian/patches/%s does not apply to the orig tarball", m[1])
		if alreadyIn.MatchString(output) {
			reason += " (it is in there already)"
		}
		return reason, "refresh the patches: quilt push -a --refresh"
	}
	if m := missingPatch.FindStringSubmatch(last); m != nil {
		return fmt.Sprintf("debian/patches/series lists %s, which is not there", m[1]), "commit the patch, or take it out of the list: quilt delete"
	}
	if wrongTarball.MatchString(output) {
		return "an orig tarball cannot be unpacked", "is it whole, and compressed as its name says? try: tar -tf"
	}
	return "dpkg-source: " + last, "try: dpkg-source -b . in a clean checkout of the commit"
}

// column is the first group of all matches.
func column(matches [][]string) []string {
	var names []string
	for _, m := range matches {
		names = append(names, m[1])
	}
	return names
}

// withoutTop is the first group of all matches, without the folder of the source package that dpkg-source
// puts before names.
func withoutTop(matches [][]string) []string {
	names := column(matches)
	for i, name := range names {
		if _, below, ok := strings.Cut(name, "/"); ok && strings.Contains(name[:len(name)-len(below)], "-") {
			names[i] = below
		}
	}
	return names
}

// Enumerate lists some names for a person.
func Enumerate(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
