// Package sourcepackage makes a Debian source package of an exported commit, for sourcebot: it reads the
// packaging, and has dpkg-source put it together with the orig tarballs. These are found by package orig, and
// package layout fits the tree of the commit to them.
//
// Whoever wrote the commit may wish harm, and dpkg-source, pristine-tar and tar believe what they are
// given. So what they will read is looked at before (Guard), and they run
// with nothing of this host's environment (Runner). The same commit always gives the same bytes: times come
// from the changelog, compressors run with one thread.
//
// A failure that is the package's own is a *bot.Failure; any other error is trouble of this host that may
// pass.
package sourcepackage
