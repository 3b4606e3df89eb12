// Package debian reads the formats of Debian packaging: versions, architectures, changelogs,
// control files, .dsc, .changes, relations and gbp.conf, and makes the file names that follow from
// them.
//
// Everything it reads may have been written by somebody who wishes harm. Parsers therefore have
// limits on size, refuse what the formats do not allow instead of guessing, never panic, and name
// the line that is wrong. File names found in a .dsc or .changes are plain names: no slash, no
// leading dot, no control character.
//
// Terms are those of the Debian policy: a source package has a version of an optional epoch, an
// upstream part and, unless it is native, a revision. The formats are described in
// deb-version(7), deb-changelog(5), deb-src-control(5), dsc(5), deb-changes(5),
// dpkg-architecture(1) and gbp.conf(5). The package stands on pault.ag/go/debian for the order of
// versions. Control files, changelogs and relations are parsed here, since that library takes
// duplicate fields and misplaced line breaks silently and gives no line numbers.
package debian
